"""``counterpoise demo``: base, SFT, DFT and BFT under one setup on held-out genes, in minutes on a laptop CPU.

    outcome = run_demo(Path("runs/demo"))           # trains, evaluates, writes results.json
    rates = tune_demo(Path("runs/demo-tune"))       # the learning-rate grid on the dev genes, some 40 minutes

Every arm starts from the same weights (a short SFT warm-up that teaches the form of an answer), sees the same rows in
the same order for the same number of steps, and has its own learning rate from the same grid.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from counterpoise.data.encoded import Encoded
from counterpoise.data.example import Example, Message
from counterpoise.data.facts import named_facts, training_records
from counterpoise.data.rendering import Renderer
from counterpoise.errors import UserError
from counterpoise.evaluation.embedded_tasks import gene_process_floors, run_task
from counterpoise.evaluation.intervals import Estimate
from counterpoise.evaluation.measurement import Measurements
from counterpoise.evaluation.results import Comparison, ResultRow, write_json
from counterpoise.models.adapters import AdapterConfig, parameter_counts
from counterpoise.models.load import LoadedModel, load_model
from counterpoise.objectives import Objective
from counterpoise.objectives import get as get_objective
from counterpoise.studies.demo_recipe import ARMS, PRIMARY, RATES, Arm, Recipe, tuned_rates
from counterpoise.studies.weighing import weigh_examples
from counterpoise.training.config import TrainingConfig
from counterpoise.training.environment import environment, peak_memory_bytes, text_hash
from counterpoise.training.fit import FitResult, fit

TASKS = ("gene-process", "general-sentences")


@dataclass(frozen=True)
class Trained:
    """One trained state of the model: what it scored and what training it cost."""

    key: str
    title: str
    objective: str
    rate: float | None
    measurements: dict[str, Measurements]
    """By task, then metric."""
    fitted: FitResult | None = None
    seconds: float = 0.0
    """Of evaluation."""


class Demo:
    """The shared setup: one model, one set of rows, one order."""

    def __init__(self, folder: Path, recipe: Recipe | None = None, *, show_progress: bool = True) -> None:
        self.folder = folder
        self.recipe = recipe or Recipe()
        self.show_progress = show_progress
        folder.mkdir(parents=True, exist_ok=True)
        r = self.recipe
        self.loaded: LoadedModel = load_model(
            r.model, adapter=AdapterConfig(kind="full", layers=r.layers), on_progress=self._say_share
        )
        self.renderer = Renderer(self.loaded.tokenizer, max_length=r.max_length)
        self.records = training_records(limit=r.rows, seed=r.seed)
        self.items = [_encode(self.renderer, record) for record in self.records]
        cut = r.warm_up_steps * r.batch_size
        self.warm_up_items, self.arm_items = self.items[:cut], self.items[cut:]

    def say(self, text: str) -> None:
        """Tell on standard error what is happening."""
        if self.show_progress:
            print(text, file=sys.stderr, flush=True)

    def _say_share(self, message: str, *_: Any) -> None:
        self.say(message)

    def train(self, key: str, objective: Objective, rate: float, items: Sequence[Encoded], title: str) -> FitResult:
        """Train the model on ``items``, once through, from the weights it has."""
        r = self.recipe
        config = TrainingConfig(
            epochs=1, batch_size=r.batch_size, learning_rate=rate, seed=r.seed, checkpoint_every=None
        )
        return fit(
            self.loaded, items, objective, config, self.folder / key, label=title, show_progress=self.show_progress
        )

    def measure(self, split: str) -> tuple[dict[str, Measurements], float]:
        """Run both tasks on the model as it is; return what they found and the seconds they took."""
        start = time.perf_counter()
        found = {task: run_task(task, self.loaded.model, self.renderer, split=split) for task in TASKS}
        return found, time.perf_counter() - start

    def state(self) -> dict[str, Tensor]:
        """Return a copy of the trained parameters."""
        return {n: p.detach().clone() for n, p in self.loaded.model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Put the trained parameters back."""
        for name, parameter in self.loaded.model.named_parameters():
            if name in state:
                parameter.copy_(state[name])

    def warm_up(self) -> FitResult:
        """Teach the form of an answer with plain SFT, shared by all arms."""
        r = self.recipe
        return self.train("warm-up", get_objective("sft"), r.warm_up_rate, self.warm_up_items, "warm-up (SFT)")

    def run_arm(self, arm: Arm, rate: float, start: dict[str, Tensor], split: str, key: str | None = None) -> Trained:
        """Train one arm from ``start`` and measure it."""
        self.restore(start)
        objective = arm.build()
        fitted = self.train(key or arm.key, objective, rate, self.arm_items, f"{arm.title}, rate {rate:g}")
        found, seconds = self.measure(split)
        return Trained(arm.key, arm.title, objective.label(), rate, found, fitted, seconds)


def run_demo(
    folder: Path,
    *,
    recipe: Recipe | None = None,
    arms: Sequence[Arm] | None = None,
    split: str = "test",
    show_progress: bool = True,
) -> dict[str, Any]:
    """Run the whole comparison and write ``results.json`` to ``folder``; return what it holds.

    Args:
        folder: made if missing; a demo that lies there is replaced.
        recipe: what all arms share.
        arms: default: those of the recipe's list that are shown.
        split: held-out genes to report on.
    """
    began = time.perf_counter()
    chosen = [arm for arm in ARMS if arm.shown] if arms is None else list(arms)
    rates = tuned_rates()
    if untuned := [arm.key for arm in chosen if arm.key not in rates["arms"]]:
        raise UserError(f"no tuned rate for {', '.join(untuned)}; tuned are {', '.join(rates['arms'])} (demo --tune)")
    demo = Demo(folder, recipe, show_progress=show_progress)
    r = demo.recipe
    demo.say(f"model: {demo.loaded.resolved.detail}; {parameter_counts(demo.loaded.model)}")

    found, seconds = demo.measure(split)
    trained = [Trained("base", "base model", "none", None, found, seconds=seconds)]
    warm = demo.warm_up()
    start = demo.state()
    found, seconds = demo.measure(split)
    trained.append(Trained("warm-up", "warm-up only", "sft", r.warm_up_rate, found, warm, seconds))
    weights = weigh_examples(
        demo.loaded, demo.arm_items, {arm.title: arm.build() for arm in chosen}, demo.records[len(demo.warm_up_items) :]
    )
    for arm in chosen:
        rate = rates["arms"][arm.key]["rate"]
        trained.append(demo.run_arm(arm, rate, start, split))

    floors = gene_process_floors(split, named_facts(demo.records))
    outcome = {
        "rows": [row for t in trained for row in _rows(t, demo, floors)],
        "comparisons": _comparisons(trained),
        "arms": [_summary(t, folder) for t in trained],
        "floors": {name: asdict(value) for name, value in floors.items()},
        "weights": weights,
        "recipe": {**asdict(r), "rows": r.rows, "split": split, "adapter": _adapter(r)},
        "tuning": rates,
        "environment": environment(
            seed=r.seed,
            model={"name": r.model, "source": demo.loaded.resolved.source, "detail": demo.loaded.resolved.detail},
            parameters=asdict(parameter_counts(demo.loaded.model)),
            data_hash=text_hash(f"{x['prompt']}\t{x['completion']}" for x in demo.records),
            seconds=round(time.perf_counter() - began, 1),
            peak_memory_bytes=peak_memory_bytes(),
        ),
    }
    write_json(folder / "results.json", outcome)
    plain: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return plain


def tune_demo(
    folder: Path, *, recipe: Recipe | None = None, arms: Sequence[Arm] = ARMS, show_progress: bool = True
) -> dict[str, Any]:
    """Train every arm at every rate of the grid, score it on the dev genes, and choose each arm's rate by ``PRIMARY``.

    Finished pairs are kept in ``folder``/tuning.jsonl and not run again. Ties go to the smaller rate.
    """
    demo = Demo(folder, recipe, show_progress=show_progress)
    log = folder / "tuning.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    done = {(row["arm"], row["rate"]): row for row in map(json.loads, lines)}
    demo.warm_up()
    start = demo.state()
    for arm in arms:
        for rate in RATES:
            if (arm.key, rate) in done:
                continue
            one = demo.run_arm(arm, rate, start, "dev", key=f"{arm.key}-{rate:g}")
            row: dict[str, Any] = {"arm": arm.key, "objective": one.objective, "rate": rate}
            for measurements in one.measurements.values():
                row |= {f"{m.task}: {m.metric}": round(m.estimate().value, 4) for m in measurements.values()}
            done[arm.key, rate] = row
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    metric = f"gene-process: {PRIMARY}"
    chosen = {}
    for arm in arms:
        grid = [done[arm.key, rate] for rate in RATES]
        best = max(grid, key=lambda row: (row[metric], -row["rate"]))
        chosen[arm.key] = {"rate": best["rate"], "objective": best["objective"], "grid": grid}
    return {
        "command": "counterpoise demo --tune",
        "chosen_by": f"{metric} on the 300 dev genes, ties to the smaller rate",
        "recipe": asdict(demo.recipe),
        "rates": list(RATES),
        "arms": chosen,
    }


def _encode(renderer: Renderer, record: dict[str, str]) -> Encoded:
    messages = (Message("user", record["prompt"]), Message("assistant", record["completion"]))
    return renderer.encode(Example(messages, source=record["id"], id=record["id"]))


def _adapter(recipe: Recipe) -> str:
    return f"full, top {recipe.layers} layers"


def _rows(trained: Trained, demo: Demo, floors: dict[str, Estimate]) -> list[ResultRow]:
    blind = trained.measurements["gene-process"]["gene-blind accuracy"].estimate().value
    beside = {name: floor.value for name, floor in floors.items()} | {"prior alone": blind}
    return [
        ResultRow.of(
            m.task,
            m.metric,
            m.estimate(),
            model=f"{demo.recipe.model} ({trained.title})",
            objective=trained.objective,
            adapter=_adapter(demo.recipe) if trained.fitted else "none",
            seed=demo.recipe.seed,
            floors=beside if "accuracy" in m.metric and "blind" not in m.metric else {},
        )
        for measurements in trained.measurements.values()
        for m in measurements.values()
    ]


def _comparisons(trained: Sequence[Trained]) -> list[Comparison]:
    """Every state against the base model and, the arms, against SFT."""
    by_key = {t.key: t for t in trained}
    found = []
    for ours in trained:
        for against in ("base", "warm-up", "sft"):
            if against == ours.key or against not in by_key or (ours.key in ("base", "warm-up") and against != "base"):
                continue
            theirs = by_key[against]
            for task, measurements in ours.measurements.items():
                for metric, m in measurements.items():
                    difference = m.difference(theirs.measurements[task][metric])
                    found.append(Comparison.of(task, metric, ours.title, theirs.title, difference))
    return found


def _summary(trained: Trained, folder: Path) -> dict[str, Any]:
    """What an arm scored and cost, and its training curve."""
    scores = {
        f"{task}: {metric}": asdict(m.estimate())
        for task, measurements in trained.measurements.items()
        for metric, m in measurements.items()
    }
    curve: list[dict[str, Any]] = []
    if trained.fitted is not None:
        lines = (folder / trained.key / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        keep = ("step", "loss", "nll", "confidence", "token_weight", "sample_weight", "p_conf", "effective_share")
        curve = [{name: row[name] for name in keep if name in row} for row in map(json.loads, lines)]
    return {
        "key": trained.key,
        "title": trained.title,
        "objective": trained.objective,
        "rate": trained.rate,
        "scores": scores,
        "training": None if trained.fitted is None else asdict(trained.fitted),
        "evaluation_seconds": trained.seconds,
        "curve": curve,
    }
