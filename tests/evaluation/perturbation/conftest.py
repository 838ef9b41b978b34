"""Tasks that read a small screen."""

import os
from pathlib import Path

import pytest
from toy_screen import screen, write_table

from counterpoise.evaluation.tasks import get


@pytest.fixture
def folder(tmp_path):
    write_table(tmp_path / "data" / "screen.csv", screen())
    return tmp_path / "data"


@pytest.fixture
def toy():
    """Return a function to a shipped task that reads the small screen; changes are to its ``perturbation`` section."""

    def make(name="perturbqa-k562-de", **changes):
        spec = get(name)
        data = {split: spec.data[split].model_copy(update={"file": "screen.csv", "count": None}) for split in spec.data}
        view = spec.perturbation.model_copy(update=changes)
        return spec.model_copy(update={"data": data, "perturbation": view})

    return make


@pytest.fixture(scope="session")
def shared():
    path = Path(os.environ.get("COUNTERPOISE_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
    if not (path / "perturbqa").is_dir():
        pytest.skip(f"{path}/perturbqa is not there")
    return path
