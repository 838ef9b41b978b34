"""A full disk is told from other errors, whoever met it: Python, safetensors or torch."""

import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from counterpoise.disk import disk_problem, draft_of, replace_text, replacing, writing
from counterpoise.errors import UserError

TENSORS = {"a": torch.zeros(1000)}
WRITERS = {
    "python": lambda path: path.write_text("x" * 4000),
    "safetensors": lambda path: save_file(TENSORS, path),
    "torch": lambda path: torch.save(TENSORS, path),
}


@contextmanager
def small_files():
    """No file may grow beyond 500 bytes: the error a full disk gives, without one.

    Not a fixture: pytest reports before fixtures end, and its own output may be a longer file.
    """
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("writer", WRITERS)
def test_no_room_for_a_file(tmp_path, writer):
    refused = pytest.raises(UserError, match=r"file: the disk is full; free some space$")
    with refused, small_files(), writing(Path("file"), "free some space"):
        WRITERS[writer](tmp_path / "file")


def test_a_device_that_is_always_full():
    with pytest.raises(UserError, match=r"/dev/full: the disk is full$"), writing(Path("/dev/full")):
        Path("/dev/full").write_text("x")


@pytest.mark.parametrize("writer", ["python", "safetensors"])
def test_a_folder_that_is_not_there(tmp_path, writer):
    with pytest.raises(UserError, match=r"cannot be written \(No such file or directory\)"), writing(Path("file")):
        WRITERS[writer](tmp_path / "missing" / "file")


def test_other_errors_stay_what_they_are():
    with pytest.raises(KeyError), writing(Path("file")):
        raise KeyError("name")
    assert disk_problem(UserError("no space left on device")) is None
    assert disk_problem(RuntimeError("shapes do not fit")) is None


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    replace_text(path, "first é")

    def stopped_half_way():
        with replacing(path) as draft:
            draft.write_text("half of the sec")
            assert draft == draft_of(path) != path
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_half_way()
    assert path.read_text(encoding="utf-8") == "first é"
    with replacing(path) as draft:
        draft.write_text("second")
        assert path.read_text(encoding="utf-8") == "first é", "until it is whole, others see what was there"
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path], "no draft stays"
