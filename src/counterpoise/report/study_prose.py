"""What a study allows one to say, and what it does not: plain sentences, by rules that hold whatever came out.

    told = conclusions(reading)
    told.lead, told.can, told.cannot

A difference is stated as one only where its Holm-corrected p-value is below .05 **and** its interval leaves out 0. All
else is not told apart, which is not the same as being equal. Nothing is said of an arm that is unfinished but that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from counterpoise.report.numbers import fraction, listed, rate, signed, with_interval
from counterpoise.report.study_plots import frontier_points, point_names
from counterpoise.report.study_reading import Gap, Score, StudyReading, by_metric, in_order, names_of

FEW_SEEDS = 5
"""Below this many training seeds an interval over them is too narrow."""
SPELLED_OUT = 8
"""Up to so many differences are given with their numbers; of more, which ones they are."""
ALMOST_ALWAYS = 0.95
"""An arm is said to lie on the front, or off it, where this share of bootstrap draws agrees."""


@dataclass(frozen=True)
class Conclusions:
    """The paragraph that a study begins with."""

    lead: str
    can: list[str]
    cannot: list[str]


def conclusions(reading: StudyReading) -> Conclusions:
    """Say what can and what cannot be concluded."""
    return Conclusions(
        lead=_lead(reading),
        can=[*_gained(reading), *_against_sft(reading), *_forgotten(reading), *_fronts(reading)],
        cannot=[
            *_unfinished(reading),
            *_not_told_apart(reading),
            *_floors(reading),
            *_seeds(reading),
            *_sample(reading),
            *_rates(reading),
            *_budget(reading),
            *_scope(reading),
        ],
    )


def _lead(reading: StudyReading) -> str:
    """The count of clear differences: to the baseline, to SFT, and for the worse in what was there before."""
    parts = []
    for family, theirs in (("baseline", reading.baseline), ("sft", "sft")):
        if gaps := reading.gaps(family):
            parts.append(f"{_of(gaps, f'to {theirs}')} clear{_ways(gaps)}")
    told = f"{_capital('; '.join(parts))}." if parts else "No two finished arms were compared: nothing is concluded."
    if gaps := reading.gaps("forgetting"):
        told += f" On what may be forgotten, {_of(gaps, f'to {reading.baseline}')} clear{_ways(gaps)}"
        if against := reading.gaps("sft-forgetting"):
            told += f"; {_of(against, 'to sft')} clear{_ways(against)}"
        told += "."
    return told


def _of(gaps: Sequence[Gap], what: str) -> str:
    clear = sum(gap.clear for gap in gaps)
    noun = "difference" if len(gaps) == 1 else "differences"
    return f"of {len(gaps)} {noun} {what}, {clear or 'none'} {'is' if clear <= 1 else 'are'}"


def _ways(gaps: Sequence[Gap]) -> str:
    better, worse = (sum(gap.direction == way for gap in gaps) for way in ("better", "worse"))
    if not better + worse:
        return ""
    if not better or not worse:
        return f", {'all ' if better + worse > 1 else ''}for the {'better' if better else 'worse'}"
    return f", {better} for the better and {worse} for the worse"


def _gained(reading: StudyReading) -> list[str]:
    return _by_direction(reading.gaps("baseline"), f"than {reading.baseline}")


def _against_sft(reading: StudyReading) -> list[str]:
    return _by_direction(reading.gaps("sft"), "than sft")


def _forgotten(reading: StudyReading) -> list[str]:
    told = _by_direction(reading.gaps("forgetting"), f"than {reading.baseline} at what may be forgotten")
    return told + _by_direction(reading.gaps("sft-forgetting"), "than sft at what may be forgotten")


def _by_direction(gaps: Sequence[Gap], than: str) -> list[str]:
    """A sentence for what is clearly better, and one for what is clearly worse."""
    models = list(dict.fromkeys((gap.ours, gap.trained_on) for gap in gaps if gap.clear))
    several = any(sum(g.ours == gap.ours and g.task == gap.task for g in gaps) > 1 for gap in gaps)
    names = dict(zip(models, names_of(models) if several else [arm for arm, _ in models], strict=True))
    found = []
    for direction in ("better", "worse"):
        clear = [(names[gap.ours, gap.trained_on], gap) for gap in gaps if gap.direction == direction]
        if clear:
            told = _spelled(clear) if len(clear) <= SPELLED_OUT else _grouped(clear)
            found.append(f"{direction.capitalize()} {than}: {told}.")
    return found


def _spelled(clear: Sequence[tuple[str, Gap]]) -> str:
    """``a on x (+.1 [..]) and y (+.2 [..]); b on x (+.1 [..])``."""
    parts = []
    for name in in_order(name for name, _ in clear):
        gaps = [f"{gap.task} ({with_interval(gap, signed)})" for other, gap in clear if other == name]
        parts.append(f"{name} on {listed(gaps)}")
    return "; ".join(parts)


def _grouped(clear: Sequence[tuple[str, Gap]]) -> str:
    """``a and b on x and y; c on x``: arms with the same tasks together."""
    arms: dict[tuple[str, ...], list[str]] = {}
    for name in in_order(name for name, _ in clear):
        arms.setdefault(tuple(gap.task for other, gap in clear if other == name), []).append(name)
    return "; ".join(f"{listed(names)} on {listed(tasks)}" for tasks, names in arms.items())


def _fronts(reading: StudyReading) -> list[str]:
    found = []
    for frontier in reading.outcome["frontiers"]:
        points = frontier_points(reading, frontier)
        shares = [(n, p.get("front_share")) for n, p in zip(point_names(points), points, strict=True)]
        on = [name for name, share in shares if share is not None and share >= ALMOST_ALWAYS]
        off = [name for name, share in shares if share is not None and share <= 1 - ALMOST_ALWAYS]
        parts = [f"{listed(off)} {_lies(off)} off the front"] * bool(off) + [f"{listed(on)} {_lies(on)} on it"] * bool(
            on
        )
        if on and not off:
            parts = [f"{listed(on)} {_lies(on)} on the front"]
        if parts:
            gained, lost = by_metric(frontier["gained"]), by_metric(frontier["lost"])
            pair = f"What is gained on {gained} against what is lost on {lost}"
            draws = f"in at least {100 * ALMOST_ALWAYS:.0f} % of bootstrap draws"
            found.append(f"{pair}: {draws} {' and '.join(parts)}, which no other arm is better than in both.")
    return found


def _lies(names: Sequence[str]) -> str:
    return "lies" if len(names) == 1 else "lie"


def _unfinished(reading: StudyReading) -> list[str]:
    runs = reading.unfinished
    if not runs:
        return []
    arms = {arm: [run for run in runs if run["arm"] == arm] for arm in dict.fromkeys(run["arm"] for run in runs)}
    parts = [f"{arm} ({listed(in_order(_run(run) for run in found))})" for arm, found in arms.items()]
    return [f"Unfinished, and in no mean and no difference here: {listed(parts)}."]


def _run(run: dict[str, object]) -> str:
    on = f" on {run['trained_on']}" if run.get("trained_on") not in (None, "", "all", "none") else ""
    return f"{run.get('why') or 'not finished'}{on}, seed {run.get('seed')}"


def _not_told_apart(reading: StudyReading) -> list[str]:
    counts = []
    for family, what in (
        ("baseline", f"to {reading.baseline}"),
        ("sft", "to sft"),
        ("forgetting", "in what may be forgotten"),
        ("sft-forgetting", "to sft in what may be forgotten"),
    ):
        gaps = reading.gaps(family)
        unclear = sum(not gap.clear for gap in gaps)
        if unclear:
            counts.append(f"{unclear} of {len(gaps)} {what}")
    if not counts:
        return []
    return [f"Differences that are not told apart from none: {listed(counts)}. That is not the same as being equal."]


def _floors(reading: StudyReading) -> list[str]:
    """Name the arms that a trivial method beats, and those whose interval holds what it reaches."""
    held = [s for s in reading.scores if not s.forgetting and s.best_floor is not None]
    below = [score for score in held if score.below_floor]
    near = [score for score in held if not score.above_floor and not score.below_floor]
    found = []
    if below:
        found.append(f"Below what a trivial method reaches: {_each(below)}.")
    if near:
        found.append(f"Not clearly above what a trivial method reaches: {_each(near)}.")
    return found


def _each(scores: Sequence[Score]) -> str:
    tasks = in_order(score.task for score in scores)
    parts = []
    for task in tasks:
        of = [score for score in scores if score.task == task]
        floor = f"{of[0].best_floor_name} {fraction(of[0].best_floor)}"
        parts.append(f"on {task} ({floor}) {listed([f'{score.arm} ({fraction(score.value)})' for score in of])}")
    return "; ".join(parts)


def _seeds(reading: StudyReading) -> list[str]:
    count = len(reading.seeds)
    if not reading.trained or not count:
        return []
    if count == 1:
        return ["One training seed: intervals are over items alone, and say nothing of what another seed would give."]
    if count < FEW_SEEDS:
        return [f"{count} training seeds: intervals over so few are too narrow; more seeds would widen them."]
    return []


def _sample(reading: StudyReading) -> list[str]:
    asked = reading.study.get("evaluation") or {}
    if asked.get("limit") is None:
        return []
    return [
        f"At most {asked['limit']} items of each task, drawn from split {asked.get('split', 'test')}: values are not "
        "comparable with published ones of whole test sets."
    ]


def _rates(reading: StudyReading) -> list[str]:
    """Say that nothing was tuned, or which choices lie at the edge of what was tried."""
    rows = reading.outcome["tuning"]
    if not rows:
        shared = "No learning rate was searched: a difference between arms may be one of how well the rate suits them."
        return [shared] if reading.trained else []
    edge = []
    for arm in in_order(row["arm"] for row in rows):
        for on in in_order(row["trained_on"] for row in rows if row["arm"] == arm):
            tried = [row for row in rows if (row["arm"], row["trained_on"]) == (arm, on)]
            rates = sorted(row["learning_rate"] for row in tried)
            chosen = [row["learning_rate"] for row in tried if row.get("chosen")]
            if len(rates) > 1 and chosen and chosen[0] in (rates[0], rates[-1]):
                side = "largest" if chosen[0] == rates[-1] else "smallest"
                where = "" if on in ("all", "none") else f" on {on}"
                edge.append((f"{arm}{where}", f"{side} that was tried ({rate(chosen[0])})"))
    if not edge:
        return []
    return [
        f"The chosen learning rate is the {what} for {listed([who for who, w in edge if w == what])}: "
        "one beyond it might do better."
        for what in in_order(what for _, what in edge)
    ]


def _budget(reading: StudyReading) -> list[str]:
    note = str(reading.outcome["budget_note"])
    return [note] if note else []


def _scope(reading: StudyReading) -> list[str]:
    models = in_order(str(row["model"]) for row in reading.outcome["rows"] if row.get("model"))
    run = reading.study.get("run") or {}
    model = run.get("model")
    name = str(model.get("name", "") if isinstance(model, dict) else model or "")
    named = listed(models or [name] * bool(name))
    found = [f"Measured with {named} alone: other models and other data may turn it round."] if named else []
    if len(reading.gaps("forgetting")) > 1 and not reading.gaps("sft-forgetting"):
        found.append(
            "Whether one trained arm forgot more than another was not tested; each is compared with the baseline."
        )
    return found


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
