"""Tables of perturbation questions: models and methods without one, each row made by the same function.

    python tools/perturbation_report.py tables --data-dir biomedical perturbqa-k562-de perturbqa-rpe1-dir
    python tools/perturbation_report.py variants ablations/             # task files with shuffled labels, and with none

    counterpoise evaluate smollm2-135m -t perturbqa-k562-de -t perturbqa-k562-de-no-retrieval \\
        -t ablations/perturbqa-k562-de-shuffled.yaml --data-dir biomedical --limit 1200 --out base.json
    python tools/perturbation_report.py tables --data-dir biomedical --results base=base.json perturbqa-k562-de

Without results a table is of all questions; with them, of the questions that the models were asked, which must be the
same ones. Markdown on standard output.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import yaml

from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.evaluate import kept_folder
from counterpoise.evaluation.intervals import Estimate
from counterpoise.evaluation.kept import Kept
from counterpoise.evaluation.perturbation.auroc import TwoWay
from counterpoise.evaluation.perturbation.scoring import PER_GENE, POOLED, measure, question_of
from counterpoise.evaluation.perturbation.study import GENE_PRIOR, NEIGHBOURS, load_study
from counterpoise.evaluation.runner import rescore

VARIANTS = {
    "": "with evidence",
    "-no-retrieval": "without evidence",
    "-shuffled": "evidence with shuffled labels",
    "-no-labels": "evidence without labels",
}
"""What follows a task's name -> what its rows are called."""
Row = tuple[str, TwoWay | None, TwoWay | None, float]
"""Method, per-gene AUROC, pooled AUROC, share answered."""


def write_variants(folder: Path) -> list[Path]:
    """Write a task file with shuffled labels, and one without, for each shipped task that shows evidence."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in tasks.names("biology"):
        view = tasks.get(name).perturbation
        if view is None or not view.neighbours:
            continue
        content = tasks.get(name).model_dump(mode="json", exclude_unset=True)
        for suffix, labels in (("-shuffled", "shuffled"), ("-no-labels", "none")):
            changed = {**content, "name": name + suffix, "title": f"{content['title']} ({VARIANTS[suffix]})"}
            changed["perturbation"] = {**content["perturbation"], "neighbour_labels": labels}
            written.append(folder / f"{name}{suffix}.yaml")
            written[-1].write_text(yaml.safe_dump(changed, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return written


def table(task: str, results: dict[str, Path], data_dir: str | None) -> str:
    """Return the table of one task as Markdown.

    Args:
        results: name of a model -> its results file; the answers beside it are scored.
    """
    models: list[Row] = []
    units: list[str] = []
    study = load_study(tasks.get(task), "test", data_dir)
    questions = study.asked
    for model, path in results.items():
        kept = Kept(kept_folder(path))
        for name in [task + suffix for suffix in VARIANTS if task + suffix in kept.tasks()]:
            result = rescore(kept, name)
            label = f"{model}, {VARIANTS[name.removeprefix(task)]}"
            for method in ("", ", generated"):
                found = result.scored.measurements
                if PER_GENE + method not in found and f"answered{method}" not in found:
                    continue
                asked = result.scored.units.get(PER_GENE + method, [])
                if units and asked and asked != units:
                    raise UserError(f"{path}: {name} has not the same answered questions as the first model's rows")
                if not units and asked:
                    units = asked
                    by_id = {item.id: item for item in result.items}
                    questions = [question_of(by_id[unit]) for unit in units]
                answered = found[f"answered{method}"].value if f"answered{method}" in found else 1.0
                models.append((label + method, found.get(PER_GENE + method), found.get(POOLED + method), answered))
    own: list[Row] = []
    for method, scores in study.baselines(questions).items():
        metrics = measure(task, questions, scores)
        own.append((method, metrics[PER_GENE], metrics[POOLED], 1.0))
    return _markdown(task, own, models)


def _markdown(task: str, own: list[Row], models: list[Row]) -> str:
    by_name = {method: row for method, *row in own}
    retrieval, prior = by_name[NEIGHBOURS][0], by_name[GENE_PRIOR][1]
    assert isinstance(retrieval, TwoWay)
    assert isinstance(prior, TwoWay)
    perturbations = len(np.unique(retrieval.perturbations))
    lines = [
        f"**{task}**: {len(retrieval.values):,} questions, {perturbations} perturbations; {retrieval.n} genes have "
        f"both labels and count. The gene prior's pooled AUROC on these questions is {prior.value:.3f}.",
        "",
        "| method | per-gene AUROC | 95 %, genes and perturbations | genes | perturbations | less retrieval only "
        "| pooled | answered |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, auroc, pooled, answered in [*own, *models]:
        cells = ["-"] * 5
        if auroc is not None:
            quoted = auroc.estimate()
            gap = "-"
            if method != NEIGHBOURS and np.array_equal(auroc.labels, retrieval.labels) and auroc.answered is None:
                less = auroc.difference(retrieval)
                gap = f"{less.value:+.3f} [{less.low:+.3f}, {less.high:+.3f}], p {less.p_value:.3f}"
            intervals = [_interval(e) for e in (quoted, auroc.estimate("genes"), auroc.estimate("perturbations"))]
            cells = [f"{quoted.value:.3f}", *intervals, gap]
        beside = "-" if pooled is None else f"{pooled.value:.3f}"
        lines.append(f"| {method} | {' | '.join(cells)} | {beside} | {answered:.0%} |")
    return "\n".join(lines)


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    of_tables = commands.add_parser("tables")
    of_tables.add_argument("tasks", nargs="+")
    of_tables.add_argument("--data-dir")
    of_tables.add_argument("--results", action="append", default=[], metavar="NAME=FILE")
    of_variants = commands.add_parser("variants")
    of_variants.add_argument("folder", type=Path)
    given = parser.parse_args()
    try:
        if given.command == "variants":
            print("\n".join(map(str, write_variants(given.folder))))
            return
        results = {}
        for pair in given.results:
            name, _, path = pair.rpartition("=")
            results[name or Path(path).stem] = Path(path)
        for task in given.tasks:
            print(table(task, results, given.data_dir), end="\n\n")
    except UserError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
