"""Install the PyTorch build that suits this computer into the Python that runs this script.

    .venv/bin/python tools/install_torch.py                  # CUDA build if there is an NVIDIA GPU, else the CPU build
    .venv/bin/python tools/install_torch.py --build cpu      # or cuda

On Linux the build that a package index calls plain ``torch`` brings gigabytes of CUDA libraries. The CPU build is
called ``torch==X+cpu``: some indexes and wheel folders have it, PyPI has not, PyTorch's own index always has. They are
asked in this order. Where none answers, the plain build is installed, with a warning: large, but it works.

Only torch itself is installed here; what it depends on comes from the user's own index, with everything else.
The version is the one in constraints.txt; if it is there already, in whatever build, nothing is done.
"""

import argparse
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints.txt"
PYTORCH_INDEX = "https://download.pytorch.org/whl/cpu"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]


def main() -> int:
    """Return pip's exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", choices=["auto", "cpu", "cuda"], default="auto")
    build = parser.parse_args().build

    version = wanted_version()
    if installed_version() == version:
        return 0
    if sys.platform != "linux":  # the plain build is the right one
        return install(f"torch=={version}")
    if build == "cuda" or (build == "auto" and has_nvidia_gpu()):
        print("Installing PyTorch for NVIDIA GPUs (with its CUDA libraries, some GB to download) ...", flush=True)
        return install(f"torch=={version},!={version}+cpu")

    cpu_build = f"torch=={version}+cpu"
    for source in ([], ["--index-url", PYTORCH_INDEX, "--timeout", "10", "--retries", "1"]):
        if offers(cpu_build, source):
            print("Installing PyTorch for CPUs (about 200 MB to download) ...", flush=True)
            return install(cpu_build, source)
    print(
        f"Warning: neither your package index nor {PYTORCH_INDEX} offers {cpu_build}, so the plain build is installed; "
        "it works without a GPU, but brings some GB of CUDA libraries. To avoid them, stop here, point "
        "PIP_FIND_LINKS to a folder with the CPU wheel, and run make again.",
        file=sys.stderr,
        flush=True,
    )
    return install(f"torch=={version}")


def wanted_version() -> str:
    """Return the tested version of torch, such as '2.13.0'."""
    pinned = re.search(r"^torch==(\S+)$", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)
    if not pinned:
        raise SystemExit(f"{CONSTRAINTS}: there is no line 'torch==VERSION'.")
    return pinned.group(1)


def installed_version() -> str | None:
    """Return the version of the torch that is installed, without its build, or None."""
    try:
        return metadata.version("torch").partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def has_nvidia_gpu() -> bool:
    """Whether the NVIDIA driver lists a GPU."""
    if not (nvidia_smi := shutil.which("nvidia-smi")):
        return False
    try:
        listed = subprocess.run([nvidia_smi, "-L"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and "GPU" in listed.stdout


def offers(requirement: str, source: list[str]) -> bool:
    """Whether pip finds this requirement there, for this Python and processor; nothing is installed."""
    question = [*PIP, "install", "--quiet", "--dry-run", "--no-deps", "--only-binary=:all:", *source, requirement]
    return subprocess.run(question, capture_output=True, check=False).returncode == 0


def install(requirement: str, source: list[str] | None = None) -> int:
    """Install without dependencies; pip shows its progress and its errors."""
    command = [
        *PIP,
        "install",
        "--no-deps",
        "--only-binary=:all:",
        *(source or []),
        "-c",
        str(CONSTRAINTS),
        requirement,
    ]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
