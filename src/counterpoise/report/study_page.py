"""``report.html`` of a study: one self-contained page. No network, everything from data is escaped.

write_study_page(outcome, Path("report.html"))      # outcome: what compare returns, or study.json read back
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from counterpoise.report import components, study_record, study_tables
from counterpoise.report.environment import environment, style, write_page
from counterpoise.report.study_curves import curve_groups, strip_groups
from counterpoise.report.study_plots import FRONTIER_HEIGHT, frontiers, panels
from counterpoise.report.study_prose import conclusions
from counterpoise.report.study_reading import Outcome, StudyReading, read_study_outcome


def write_study_page(outcome: Outcome, path: Path) -> None:
    """Write the page to ``path``, whole or not at all; its folder is made if missing.

    Raises:
        UserError: ``path`` cannot be written, or the disk is full.
    """
    write_page(study_page(outcome), path)


def study_page(outcome: Outcome) -> str:
    """Return the page of an outcome; a section for which it holds nothing is left out."""
    reading = read_study_outcome(outcome)
    items = study_tables.item_table(reading)
    heat = [sample for sample in reading.outcome["heat"] if sample.get("tokens")]
    return (
        environment()
        .get_template("study.html.j2")
        .render(
            style=style() + own_style(),
            components=components,
            reading=reading,
            name=reading.outcome["name"] or "A study",
            said=conclusions(reading),
            tasks=study_tables.task_headings(reading),
            rows=study_tables.main_rows(reading),
            panels={family: panels(reading, family) for family in FAMILIES},
            unfinished=study_record.unfinished_rows(reading),
            forgetting=study_tables.forgetting_rows(reading),
            also=study_tables.also_rows(reading),
            frontiers=frontiers(reading),
            frontier_height=FRONTIER_HEIGHT,
            curves=curve_groups(reading),
            strips=strip_groups(reading),
            heat=components.heat_maps("tokens", heat) if heat else "",
            items=components.sample_table("items", *items, caption=ITEMS) if items else "",
            tuning=study_record.tuning(reading),
            budget=study_record.budget_rows(reading),
            budget_said=study_record.budget_said(reading),
            costs=study_record.cost_rows(reading),
            groups=study_tables.group_rows(reading),
            blurb=study_tables.blurb_rows(reading),
            arms=study_record.arm_rows(reading),
            shared=study_record.leaves(reading.study.get("run") or {}),
            notes=_notes(reading),
            sources=_sources(reading),
            configuration=_yaml(reading),
            made=study_record.made(reading),
        )
    )


FAMILIES = ("baseline", "sft", "forgetting", "sft-forgetting")
ITEMS = (
    "Items that were asked: the value of each arm on them, the mean over seeds, and its difference to the baseline's. "
    "One item tells nothing of an arm; look for what those that went wrong have in common."
)


def own_style() -> Markup:
    """Return the style of what this page alone has."""
    return Markup((resources.files("counterpoise.report") / "study.css").read_text(encoding="utf-8"))


def _notes(reading: StudyReading) -> list[str]:
    """Return what the numbers leave out, in the words of the study's tables."""
    from counterpoise.studies.compare.words import notes  # studies stand on report, too: at the top it would be a cycle

    if not reading.study:
        return [str(note) for note in reading.outcome["notes"]]
    return notes(reading.outcome)


def _sources(reading: StudyReading) -> list[dict[str, Any]]:
    """Return each task's title, citation and licence."""
    return [{"task": task, **about} for task, about in reading.outcome["tasks"].items() if about.get("citation")]


def _yaml(reading: StudyReading) -> str:
    """Return the study's configuration as its file would have it."""
    plain = json.loads(json.dumps(reading.study, default=str))
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True) if plain else ""
