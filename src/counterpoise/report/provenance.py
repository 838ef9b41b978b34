"""What results were made with, as pages tell it: our version and commit, the machine, Python and packages.

made_with(outcome["environment"])        # {"Counterpoise": "0.1.0 at commit 0f3...", "Machine": "Linux...", ...}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def made_with(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return a text a heading; what is not known (an earlier version wrote less) is left out, perhaps to nothing.

    Args:
        environment: as `training.environment.environment` writes it.
    """
    e = environment
    counts = [f"{e[key]} {key}" for key in ("cores", "threads") if e.get(key)]
    machine = (e.get("platform"), e.get("processor"), e.get("cpu_capability"), *counts, *(e.get("gpus") or []))
    python = [f"Python {e['python']}"] if e.get("python") else []
    packages = [f"{name} {version}" for name, version in (e.get("packages") or {}).items()]
    return {
        "Counterpoise": " at commit ".join(str(e[key]) for key in ("counterpoise", "git_commit") if e.get(key)),
        "Machine": ", ".join(str(part) for part in machine if part),
        "Python and packages": ", ".join([*python, *packages]),
    }
