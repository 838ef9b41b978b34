"""What the tests of gene-set names share: the data folder of development, and an encoder whose vectors are a table."""

import os
from pathlib import Path

import numpy as np
import pytest
from naming_runs import write_data


@pytest.fixture(scope="session")
def shared_data():
    folder = Path(os.environ.get("COUNTERPOISE_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
    for name in ("geneagent", "hu2025"):
        if not (folder / name).is_dir():
            pytest.skip(f"{name} is not in {folder}")
    return folder


class LetterEncoder:
    """A real bag of letters: names are alike as far as they have the same letters. Counts the texts that it reads."""

    name, fingerprint = "letters", "letters-1"

    def __init__(self):
        self.read = 0

    def vectors(self, names, **_):
        self.read += len(names)
        found = np.array([[name.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for name in names])
        found = found.reshape(len(names), 26).astype(np.float64)
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return (found / np.where(length > 0, length, 1)).astype(np.float32)


@pytest.fixture
def letters(monkeypatch, tmp_path):
    """That encoder, with an empty folder as the cache."""
    monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path / "cache"))
    return LetterEncoder()


@pytest.fixture
def data(tmp_path):
    """A data folder with four gene sets."""
    return write_data(tmp_path / "data")
