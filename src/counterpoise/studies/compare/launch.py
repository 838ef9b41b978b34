"""One training run in processes of its own, started by a launcher such as ``accelerate launch --num_processes 2``.

    launch("accelerate launch --num_processes 2", config, Path("runs/s/sft/all/seed-0"), data_dir="biomedical")

runs ``accelerate launch --num_processes 2 -m counterpoise train runs/s/sft/all/seed-0/train.yaml``. What it prints goes
to standard error; Ctrl-C and SIGTERM are passed on to all its processes, which write a checkpoint and end.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import yaml

from counterpoise.disk import writing
from counterpoise.errors import Stopped, UserError
from counterpoise.training.config import RunConfig

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def launch(
    launcher: str, config: RunConfig, place: Path, *, data_dir: str | Path | None = None, quiet: bool = False
) -> None:
    """Train, and come back when it is done.

    Args:
        launcher: words of a command, in front of ``-m counterpoise train``.
        config: the run.
        place: folder for the config file.
        data_dir: as of ``counterpoise train``.
        quiet: nothing on standard error but errors.

    Raises:
        UserError: the launcher cannot be started, or ended with an error, which stands above on standard error.
        Stopped: a signal was passed on.
    """
    file = place / "train.yaml"
    with writing(file, "choose another --folder, or free some space"):
        place.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(config.plain(), sort_keys=False, allow_unicode=True), encoding="utf-8")
    words = [*shlex.split(launcher), "-m", "counterpoise", "train", str(file)]
    words += ["--data-dir", str(data_dir)] if data_dir is not None else []
    words += ["--quiet"] if quiet else []
    try:
        # A session of its own: Ctrl-C in a terminal then comes to it once, through us, as every other signal does.
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL if quiet else 2, start_new_session=True)
    except OSError as error:
        raise UserError(f"--launcher is {launcher!r}, which cannot be started ({error.strerror})") from None
    with _passed_on(process) as signals:
        code = process.wait()
    if signals:
        name = signal.Signals(signals[0]).name
        raise Stopped(f"stopped by {name}; the same command goes on from the last checkpoint", signals[0])
    if code:
        how = f"exit code {code}" if code > 0 else signal.Signals(-code).name
        raise UserError(f"training under --launcher {launcher!r} ended with {how}; what was wrong stands above")
    if not (config.output.folder / "results.json").is_file():
        raise UserError(
            f"training under --launcher {launcher!r} ended without results in {config.output.folder}; expected a "
            "command that runs a Python module, such as python or accelerate launch"
        )


@contextmanager
def _passed_on(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Pass signals on to all processes of a session; yields those that came."""
    came: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as Python calls it
        came.append(number)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    if threading.current_thread() is not threading.main_thread():  # Python allows handlers in no other
        yield came
        return
    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
