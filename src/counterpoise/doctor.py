"""Is this computer ready, and what can be trained on it?

    from counterpoise import doctor
    for check in doctor.checks():            # prints nothing, fetches nothing
        print(check.status, check.name, check.detail)
    doctor.checks(network=True)              # also asks whether the model hub answers, for at most 3 seconds

A status is ``ok``, ``note`` (worth knowing, nothing to mend) or ``problem`` (something will fail until it is mended).
"""

import os
import platform
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

DEFAULT_MODEL = "smollm2-135m"
OLDEST_PYTHON = (3, 11)
HUB_SECONDS = 3.0
LITTLE_DISK = 2e9  # bytes; the default model and a few runs of it

# Memory that training needs for each parameter, in bytes, before activations; AdamW, master weights in float32.
MASTER_BYTES = 16.0  # weight 4, gradient 4, two moments 8
LORA_SHARE = 0.02  # adapter parameters for each parameter of the model, on the generous side
USABLE_SHARE = 0.75  # of the free memory; the rest is for activations and the system

CONTROL_GROUP = Path("/sys/fs/cgroup")  # where Linux keeps a container's own limits

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it stands, and one sentence or phrase of detail."""

    name: str
    status: Status
    detail: str


def checks(*, network: bool = False) -> list[Check]:
    """Look at this computer and return what was found, in a fixed order.

    Args:
        network: also ask whether the model hub can be reached; otherwise nothing leaves this computer.
    """
    found = [_python(), _packages()]
    if not installed("torch"):
        return [
            *found,
            Check("PyTorch", "problem", "torch is not installed, so nothing can be trained; run make install"),
        ]
    found += [_torch(), *_gpus(), _processor(), _memory(), *_fits(), _cache_disk(), _default_model(), _data_folder()]
    found.append(_extras())
    if network:
        found.append(_hub())
    return found


# -- software ----------------------------------------------------------------------------------------------------------


def _python() -> Check:
    detail = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Check(
            "Python", "problem", f"{detail}; Counterpoise needs Python {'.'.join(map(str, OLDEST_PYTHON))} or later"
        )
    return Check("Python", "ok", detail)


def installed(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def unmet(requirements: Iterable[str], extra: str = "") -> list[str]:
    """Return a phrase for each requirement (such as ``"torch>=2.13"``) that is not met here.

    Requirements whose marker does not hold for this computer, or that belong to another extra, are passed over.

    >>> unmet(["pip>=1", "no-such-package>=2.0"])
    ['no-such-package is not installed (needs >=2.0)']
    """
    from packaging.requirements import Requirement

    phrases = []
    for requirement in map(Requirement, requirements):
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        version = installed(requirement.name)
        if version is None:
            phrases.append(f"{requirement.name} is not installed (needs {requirement.specifier or 'any version'})")
        elif not requirement.specifier.contains(version, prereleases=True):
            phrases.append(f"{requirement.name} is {version} (needs {requirement.specifier})")
    return phrases


def _requirements() -> list[str] | None:
    """What the installed Counterpoise asks for, or None if it runs without having been installed."""
    try:
        return metadata.requires("counterpoise") or []
    except metadata.PackageNotFoundError:
        return None


def _packages() -> Check:
    requirements = _requirements()
    if requirements is None:
        return Check("packages", "note", "Counterpoise itself is not installed, so versions were not compared")
    if phrases := unmet(requirements):
        return Check("packages", "problem", f"{'; '.join(phrases)}; run make install")
    shown = ("torch", "transformers", "trl", "peft")
    versions = ", ".join(f"{name} {version}" for name in shown if (version := installed(name)))
    return Check("packages", "ok", f"all as required ({versions}, ...)")


def _extras() -> Check:
    """Which optional parts of Counterpoise are installed. Development tools are nobody's concern here."""
    requirements = _requirements() or []
    names = metadata.metadata("counterpoise").get_all("Provides-Extra") if requirements else None
    extras = [name for name in names or [] if name not in ("dev", "docs")]
    own = {name: [r for r in requirements if _belongs_to(r, name)] for name in extras}
    there = [name for name in extras if not unmet(own[name], extra=name)]
    missing = [name for name in extras if name not in there]
    if not missing:
        return Check("extras", "ok", f"installed: {', '.join(there) or 'none exist'}")
    how = f"not installed: {', '.join(missing)}; to add one: .venv/bin/pip install -e '.[{missing[0]}]'"
    return Check("extras", "note", f"installed: {', '.join(there) or 'none'}; {how}")


def _belongs_to(requirement: str, extra: str) -> bool:
    from packaging.requirements import Requirement

    marker = Requirement(requirement).marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


# -- hardware ----------------------------------------------------------------------------------------------------------


def _torch() -> Check:
    import torch

    build = "CPU build"
    if torch.version.cuda:
        build = f"CUDA {torch.version.cuda} build"
    elif torch.version.hip:
        build = f"ROCm {torch.version.hip} build"
    capability = torch.backends.cpu.get_cpu_capability()
    units = [unit for unit, present in _bfloat16_units().items() if present]
    if units:
        return Check(
            "PyTorch", "ok", f"{torch.__version__}, {build}; CPU {capability}, bfloat16 by {' and '.join(units)}"
        )
    slow = "this CPU has no bfloat16 arithmetic, so models compute in float32 on it"
    return Check("PyTorch", "note", f"{torch.__version__}, {build}; CPU {capability}; {slow}")


def _bfloat16_units() -> dict[str, bool]:
    import torch

    has = torch.cpu.get_capabilities()
    return {"AVX-512": bool(has.get("avx512_bf16")), "AMX": bool(has.get("amx_bf16"))}


def _gpus() -> list[Check]:
    import torch

    if not torch.cuda.is_available():
        if torch.backends.mps.is_available():
            return [Check("GPU", "note", "an Apple GPU, which Counterpoise does not use; the CPU computes")]
        if shutil.which("nvidia-smi") and not torch.version.cuda:
            how = "to use it: .venv/bin/pip uninstall -y torch, then rm .venv/.installed and make install TORCH=cuda"
            return [Check("GPU", "note", f"there may be an NVIDIA GPU, but this PyTorch is a CPU build; {how}")]
        return [Check("GPU", "ok", "none; the CPU computes")]
    found = []
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        with torch.cuda.device(number):
            bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        detail = f"{torch.cuda.get_device_name(number)}, {_gb(free)} of {_gb(total)} free, "
        detail += "bfloat16" if bfloat16 else "no bfloat16 arithmetic, so models compute in float32 on it"
        found.append(Check(f"GPU {number}", "ok" if bfloat16 else "note", detail))
    return found


def _processor() -> Check:
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = torch.get_num_threads()
    detail = f"usable cores: {usable}, PyTorch threads: {threads}"
    if threads > usable:
        advice = f"more threads than cores slow training, set OMP_NUM_THREADS={usable}"
        return Check("processor", "note", f"{detail}; {advice}")
    return Check("processor", "ok", detail)


def free_memory() -> int:
    """Return the bytes of memory that a process started now could use: the system's, or a container's if less."""
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        limit = int((CONTROL_GROUP / "memory.max").read_text())
        used = int((CONTROL_GROUP / "memory.current").read_text())
        pages = dict(line.split() for line in (CONTROL_GROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no container, or its limit is "max"
        return free
    cached = int(pages.get("inactive_file", 0)) + int(
        pages.get("active_file", 0)
    )  # files, dropped when memory is short
    return min(free, max(0, limit - used + cached))


def _memory() -> Check:
    import psutil

    free = free_memory()
    status: Status = "ok" if free >= 4e9 else "note"
    detail = f"{_gb(free)} of {_gb(psutil.virtual_memory().total)} free"
    return Check("memory", status, detail if status == "ok" else f"{detail}; the demo needs about 4 GB")


def largest_models(free_bytes: float, *, bfloat16: bool) -> tuple[float, float]:
    """Return the parameters of the largest models that can be trained in this much memory: (full, LoRA).

    Full fine-tuning holds float32 master weights, gradients and AdamW's moments, 16 bytes a parameter, and 2 more for
    the bfloat16 copy. LoRA holds the frozen weights in bfloat16 (2 bytes) or float32 (4) and an adapter of at most 2 %
    at 18 bytes. A quarter of the memory is left to activations, which grow with batch and length.

    >>> full, lora = largest_models(80e9, bfloat16=True)
    >>> round(full / 1e9, 1), round(lora / 1e9, 1)
    (3.3, 25.4)
    """
    usable = USABLE_SHARE * free_bytes
    trained, frozen = _bytes_a_parameter(bfloat16)
    return usable / trained, usable / (frozen + LORA_SHARE * trained)


def _bytes_a_parameter(bfloat16: bool) -> tuple[float, float]:
    """Return what a trained and what a frozen parameter takes."""
    return (MASTER_BYTES + 2.0, 2.0) if bfloat16 else (MASTER_BYTES, 4.0)


def _fits() -> list[Check]:
    """What could be trained on the best device here, by the rule of :func:`largest_models`."""
    import torch

    if torch.cuda.is_available():
        device = max(range(torch.cuda.device_count()), key=lambda number: torch.cuda.mem_get_info(number)[0])
        free, place = torch.cuda.mem_get_info(device)[0], f"on GPU {device}"
        with torch.cuda.device(device):
            bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        free, place, bfloat16 = free_memory(), "in this memory", any(_bfloat16_units().values())
    full, lora = largest_models(free, bfloat16=bfloat16)
    trained, frozen = _bytes_a_parameter(bfloat16)
    detail = f"{place}, roughly: full fine-tuning up to {_count(full)} parameters, LoRA up to {_count(lora)}"
    rule = (
        f"{USABLE_SHARE:.0%} of the free memory; full: {trained:g} bytes a parameter; "
        f"LoRA: {frozen:g} bytes, and {LORA_SHARE:.0%} of the parameters as an adapter"
    )
    speed = "" if torch.cuda.is_available() else "; on a CPU, time runs out before memory does"
    return [Check("what fits", "ok", f"{detail} (rule: {rule}){speed}")]


# -- models and data ---------------------------------------------------------------------------------------------------


def _cache_disk() -> Check:
    from counterpoise.models.cache import cache_folder

    folder = cache_folder()
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        return Check(
            "user cache", "problem", f"{folder} cannot be written; set COUNTERPOISE_CACHE to a folder that can"
        )
    if free < LITTLE_DISK:
        advice = "little for models; COUNTERPOISE_CACHE may name a folder on another disk"
        return Check("user cache", "note", f"{folder}, {_gb(free)} free: {advice}")
    return Check("user cache", "ok", f"{folder}, {_gb(free)} free")


def _default_model() -> Check:
    from counterpoise.errors import UserError
    from counterpoise.models import ALIASES, resolve

    try:
        found = resolve(DEFAULT_MODEL, offline=True)
    except UserError:
        wheel = ALIASES[DEFAULT_MODEL].wheel
        detail = (
            f"{DEFAULT_MODEL} is not on this disk yet; it comes with the first run, from the hub or the wheel {wheel}"
        )
        return Check("default model", "note", detail)
    return Check("default model", "ok", f"{DEFAULT_MODEL} is here ({found.detail})")


def _data_folder() -> Check:
    from counterpoise.data import catalog

    variable = catalog.DATA_DIR_VARIABLE
    folder = os.environ.get(variable)
    if not folder:
        return Check("data folder", "ok", f"{variable} is not set; the embedded data set needs none")
    if not Path(folder).expanduser().is_dir():
        return Check(
            "data folder", "problem", f"{variable} is {folder}, which is no folder; expected one with local copies"
        )
    entries = [entry for entry in map(catalog.get, catalog.names()) if not entry.is_embedded]
    there = [entry.name for entry in entries if entry.is_available(folder)]
    detail = f"{variable} is {folder}; of the catalog it holds {', '.join(there) or 'nothing'}"
    return Check("data folder", "ok" if there else "note", detail)


def _hub() -> Check:
    from counterpoise.models.fetch import hub_is_offline, hub_reachable

    if hub_is_offline():
        return Check("model hub", "note", "HF_HUB_OFFLINE is set, so the hub was not asked")
    if hub_reachable(HUB_SECONDS):
        return Check("model hub", "ok", "it answers")
    detail = f"no answer within {HUB_SECONDS:g} seconds; models by alias come from the package index instead"
    return Check("model hub", "note", detail)


def _gb(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size < 1e11 else f"{size / 1e9:,.0f} GB"


def _count(parameters: float) -> str:
    return f"{parameters / 1e9:.1f} billion" if parameters >= 1e9 else f"{parameters / 1e6:.0f} million"
