"""Means over tasks: BLURB's, and those of the study's own groups with what an arm gains on them.

blurb_means(scores)["sft"]["text"]           # BLURB 81.16 (all 13 data sets), or what is missing
group_means(study, sides)                    # a row a group and arm: mean, gain in points, relative gain
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from counterpoise.errors import UserError
from counterpoise.evaluation.blurb import DATA_SETS, blurb_score
from counterpoise.studies.compare.arms import Study
from counterpoise.studies.compare.statistics import mean_difference, value

if TYPE_CHECKING:
    from counterpoise.studies.compare.outcome import Side, Sides


def blurb_means(scores: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return BLURB's mean for every arm that was measured on some of its data sets, in percent; none where no arm was
    measured on more than one, of which a mean says nothing new.

    Only scores in BLURB's own metric count. ``overall`` is there if all 13 sets are; ``partial`` is comparable only
    between arms with the same ``sets``.
    """
    by_arm: dict[str, dict[str, float]] = defaultdict(dict)
    for score in scores:
        known = DATA_SETS.get(score["task"])
        if known is not None and score["metric"].split(", ")[0] == known.metric:
            by_arm[score["arm"]][score["task"]] = 100 * score["value"]
    means: dict[str, dict[str, Any]] = {}
    if all(len(found) < 2 for found in by_arm.values()):
        return means
    for arm, found in by_arm.items():
        mean = blurb_score(found)
        means[arm] = {
            "overall": mean.overall,
            "by_type": mean.by_type,
            "partial": mean.partial,
            "partial_by_type": mean.partial_by_type,
            "sets": sorted(found),
            "missing": list(mean.missing),
            "text": str(mean),
        }
    return means


def group_means(study: Study, sides: Sides) -> list[dict[str, Any]]:
    """Return, for each group and arm, the mean of its tasks' metrics to quote, and what it gains on the baseline.

    ``points`` is the gain in the unit of the metrics, with its interval over items; ``relative`` is that gain over the
    baseline's mean (None where that is not above 0). An arm that was not measured on every task of a group is left out,
    for its mean would be one over other tasks.

    Raises:
        UserError: a group with a task where less is better.
    """
    from counterpoise.studies.compare.outcome import other_side

    rows = []
    for group, tasks in study.config.groups.items():
        pairs: dict[str, list[tuple[Side, Side]]] = defaultdict(list)
        for (arm, on, task), ours in sides.items():
            if task in tasks:
                if not ours.first.scored[1].higher_is_better:
                    raise UserError(f"{study.file}: groups.{group}: less is better on {task}; leave it out")
                theirs = other_side(sides, study.config.baseline, on, task)
                if theirs is not None and ours.against(theirs) is not None:
                    pairs[arm].append((ours, theirs))
        rows += [_row(study, group, arm, found) for arm, found in pairs.items() if len(found) == len(tasks)]
    return rows


def _row(study: Study, group: str, arm: str, pairs: list[tuple[Side, Side]]) -> dict[str, Any]:
    both = [ours.against(theirs) or ([], []) for ours, theirs in pairs]
    base = sum(value(theirs) for _, theirs in both) / len(both)
    row: dict[str, Any] = {"group": group, "arm": arm, "tasks": [ours.first.spec.name for ours, _ in pairs]}
    row |= {"mean": sum(value(ours) for ours, _ in both) / len(both), "baseline_mean": base}
    row |= {"points": None, "low": None, "high": None, "relative": None}
    if arm != study.config.baseline:
        seeds = pairs[0][0].seed_numbers == pairs[0][1].seed_numbers
        gain = mean_difference(both, paired_seeds=seeds)
        row |= {"points": gain.value, "low": gain.low, "high": gain.high}
        row["relative"] = gain.value / base if base > 0 else None
    return row
