"""The user cache: one folder a model, made once, whole or not at all.

    from counterpoise.models.cache import cache_folder, make_once
    folder = make_once("smollm2-135m-bcc81830", fill, disk_bytes=650_000_000, provenance={...})

It lies in ``$COUNTERPOISE_CACHE``, else where the platform keeps caches (``~/.cache/counterpoise`` on Linux).
A folder is filled beside its place under another name and then renamed, so that a process killed half-way leaves
nothing that is ever used, and two processes at once both end with a whole folder.
"""

import errno
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from counterpoise.errors import UserError

PROVENANCE = "provenance.json"  # written last: a folder that has it is complete
_UNFINISHED = ".unfinished-"
_ABANDONED_AFTER = 24 * 3600  # seconds after which an unfinished folder is nobody's


def cache_folder() -> Path:
    """Return the root of the user cache (it may not exist yet)."""
    if chosen := os.environ.get("COUNTERPOISE_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "counterpoise"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "counterpoise"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "counterpoise"


def cached(name: str) -> Path | None:
    """Return the finished folder ``models/name`` of the user cache, or None."""
    folder = cache_folder() / "models" / name
    return folder if (folder / PROVENANCE).is_file() and (folder / "config.json").is_file() else None


def make_once(name: str, fill: Callable[[Path], None], *, disk_bytes: int, provenance: dict[str, Any]) -> Path:
    """Return ``models/name`` of the user cache, made by ``fill(scratch)`` if it is not there.

    ``fill`` gets an empty scratch folder and writes the model into ``scratch / "model"``; whatever else it leaves in
    the scratch folder is removed. ``disk_bytes`` is the free space it needs.
    Raises UserError when the disk is too full or the cache cannot be written.
    """
    if folder := cached(name):
        return folder
    models = cache_folder() / "models"
    place = models / name
    try:
        models.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(models)
        _require_space(models, disk_bytes)
        with tempfile.TemporaryDirectory(
            prefix=f"{_UNFINISHED}{name}-", dir=models, ignore_cleanup_errors=True
        ) as scratch:
            made = Path(scratch) / "model"
            fill(Path(scratch))
            (made / PROVENANCE).write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")
            _put_in_place(made, place, aside=Path(scratch) / "replaced")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(models, disk_bytes) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise UserError(
                f"{models}: the model cache cannot be written ({error.strerror}); "
                "set COUNTERPOISE_CACHE to a folder that can."
            ) from error
        raise
    return place


def full_disk(disk_bytes: int) -> UserError:
    """The sentence for a disk that filled up while a model was being made."""
    return _full(cache_folder() / "models", disk_bytes)


def _put_in_place(made: Path, place: Path, aside: Path) -> None:
    try:
        made.replace(place)
    except OSError:
        if cached(place.name):  # another process was quicker, and its folder is as good as ours
            return
        if not place.is_dir():
            raise
        place.replace(aside)  # an incomplete folder that somebody left there
        made.replace(place)


def _require_space(folder: Path, needed: int) -> None:
    if shutil.disk_usage(folder).free < needed:
        raise _full(folder, needed)


def _full(folder: Path, needed: int) -> UserError:
    free = shutil.disk_usage(folder if folder.exists() else Path.home()).free
    return UserError(
        f"{folder}: the disk is too full to make this model ({free / 1e6:,.0f} MB free, {needed / 1e6:,.0f} MB "
        "needed); free some space or set COUNTERPOISE_CACHE to a folder on another disk."
    )


def _remove_abandoned(models: Path) -> None:
    """Remove what killed processes left behind long ago; a younger one may belong to a running process."""
    for folder in models.glob(f"{_UNFINISHED}*"):
        try:
            if time.time() - folder.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another process removed it first
            continue
