"""SIGTERM and Ctrl-C: the step in hand, a checkpoint, a sentence; and afterwards everything as in an unbroken run."""

import os
import signal

import pytest
from tiny_runs import encode, load_tiny
from transformers import TrainerCallback

from counterpoise import objectives
from counterpoise.errors import Stopped, UserError
from counterpoise.training import stopping
from counterpoise.training.checkpoints import newest_complete
from counterpoise.training.config import TrainingConfig
from counterpoise.training.fit import fit
from counterpoise.training.stopping import StopRequest, said_once

STEPS = 5


@pytest.fixture(autouse=True)
def heeds_ctrl_c():
    """A shell starts what it puts into the background with SIGINT ignored; a test must not depend on that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Send(TrainerCallback):
    """Sends this process a signal when a step begins, or when training ends."""

    def __init__(self, number, step=None):
        self.number, self.step = number, step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            os.kill(os.getpid(), self.number)

    def on_train_end(self, args, state, control, **kwargs):
        if self.step is None:
            os.kill(os.getpid(), self.number)


def train(llama_folder, folder, *callbacks, **changes):
    loaded = load_tiny(llama_folder, kind="full")
    settings = {"max_steps": STEPS, "batch_size": 4, "precision": "float32", "checkpoint_every": None} | changes
    items = encode(loaded, 12)  # three steps an epoch
    return fit(
        loaded, items, objectives.get("dft"), TrainingConfig(**settings), folder, callbacks=callbacks,
        show_progress=False,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("step", [0, 2, STEPS - 1])
def test_a_signal_ends_the_step_and_the_same_call_goes_on(llama_folder, tmp_path, number, step):
    train(llama_folder, tmp_path / "unbroken", checkpoint_every=STEPS)
    before = signal.getsignal(number)
    says = f"stopped by {number.name} after step {step + 1} of {STEPS}, .* the same command goes on"
    with pytest.raises(Stopped, match=says) as stopped:
        train(llama_folder, tmp_path / "run", Send(number, step))
    assert stopped.value.signal_number == number
    assert signal.getsignal(number) is before
    assert newest_complete(tmp_path / "run").name == f"checkpoint-{step + 1}"
    result = train(llama_folder, tmp_path / "run", checkpoint_every=STEPS)
    assert (result.resumed_from, result.steps) == (step + 1, STEPS)
    for name in ("metrics.jsonl", f"checkpoint-{STEPS}/trainable.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes()


def test_the_second_ctrl_c_stops_at_once(llama_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(stopping, "SAME_PRESS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        train(llama_folder, tmp_path / "run", Send(signal.SIGINT, 2), Send(signal.SIGINT, 2))
    assert newest_complete(tmp_path / "run") is None


def test_what_a_launcher_passes_on_is_the_same_ctrl_c(capfd):
    def pressed():
        with StopRequest() as request:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            raise Stopped("in good order", request.signal_number)

    with pytest.raises(Stopped):
        pressed()
    assert capfd.readouterr().err.count("SIGINT: finishing this step") == 1


def test_a_signal_after_the_last_step_is_not_lost(llama_folder, tmp_path):
    """Evaluation comes after training and may take hours: a signal noted too late must still end the program."""
    with pytest.raises(KeyboardInterrupt):
        train(llama_folder, tmp_path / "run", Send(signal.SIGINT))


def test_one_of_several_ranks_speaks(monkeypatch):
    errors = [UserError("no"), Stopped("stopped", signal.SIGTERM)]
    assert [said_once(error) for error in errors] == errors
    monkeypatch.setenv("RANK", "1")
    assert [said_once(error).code for error in errors] == [2, 143]
