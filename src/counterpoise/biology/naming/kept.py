"""Naming records on disk: a JSON line a set, appended as sets end, and beside it the settings they were made with.

    with NamingFile.open(Path("names.jsonl"), settings) as file:
        file.done                      # id -> record, of an earlier, interrupted run with the same settings
        file.append(record)
    read_records(Path("names.jsonl"))

A line that a kill cut short is taken out when the file is opened again, and so are sets for which the model could not
be reached: they are asked again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from counterpoise.disk import replace_text, writing
from counterpoise.errors import UserError

ADVICE = "free some space; the same command then goes on"


def settings_path(out: Path) -> Path:
    """Return where the settings of a file of records lie."""
    return out.with_name(out.name + ".settings.json")


class NamingFile:
    """The records of one run; a context manager. Made by `open`."""

    def __init__(self, path: Path, done: dict[str, dict[str, Any]]) -> None:
        self.path, self.done = path, done
        self._file: IO[str] | None = None

    @classmethod
    def open(cls, path: Path, settings: Mapping[str, Any], *, overwrite: bool = False) -> NamingFile:
        """Begin a file, or go on with one of the same settings.

        Raises:
            UserError: it holds records of other settings (the first difference is named) or something else, or cannot
                be written.
        """
        header, plain = settings_path(path), json.loads(json.dumps(settings))
        with writing(path, "choose another --out, or free some space"):
            if overwrite:
                path.unlink(missing_ok=True)
                header.unlink(missing_ok=True)
            if path.exists() and not header.exists() and path.stat().st_size:
                raise UserError(f"{path} has no {header.name} beside it; choose another --out, or pass --overwrite")
            if header.exists() and path.exists():
                _check_same(path, _read_settings(header), plain)
            path.parent.mkdir(parents=True, exist_ok=True)
            done = _repair(path)
            replace_text(header, json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
            path.touch()
        return cls(path, done)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record; it is on the disk when the call returns."""
        assert self._file is not None, "used outside of its context"
        with writing(self.path, ADVICE):
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()

    def __enter__(self) -> NamingFile:
        with writing(self.path, ADVICE):
            self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._file is not None
        self._file.close()


def read_records(path: str | Path) -> list[dict[str, Any]]:
    """Read naming records, in the file's order; a line that was cut short is left out.

    Raises:
        UserError: there is no such file, or a whole line of it is no naming record.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected the records of a naming run")
    records = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            record = _record(line)
            if record is None and line.endswith("\n") and line.strip():
                raise UserError(f"{path}, line {number}: no naming record; expected the file of a naming run")
            if record is not None:
                records.append(record)
    return records


def _check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [key for key in {**now, **before} if before.get(key) != now.get(key)]
    if changed:
        key = changed[0]
        raise UserError(
            f"{path} holds names of another run ({key}: was {before.get(key)}, is {now.get(key)}); "
            "choose another --out, or pass --overwrite"
        )


def _read_settings(header: Path) -> dict[str, Any]:
    try:
        found = json.loads(header.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{header}: no settings of a naming run; choose another --out, or pass --overwrite")
    return found


def _repair(path: Path) -> dict[str, dict[str, Any]]:
    """Return the records that stay, by id; the file holds them and nothing else afterwards."""
    if not path.exists():
        return {}
    done: dict[str, dict[str, Any]] = {}
    lines, lost = [], False
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            record = _record(line)
            if record is None or record.get("ask_again") or record["id"] in done:
                lost = True
                continue
            done[record["id"]] = record
            lines.append(line if line.endswith("\n") else line + "\n")
            lost |= not line.endswith("\n")
    if lost:
        replace_text(path, "".join(lines))
    return done


def _record(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("id"), str) and "genes" in found else None
