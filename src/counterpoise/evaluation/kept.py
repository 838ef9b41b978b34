"""What an evaluation keeps on disk: every item, prompt, reply and log-probability, so that nothing is asked twice.

    kept = Kept.open(Path("results.items"), settings, overwrite=False)
    done = kept.replies("pubmedqa")                    # what an earlier, interrupted evaluation got
    with kept.writer("pubmedqa") as write:
        write(query, reply)

One folder an evaluation: ``settings.json``, and for each task ``<task>.items.jsonl`` and ``<task>.replies.jsonl`` (one
more for each further process). A line is written as soon as a reply is there; a line that a kill cut short is ignored.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from counterpoise.disk import replace_text, writing
from counterpoise.errors import UserError
from counterpoise.evaluation.backend import Query, Reply
from counterpoise.evaluation.results import write_json
from counterpoise.evaluation.tasks.item import Item

SETTINGS = "settings.json"


@dataclass(frozen=True)
class Kept:
    """The folder of one evaluation."""

    folder: Path

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, Any], *, overwrite: bool = False) -> Kept:
        """Make the folder, or go on with what an evaluation of the same settings left in it.

        Raises:
            UserError: it was made with other settings (the first difference is named), or cannot be written.
        """
        path = folder / SETTINGS
        if overwrite and path.exists():
            shutil.rmtree(folder)
        plain = json.loads(json.dumps(settings))
        if path.exists():
            before = json.loads(path.read_text(encoding="utf-8"))
            changed = [key for key in {**plain, **before} if before.get(key) != plain.get(key)]
            if changed:
                key = changed[0]
                raise UserError(
                    f"{folder} holds answers of another evaluation ({key}: was {before.get(key)}, is "
                    f"{plain.get(key)}); choose another --out, or pass --overwrite"
                )
        elif folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} is not empty and holds no evaluation; choose another --out")
        with writing(folder, "choose another --out, or free some space"):
            folder.mkdir(parents=True, exist_ok=True)
            write_json(path, plain)
        return cls(folder)

    def settings(self) -> dict[str, Any]:
        """Return the settings; UserError if this is no such folder."""
        path = self.folder / SETTINGS
        if not path.is_file():
            raise UserError(f"{self.folder}: there is no {SETTINGS}; expected the .items folder of an evaluation")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def keep_items(self, task: str, items: Sequence[Item], about: Mapping[str, Any]) -> None:
        """Write a task's items, the first line saying what is known of the task besides (``about``)."""
        path = self.folder / f"{task}.items.jsonl"
        lines = [json.dumps({"about": about}), *(json.dumps(asdict(item), ensure_ascii=False) for item in items)]
        with writing(path, "free some space; the same command then goes on"):
            replace_text(path, "\n".join(lines) + "\n")

    def tasks(self) -> list[str]:
        """Return the tasks of which items were kept."""
        return sorted(path.name.removesuffix(".items.jsonl") for path in self.folder.glob("*.items.jsonl"))

    def items(self, task: str) -> tuple[list[Item], dict[str, Any]]:
        """Return a task's items and what was said of the task."""
        path = self.folder / f"{task}.items.jsonl"
        if not path.is_file():
            raise UserError(f"{path}: no such file; the evaluation did not come to this task")
        with path.open(encoding="utf-8") as file:  # not splitlines: texts hold other line separators
            rows = [json.loads(line) for line in file]
        return [_item(row) for row in rows[1:]], rows[0]["about"]

    def replies(self, task: str, queries: Sequence[Query] = ()) -> dict[str, Reply]:
        """Return the replies so far by query; of several to one query the last that is no failure.

        Raises:
            UserError: a reply to one of ``queries`` was given to another prompt: the task has changed since.
        """
        asked = {query.id: query for query in queries}
        found: dict[str, Reply] = {}
        for path in sorted(self.folder.glob(f"{task}.replies*.jsonl")):
            for row in _whole_lines(path):
                reply = _reply(row["reply"])
                query = asked.get(reply.id)
                if query is not None and (row["messages"], row["options"]) != _prompt(query):
                    raise UserError(
                        f"{path}: {reply.id} was asked in other words; the task or its examples have changed since: "
                        "choose another --out, or pass --overwrite"
                    )
                if not reply.failure or reply.id not in found:
                    found[reply.id] = reply
        return found

    @contextmanager
    def writer(self, task: str, process: int = 0) -> Iterator[Callable[[Query, Reply], None]]:
        """Append replies with their prompts; each is on the disk when the call returns."""
        path = self.folder / f"{task}.replies{f'.{process}' if process else ''}.jsonl"
        advice = "free some space; the same command then goes on"
        with writing(path, advice):
            _end_last_line(path)
            with path.open("a", encoding="utf-8") as file:

                def write(query: Query, reply: Reply) -> None:
                    messages, options = _prompt(query)
                    row = {
                        "messages": messages,
                        "options": options,
                        "reply": {key: value for key, value in asdict(reply).items() if value not in ((), "", None)},
                    }
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                    file.flush()

                yield write


def _prompt(query: Query) -> tuple[list[list[str]], list[str]]:
    return [[message.role, message.content] for message in query.messages], list(query.options)


def _item(row: dict[str, Any]) -> Item:
    return Item(**_tuples(row))


def _reply(row: dict[str, Any]) -> Reply:
    return Reply(**_tuples(row))


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # cut short by a kill
            if isinstance(row, dict) and "reply" in row:
                yield row


def _end_last_line(path: Path) -> None:
    """Part what a kill cut short from what comes now."""
    if path.exists() and path.stat().st_size:
        with path.open("rb+") as file:
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b"\n")
