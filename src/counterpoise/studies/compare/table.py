"""``study.json`` as Markdown that can be committed: what was run, what came out, and what it does not show.

text = markdown(json.loads(Path("runs/blurb-small/study.json").read_text()))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from counterpoise.studies.compare.words import made_with, notes, shared_setup, stopped, verdicts

Rows = Iterable[Sequence[str]]
ABSENT = "-"
WIDEST = 10
"""Arms that a table has columns for; more of them are rows."""


def markdown(outcome: Mapping[str, Any]) -> str:
    """Return the whole page; ``outcome`` is what ``study.json`` holds."""
    parts = [f"# {outcome['name']}", *made_with(outcome), _arms(outcome), *shared_setup(outcome)]
    parts += ["## Tasks", _tasks(outcome), READING, *verdicts(outcome)]
    for title, make in SECTIONS.items():
        if text := make(outcome):
            parts += [f"## {title}", text]
    if found := notes(outcome):
        parts += ["## Notes", "\n".join(f"- {note}" for note in found)]
    return "\n\n".join(part for part in parts if part) + "\n"


READING = (
    "Value [95 % interval]. Bold: the interval lies above the best floor, which is the best that a trivial method "
    "reaches on the same items. `-`: the arm does not do this task, or was not asked it."
)


def _arms(outcome: Mapping[str, Any]) -> str:
    rows = []
    for name, arm in outcome["study"]["arms"].items():
        own = arm["train"]
        what = "the model as it is" if own is None else _told(own) or "trained with the shared settings"
        if arm["evaluation"]:
            what += f"; asked with {_told(arm['evaluation'])}"
        tried = outcome["study"]["learning_rates"] if arm["learning_rates"] is None else arm["learning_rates"]
        rates = ", ".join(f"{rate:g}" for rate in tried) if own is not None and tried else ABSENT
        if own is not None and not tried:
            rates = f"{_own_rate(outcome, own)} alone"
        rows.append((name + (" (baseline)" if name == outcome["study"]["baseline"] else ""), what, rates))
    return _table(("arm", "what it is", "learning rates tried"), rows)


def _own_rate(outcome: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    shared = outcome["study"]["run"].get("training") or {}
    rate = {**shared, **(own.get("training") or {})}.get("learning_rate")
    return "the default" if rate is None else f"{rate:g}"


def _tasks(outcome: Mapping[str, Any]) -> str:
    arms = list(outcome["study"]["arms"])
    scores = [score for score in outcome["scores"] if not score["forgetting"]]
    missing = stopped(outcome)
    rows = []
    for task in dict.fromkeys(score["task"] for score in scores):
        found = {score["arm"]: score for score in scores if score["task"] == task}
        one = next(iter(found.values()))
        counts = sorted({score["n"] for score in found.values()})
        n = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        metric = one["metric"].split(", generated")[0]
        head = (task, metric, n, floor_cell(one))
        cells = {arm: score_cell(found[arm]) for arm in arms if arm in found}
        cells |= {arm: "unfinished" for arm, on in missing if on in (task, "all", "none") and arm not in cells}
        if len(arms) <= WIDEST:
            rows.append((*head, *(cells.get(arm, ABSENT) for arm in arms)))
        else:
            rows += [(*head, arm, cells[arm]) for arm in arms if arm in cells]
    return _table(("task", "metric", "n", "best floor", *(arms if len(arms) <= WIDEST else ("arm", "value"))), rows)


def score_cell(score: Mapping[str, Any]) -> str:
    """Return value and interval, bold only where the interval lies above the best floor."""
    text = f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"
    return f"**{text}**" if score["above_floor"] else text


def floor_cell(score: Mapping[str, Any]) -> str:
    """Return the best floor and its name."""
    return ABSENT if score["best_floor"] is None else f"{score['best_floor']:.3f} {score['best_floor_name']}"


def _forgetting(outcome: Mapping[str, Any]) -> str:
    scores = [score for score in outcome["scores"] if score["forgetting"]]
    changes = {
        (row["ours"], row["trained_on"], row["task"]): row
        for row in outcome["comparisons"]
        if row["family"] == "forgetting"
    }
    rows = []
    for score in scores:
        key = (score["arm"], score["trained_on"], score["task"])
        better = "" if score["higher_is_better"] else " (less is better)"
        change = changes.get(key)
        rows.append((
            score["task"], score["metric"] + better, score["arm"], _on(score), str(score["n"]), score_cell(score),
            *(difference_cells(change) if change else (ABSENT, ABSENT)),
        ))  # fmt: skip
    if not rows:
        return ""
    rows.sort(key=lambda row: row[0])
    baseline = outcome["study"]["baseline"]
    header = ("task", "metric", "arm", "trained on", "n", "value", f"difference to {baseline}", "p (Holm)")
    return _table(header, rows)


def difference_cells(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return difference with interval, and the corrected p-value."""
    p = "< 0.001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}"
    return _signed(row), p


def _differences(outcome: Mapping[str, Any]) -> str:
    parts = []
    names = {
        "baseline": "the baseline",
        "sft": "plain fine-tuning (`sft`)",
        "sft-forgetting": "plain fine-tuning (`sft`) on the forgetting tasks",
    }
    for family, which in names.items():
        found = [row for row in outcome["comparisons"] if row["family"] == family]
        rows = [
            (row["task"], row["metric"], _pair(row), str(row["n"]), *difference_cells(row))
            for row in sorted(found, key=lambda row: row["task"])
        ]
        if rows:
            count = f"{len(rows)} comparisons" if len(rows) > 1 else "one comparison"
            parts.append(f"Against {which}; p-values corrected over {count}:")
            parts.append(_table(("task", "metric", "arms", "n", "difference", "p (Holm)"), rows))
    return "\n\n".join(parts)


def _also(outcome: Mapping[str, Any]) -> str:
    found = outcome.get("also") or {"scores": [], "comparisons": []}
    gaps = {
        (row["task"], row["metric"], row["ours"], row["trained_on"], row["family"].removesuffix("-forgetting")): row
        for row in found["comparisons"]
    }
    rows = []
    for score in found["scores"]:
        better = "" if score["higher_is_better"] else " (less is better)"
        head = (score["task"], score["metric"] + better, str(score["n"]), floor_cell(score))
        arm = (score["task"], score["metric"], score["arm"], score["trained_on"])
        both = [gaps.get((*arm, of)) for of in ("forgetting" if score["forgetting"] else "baseline", "sft")]
        cells = [", p ".join(difference_cells(gap)) if gap else ABSENT for gap in both]
        rows.append((*head, score["arm"], _on(score), score_cell(score), *cells))
    if not rows:
        return ""
    rows.sort(key=lambda row: row[:2])
    theirs = (f"difference to {outcome['study']['baseline']}", "difference to sft")
    header = ("task", "metric", "n", "best floor", "arm", "trained on", "value", *theirs)
    told = (
        "Metrics that the study asks for besides the quoted one; p-values are corrected over the differences to the "
        "same arm in this table, those on tasks of what may be forgotten apart."
    )
    return f"{told}\n\n{_table(header, rows)}"


def _frontiers(outcome: Mapping[str, Any]) -> str:
    parts = []
    for found in outcome.get("frontiers", []):
        rows = [
            (point["arm"], _on(point), _signed(point["gained"]), _signed(point["lost"]),
             "yes" if point["on_front"] else "no", f"{100 * point['front_share']:.0f} %")
            for point in sorted(found["points"], key=lambda point: -point["gained"]["value"])
        ]  # fmt: skip
        gained, lost = found["gained"], found["lost"]
        parts.append(
            f"Gained on {gained['task']} ({gained['metric']}) against lost on {lost['task']} ({lost['metric']}), both "
            f"against {found['baseline']}; an arm is on the front if no other gains as much and loses as little:"
        )
        parts.append(_table(("arm", "trained on", "gained", "lost", "on the front", "in so many draws"), rows))
    return "\n\n".join(parts)


def _signed(found: Mapping[str, float]) -> str:
    return f"{found['value']:+.3f} [{found['low']:+.3f}, {found['high']:+.3f}]"


def _unfinished(outcome: Mapping[str, Any]) -> str:
    rows = [
        (row["arm"], _on(row), ABSENT if row["trained_on"] == "none" else str(row["seed"]), row["why"])
        for row in outcome.get("unfinished", [])
    ]
    return _table(("arm", "trained on", "seed", "state"), rows) if rows else ""


def _pair(row: Mapping[str, Any]) -> str:
    """Return ``bft - sft``; on tasks that several models of an arm are asked, with what they were trained on."""
    pair = f"{row['ours']} - {row['theirs']}"
    several = "forgetting" in row["family"] and row["trained_on"] not in ("all", "none")
    return f"{pair}, trained on {row['trained_on']}" if several else pair


def _groups(outcome: Mapping[str, Any]) -> str:
    rows = []
    for row in outcome["groups"]:
        gain = [ABSENT, ABSENT]
        if row["points"] is not None:
            gain[0] = f"{row['points']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
            gain[1] = ABSENT if row["relative"] is None else f"{100 * row['relative']:+.1f} %"
        rows.append((row["group"], ", ".join(row["tasks"]), row["arm"], f"{row['mean']:.3f}", *gain))
    return _table(("group", "tasks", "arm", "mean", "gain", "relative gain"), rows) if rows else ""


def _blurb(outcome: Mapping[str, Any]) -> str:
    rows = []
    for arm, found in outcome["blurb"].items():
        whole = ABSENT if found["overall"] is None else f"{found['overall']:.1f}"
        partial = f"{found['partial']:.1f}" if found["overall"] is None else ABSENT
        rows.append((arm, whole, partial, ", ".join(found["sets"])))
    if not rows:
        return ""
    table = _table(("arm", "BLURB (all 13 sets)", "partial mean over task types", "sets"), rows)
    return f"{table}\n\nA partial mean is no BLURB score, and can be compared only with one over the same sets."


def _tuning(outcome: Mapping[str, Any]) -> str:
    rows = [
        (
            row["arm"], _on(row), f"{row['learning_rate']:g}",
            ", ".join(f"{task} {value:.3f}" for task, value in row["dev"].items()), "chosen" if row["chosen"] else "",
        )
        for row in outcome["tuning"]
    ]  # fmt: skip
    return _table(("arm", "trained on", "learning rate", "on dev", ""), rows) if rows else ""


PEAK = (
    "Peak memory is that of the whole process: an arm trained after others in the same call may count memory that was "
    "not given back after theirs, so that arms can be compared only where each was trained by a call of its own."
)


def _cost(outcome: Mapping[str, Any]) -> str:
    models = {(row["arm"], row["trained_on"], row["seed"]): row["cost"] for row in outcome["rows"] if row["cost"]}
    rows = []
    for (arm, on, seed), cost in models.items():
        peak = cost["peak_memory_bytes"]
        rows.append((
            arm, on, str(seed), f"{cost['seconds']:,.0f}", ABSENT if peak is None else f"{peak / 1e9:.2f}",
            f"{cost['trainable_parameters']:,}", f"{cost['samples']:,}", f"{cost['tokens']:,}",
        ))  # fmt: skip
    header = ("arm", "trained on", "seed", "seconds", "peak memory, GB", "trainable parameters", "samples", "tokens")
    return f"{_table(header, rows)}\n\n{PEAK}" if rows else ""


SECTIONS = {
    "Unfinished": _unfinished,
    "Gained and lost": _frontiers,
    "What was forgotten": _forgetting,
    "Differences": _differences,
    "By other measures": _also,
    "Groups of tasks": _groups,
    "BLURB": _blurb,
    "Learning rates": _tuning,
    "Cost of training": _cost,
}


def _on(row: Mapping[str, Any]) -> str:
    return ABSENT if row["trained_on"] == "none" else str(row["trained_on"])


def _told(settings: Mapping[str, Any]) -> str:
    """Return settings in one line: ``objective bft (variant v3), training epochs 2``."""
    parts = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            inner = dict(value)
            name = next((inner.pop(word) for word in ("name", "kind", "source") if word in inner), None)
            rest = ", ".join(f"{k} {v}" for k, v in inner.items())
            value = f"{name} ({rest})" if name and rest else name or rest
        parts.append(f"{key} {value}")
    return "; ".join(parts)


def _table(header: Sequence[str], rows: Rows) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(header), "|" + " --- |" * len(header), *(line(row) for row in rows)])
