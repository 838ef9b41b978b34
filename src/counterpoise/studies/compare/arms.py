"""What a study file asks for, checked before anything is loaded: arms with their tasks, settings and run configs.

study = load_study("study.yaml")
for arm in study.arms.values():                 # those given by hand, then the combinations of axes
    arm.tasks, arm.forgetting, arm.learns
    arm.run_config(on="gad", seed=0, rate=1e-4, folder=Path("runs/s/sft/gad/seed-0/run"))
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from counterpoise.errors import UserError, nearest
from counterpoise.evaluation.runner import check_tasks
from counterpoise.evaluation.task_queries import METHODS
from counterpoise.evaluation.tasks import get as tasks_by_name
from counterpoise.evaluation.tasks.items import LABEL_TASKS
from counterpoise.evaluation.tasks.source import PREFIX, is_task_source
from counterpoise.evaluation.tasks.spec import TaskSpec
from counterpoise.studies.compare.also import require_tasks
from counterpoise.studies.compare.axes import axis_values, grid_arms
from counterpoise.studies.compare.config import ArmConfig, Measuring, StudyConfig, checked, lay_over, read_study
from counterpoise.training.config import RunConfig
from counterpoise.training.config_file import check_run_config

ALL = "all"
"""What a model is trained on that serves every task."""
UNTRAINED = "none"
"""The same of a model as it is."""


@dataclass(frozen=True)
class Arm:
    """One arm, resolved.

    Attributes:
        asked: how its tasks are asked.
        forgetting_asked: how the forgetting tasks are: the same for every arm, so that differences are the weights'.
        learns: the tasks that it trains a model for each; ``(ALL,)`` for one model; ``(UNTRAINED,)`` for none.
        rates: learning rates to choose from; empty: that of the run config.
        encoder: it reads text and predicts labels, and answers no prompts.
        plain: its run config, ``{task}`` and ``model.task: auto`` still in it.
    """

    name: str
    tasks: tuple[TaskSpec, ...]
    forgetting: tuple[TaskSpec, ...]
    asked: Measuring
    forgetting_asked: Measuring
    learns: tuple[str, ...]
    rates: tuple[float, ...]
    encoder: bool
    plain: dict[str, Any] = field(repr=False)
    where: str = ""
    """What errors call it."""

    @property
    def trained(self) -> bool:
        """Whether it has weights of its own."""
        return self.learns != (UNTRAINED,)

    @property
    def model(self) -> str:
        """The model that it starts from."""
        model = self.plain["model"]
        return str(model["name"] if isinstance(model, dict) else model)

    def measured_on(self, on: str) -> tuple[TaskSpec, ...]:
        """Return the tasks that the model trained on ``on`` is measured on, forgetting apart."""
        return tuple(spec for spec in self.tasks if on in (ALL, UNTRAINED, spec.name))

    def source(self) -> str:
        """Return ``data.source``, ``{task}`` still in it."""
        data = self.plain.get("data")
        return str(data.get("source", "") if isinstance(data, dict) else data or "")

    def run_config(
        self, *, on: str, seed: int, folder: Path, rate: float | None = None, task: str | None = None
    ) -> RunConfig:
        """Return the config of one training run.

        Args:
            on: one of ``learns``.
            seed: of training.
            folder: the run folder.
            rate: learning rate; None: the run config's own.
            task: what stands for ``{task}``; default: the task ``on``.

        Raises:
            UserError: what the config has wrong, the arm named.
        """
        plain = copy.deepcopy(self.plain)
        data = {"source": plain["data"]} if isinstance(plain.get("data"), str) else plain.get("data")
        if isinstance(data, dict) and isinstance(data.get("source"), str) and on != ALL:
            plain["data"] = data | {"source": data["source"].replace("{task}", task or on)}
        if self.encoder and isinstance(plain["model"], dict) and plain["model"].get("task") == "auto":
            spec = next(spec for spec in self.tasks if spec.name == on)
            plain["model"] = plain["model"] | {"task": LABEL_TASKS[spec.kind]}
        training = (
            dict(plain.get("training") or {}) | {"seed": seed} | ({} if rate is None else {"learning_rate": rate})
        )
        return check_run_config(
            plain | {"training": training, "output": {"folder": str(folder)}}, name=f"{self.where}.train"
        )


@dataclass(frozen=True)
class Study:
    """A study, checked."""

    config: StudyConfig
    """As the file has it, the arms of axes among the others."""
    written: StudyConfig
    """As the file has it."""
    file: str
    """Name of the study file, for errors."""
    tasks: tuple[TaskSpec, ...]
    forgetting: tuple[TaskSpec, ...]
    arms: dict[str, Arm]
    names: dict[str, str]
    """Task -> what it is got by: its name, or its file."""
    axes: dict[str, list[str]]
    """Axis -> its values as text."""
    settings: dict[str, dict[str, str]]
    """Arm of a grid -> axis -> its value as text."""


def load_study(path: str | Path) -> Study:
    """Read and check a study file.

    Raises:
        UserError: whatever is wrong with it, in one sentence that names the file and the key.
    """
    path = Path(path)
    written = read_study(path)
    grid = grid_arms(written.axes, written.run, path.name)
    if both := next((arm.name for arm in grid if arm.name in written.arms), ""):
        raise UserError(f"{path.name}: arms and axes both have an arm {both}; rename the one in arms")
    config = written.model_copy(update={"arms": written.arms | {arm.name: arm.config() for arm in grid}})
    tasks, forgetting = (_tasks(path, key, getattr(config, key)) for key in ("tasks", "forgetting"))
    if config.baseline not in config.arms:
        near = nearest(config.baseline, list(config.arms))
        raise UserError(
            f"{path.name}: baseline is {config.baseline!r}, which is no arm{near}; expected {', '.join(config.arms)}"
        )
    if twice := {spec.name for spec in tasks} & {spec.name for spec in forgetting}:
        raise UserError(f"{path.name}: {min(twice)} is in tasks and in forgetting; keep one of them")
    if len(set(config.seeds)) < len(config.seeds):
        raise UserError(f"{path.name}: seeds has {config.seeds}, one of them twice; expected different ones")
    for key in ("output", "evaluation"):
        if key in config.run:
            raise UserError(f"{path.name}: run.{key} is what the study itself decides; leave it out")
    for group, members in config.groups.items():
        for member in members:
            if member not in {spec.name for spec in tasks}:
                near = nearest(member, [spec.name for spec in tasks])
                raise UserError(f"{path.name}: groups.{group} names {member!r}, which is none of tasks{near}")
    measured = [spec.name for spec in (*tasks, *forgetting)]
    require_tasks(config.also, measured, file=path.name, which="tasks and forgetting")
    measured += [side_name(task, metric) for task, metrics in config.also.items() for metric in metrics]
    for place, pair in enumerate(config.frontier):
        for key, task in (("gained", pair.gained), ("lost", pair.lost)):
            if task not in measured:
                near = nearest(task, measured)
                raise UserError(
                    f"{path.name}: frontier.{place}.{key} is {task!r}, which is none of tasks and forgetting"
                    f"{', nor a TASK: METRIC of also' if ': ' in task else ''}{near}"
                )
    arms = {name: _arm(path, config, name, given, tasks, forgetting) for name, given in config.arms.items()}
    _check_different(arms, path.name)
    names = {spec.name: spec.name for spec in (*tasks, *forgetting)}
    names |= {tasks_by_name(name).name: name for name in (*config.tasks, *config.forgetting) if ".y" in name}
    settings = {arm.name: arm.settings for arm in grid}
    return Study(config, written, path.name, tasks, forgetting, arms, names, axis_values(grid), settings)


def side_name(task: str, metric: str = "") -> str:
    """Return what a task is called in a study where another metric than the quoted one is meant.

    >>> side_name("medquad-answers", "answer confidence")
    'medquad-answers: answer confidence'
    """
    return f"{task}: {metric}" if metric else task


def _check_different(arms: dict[str, Arm], file: str) -> None:
    """Raise UserError where two arms come to the same: the same training, asked the same of the same tasks."""
    seen: dict[str, str] = {}
    for name, arm in arms.items():
        plain: dict[str, Any] = {"model": arm.model, "asked": arm.asked.model_dump()}
        plain["tasks"] = [spec.name for spec in arm.tasks]
        if arm.trained:
            config = arm.run_config(on=arm.learns[0], seed=0, folder=Path("run"))
            plain |= config.plain() | {"learns": arm.learns, "objective": config.objective.build().label()}
            plain["rates"] = sorted(arm.rates or [plain["training"].pop("learning_rate")])
            plain["training"].pop("learning_rate", None)
        what = json.dumps(plain, sort_keys=True, default=str)
        if what in seen:
            raise UserError(f"{file}: arms {seen[what]} and {name} are the same in all settings; leave one of them out")
        seen[what] = name


def encodable(spec: TaskSpec) -> bool:
    """Whether an encoder can do a task: labels, tags or a number, and a text to read."""
    if spec.kind == "choice" and isinstance(spec.options, str):
        return False
    return spec.kind == "entities" or (spec.kind in LABEL_TASKS and spec.encoder is not None)


def _tasks(path: Path, key: str, names: list[str]) -> tuple[TaskSpec, ...]:
    try:
        return tuple(check_tasks(names)) if names else ()
    except UserError as error:
        raise UserError(f"{path.name}: {key}: {error}") from None


def _arm(
    path: Path,
    config: StudyConfig,
    name: str,
    given: ArmConfig,
    tasks: tuple[TaskSpec, ...],
    forgetting: tuple[TaskSpec, ...],
) -> Arm:
    where = f"{path.name}: arms.{name}"
    shared = config.evaluation.model_dump(exclude_unset=True)
    asked = checked(Measuring, shared | given.evaluation, f"{where}.evaluation")
    if given.only is not None:
        wanted = {spec.name for spec in _tasks(path, f"arms.{name}.only", given.only)}
        if strange := wanted - {spec.name for spec in tasks}:
            raise UserError(f"{where}.only names {min(strange)}, which is none of tasks")
        tasks = tuple(spec for spec in tasks if spec.name in wanted)
    for key in ("output", "evaluation"):
        if key in (given.train or {}):
            raise UserError(f"{where}.train.{key} is what the study itself decides; leave it out")
    plain = lay_over(config.run, given.train or {})
    plain.setdefault("model", "smollm2-135m")
    trained = given.train is not None
    model = plain["model"]
    kind = model.get("task", "language-model") if isinstance(model, dict) else "language-model"
    encoder = trained and kind != "language-model"
    if encoder:
        tasks = tuple(s for s in tasks if encodable(s) and kind in ("auto", LABEL_TASKS[s.kind]))
        forgetting = ()
    elif not trained and name != config.baseline and config.arms[config.baseline].train is None:
        forgetting = ()  # the baseline's own weights
    rates = config.learning_rates if given.learning_rates is None else given.learning_rates
    arm = Arm(name, tasks, forgetting, asked, config.evaluation, (UNTRAINED,), (), encoder, plain, where)
    if not tasks:
        raise UserError(f"{where}: none of the study's tasks is left for it; expected {_what(encoder)}")
    if trained:
        learns = tuple(spec.name for spec in tasks) if "{task}" in arm.source() else (ALL,)
        values = vars(arm) | {"learns": learns, "rates": tuple(rates)}
        arm = Arm(**values)
    _check(arm)
    return arm


def _what(encoder: bool) -> str:
    return "some with labels, tags or a number to predict" if encoder else "some of them under only"


def _check(arm: Arm) -> None:
    """Raise UserError for an arm that would fail after others have run for hours."""
    for spec in arm.tasks:
        if not spec.reader and arm.asked.split not in spec.data:
            raise UserError(f"{arm.where}: {spec.name} has no split {arm.asked.split!r}; expected {_splits(spec)}")
        if arm.encoder or not arm.asked.shots or not METHODS[spec.kind]:
            continue
        if not spec.shots:
            raise UserError(
                f"{arm.where}: {spec.name} has no examples to show; set evaluation.shots to 0, or leave the task out "
                "with only"
            )
        if spec.shots == arm.asked.split:
            raise UserError(f"{arm.where}: {spec.name} takes examples from split {spec.shots}, which is being asked")
    if not arm.trained:
        return
    if arm.encoder and arm.learns == (ALL,):
        raise UserError(f"{arm.where}: an encoder learns one task; expected data.source: task:{{task}}")
    for on in arm.learns:
        arm.run_config(on=on, seed=0, folder=Path("run"), rate=arm.rates[0] if arm.rates else None)
        own = [spec for spec in arm.tasks if spec.name == on and is_task_source(arm.source())]
        if any("train" not in spec.data for spec in own):
            raise UserError(f"{arm.where}: {on} has no split to learn from; leave the task out with only")
    if len(arm.rates) > 1:
        if arm.asked.split == "dev":
            raise UserError(f"{arm.where}: learning_rates are chosen on split dev; set evaluation.split to test")
        if arm.learns == (ALL,) and not shared_dev_tasks(arm):
            raise UserError(
                f"{arm.where}: learning_rates are chosen on split dev, which none of the tasks that it learns has; "
                "give one training.learning_rate"
            )


def _splits(spec: TaskSpec) -> str:
    return ", ".join(spec.data)


def shared_dev_tasks(arm: Arm) -> tuple[TaskSpec, ...]:
    """Return the tasks on whose split dev a model of all tasks is tuned: those that it learns and is measured on."""
    source = arm.source()
    learned = source.removeprefix(PREFIX).split("+") if is_task_source(source) else [spec.name for spec in arm.tasks]
    return tuple(spec for spec in arm.tasks if spec.name in learned and _has_dev(spec))


def _has_dev(spec: TaskSpec) -> bool:
    """Whether a task has items apart to choose by; of embedded ones, running text is the same in every split."""
    return "dev" in spec.data or (bool(spec.reader) and spec.kind != "nll")
