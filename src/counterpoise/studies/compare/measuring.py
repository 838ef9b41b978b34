"""One task of one model, measured once: what is there already is read, and a model is loaded only if need be.

measurer = Measurer(data_dir, say=print)
model = measurer.model("runs/s/sft/gad/seed-0/run", asked)
outcome = measurer.results("gad", model, asked, out=Path("gad.json"))
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.evaluation.backend import Backend
from counterpoise.evaluation.evaluate import Identity, evaluate
from counterpoise.evaluation.runner import Ask, OnProgress
from counterpoise.evaluation.subjects import LocalModel
from counterpoise.studies.compare.config import Measuring

Say = Callable[[str], None]
Progress = Callable[[], AbstractContextManager[OnProgress | None]]
"""Opens, for one evaluation, what is called as replies come."""


class LoadedOnce:
    """A model to evaluate (`evaluation.evaluate.Subject`), loaded when the first task needs it, and once for all."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self._backend: Backend | None = None

    def identity(self) -> Identity:
        """Return which model this is."""
        return self.model.identity()

    def settings(self) -> dict[str, Any]:
        """Return what the answers depend on."""
        return self.model.settings()

    def backend(self) -> Backend:
        """Load the model, the first time."""
        if self._backend is None:
            self._backend = self.model.backend()
        return self._backend


@dataclass
class Measurer:
    """Measures models on tasks.

    Attributes:
        data_dir: folder of local copies of data sets.
        say: told what happens; None: nobody is.
        progress: see above.
    """

    data_dir: str | Path | None
    say: Say | None = None
    progress: Progress = nullcontext

    def model(self, name: str, asked: Measuring) -> LoadedOnce:
        """Return a model, not loaded yet."""
        return LoadedOnce(LocalModel(name, asked.format, asked.precision, say=self.say or (lambda _: None)))

    def results(
        self, task: str, model: LoadedOnce, asked: Measuring, out: Path, *, split: str | None = None, run: bool = True
    ) -> dict[str, Any] | None:
        """Return what the results file of a task holds, measuring only if it was not made with these settings.

        Args:
            task: its name or file.
            model: what is measured.
            asked: how.
            out: the results file; prompts and replies are kept beside it.
            split: of the task's data; None: that of ``asked``.
            run: False: measure nothing, and return None where there are no such results.

        Raises:
            UserError: answers of another model are there, or whatever else `evaluate` finds wrong.
        """
        ask = Ask(self.data_dir, split or asked.split, asked.limit, asked.shots, asked.seed, tuple(asked.methods))
        wanted: dict[str, Any] = {key: getattr(ask, key) for key in ("split", "shots", "seed", "limit")}
        wanted["methods"] = list(ask.methods)
        if run:
            wanted |= model.settings()
        if out.is_file():
            found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
            if all(found["settings"].get(key) == value for key, value in wanted.items()):
                return found
        if not run:
            return None
        out.parent.mkdir(parents=True, exist_ok=True)
        if self.say is not None:
            self.say(f"  {out.stem}" + (f", split {ask.split}" if ask.split != "test" else ""))
        with self.progress() as on_progress:
            return evaluate([task], model, ask, out=out, on_progress=on_progress)
