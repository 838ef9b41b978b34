"""Is low confidence dense in biomedical text and sparse in general text? The diagnostic on four texts, as Markdown.

    python tools/general_text.py general.jsonl
    python benchmarks/uncertainty.py --data-dir biomedical --general general.jsonl --out docs/results/uncertainty.md

Answers of MedQuAD after their questions, the same as running text, PubMed abstracts, and general prose: a random sample
of each is read once by the model, in windows of one length. The tables go to the end of the file; what stands above
them, written by hand, is kept when they are made again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import shlex
import sys
from pathlib import Path
from typing import Any

from counterpoise.inspection import DataRequest, Options, Thresholds, inspect

BEGIN = "<!-- tables: benchmarks/uncertainty.py -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--general", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=300, help="samples of each text")
    parser.add_argument("--folder", type=Path, default=Path("runs/uncertainty"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    count, data_dir = options.limit, options.data_dir
    abstracts = sampled(data_dir / "abstracts" / "abstracts_2000.jsonl.gz", "abstract", count, options.folder)
    general = sampled(options.general, "text", count, options.folder)
    texts = {
        "MedQuAD answers": DataRequest("task:medquad-answers", "test", count, data_dir=data_dir),
        "MedQuAD as text": DataRequest("task:medquad-answers", "test", count, data_dir=data_dir, template="text"),
        "PubMed abstracts": DataRequest(abstracts, template="text"),
        "general prose": DataRequest(general, template="text"),
    }
    outcomes = {}
    for name, request in texts.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        outcomes[name] = inspect(
            options.model,
            request,
            options=Options(thresholds=Thresholds()),
            folder=options.folder / name.replace(" ", "-"),
            command=" ".join(["python", *map(shlex.quote, sys.argv)]),
        )
    write(options.out, tables(outcomes, " ".join(["python", *map(shlex.quote, sys.argv)])))
    print(json.dumps({name: outcome["diagnostic"]["texts"][0] for name, outcome in outcomes.items()}, indent=1))


def sampled(path: Path, column: str, count: int, folder: Path) -> str:
    """Write a random sample of texts (files may be sorted) and return where: ``{"text": ...}`` a line."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        texts = [json.loads(line)[column] for line in file]
    chosen = random.Random(0).sample(texts, min(count, len(texts)))
    out = folder / f"{path.name.split('.')[0]}.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    out.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in chosen), encoding="utf-8")
    return str(out)


def tables(outcomes: dict[str, dict[str, Any]], command: str) -> str:
    """Return the tables: texts, enrichment, sensitivity, how they were made."""
    first = next(iter(outcomes.values()))
    at, env = first["diagnostic"]["thresholds"], first["environment"]
    rows = []
    for name, outcome in outcomes.items():
        text, whole = outcome["diagnostic"]["texts"][0], outcome["confidence"]
        rows.append([
            name, f"{text['samples']:,}", f"{text['tokens']:,}", f"{text['windows']:,}", f"{whole['nll']:.2f}",
            cell(text["low_share"], 100), cell(text["longest_run"]), cell(text["scattered_run"]),
            cell(text["clustering"]), cell(text["group_a"], 100), cell(text["group_b"], 100),
        ])  # fmt: skip
    heads = ["text", "samples", "tokens", "windows", "NLL", "low tokens, %", "longest run", "if shuffled", "clustering",
             "group A, %", "group B, %"]  # fmt: skip
    enriched = []
    for name, outcome in outcomes.items():
        found = outcome["diagnostic"]["enrichment"]
        if found is None:
            enriched.append([name, "-", "-", "-", "one of the groups has no window"])
        else:
            enriched.append([
                name, f"{found['rate_a']:.1f}", f"{found['rate_b']:.1f}", cell(found["ratio"]),
                f"{found['windows_a']:,} and {found['windows_b']:,}",
            ])  # fmt: skip
    grid = {}
    for name, outcome in outcomes.items():
        for row in outcome["diagnostic"]["sensitivity"]:
            if row["text"] == outcome["diagnostic"]["texts"][0]["name"]:
                grid.setdefault((row["low"], row["share"], row["run"]), {})[name] = row
    sensitivity = [
        [f"{low:g}", f"{share:g}", f"{run:g}"]
        + [f"{100 * found[name]['group_a']:.0f} / {100 * found[name]['group_b']:.0f}" for name in outcomes]
        for (low, share, run), found in grid.items()
    ]
    return "\n\n".join([
        BEGIN,
        f"Low: confidence below {at['low']:g}. Windows of {at['window']} tokens, stride {at['stride']}; dense (group "
        f"B): at least {100 * at['share']:g} % low and a run of {at['run']} or more; sparse (group A): some low, "
        "neither reached. Clustering: the longest run over that of shuffled samples. Intervals: 95 %, bootstrap over "
        "samples.",
        table(heads, rows),
        "Terms of the embedded lexicon (gene symbols and names, words of biological processes) per 100 words:",
        table(["text", "in group A", "in group B", "B over A", "windows A and B"], enriched),
        "Other thresholds: group A / group B, in percent of windows.",
        table(["low below", "dense share", "dense run", *outcomes], sensitivity),
        f"Made with `{command}` at commit {env['git_commit']} of counterpoise {env['counterpoise']}, "
        f"{first['model']['name']}, {first['settings']['precision']}, on {env['processor']}.",
    ]) + "\n"  # fmt: skip


def cell(found: dict[str, float] | None, times: float = 1.0) -> str:
    """A value with its interval."""
    if found is None:
        return "-"
    digits = 1 if times > 1 else 2
    value, low, high = (f"{times * found[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(path: Path, made: str) -> None:
    """Put the tables behind what a person wrote above them."""
    before = path.read_text(encoding="utf-8").split(BEGIN)[0] if path.is_file() else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(before + made, encoding="utf-8")


if __name__ == "__main__":
    main()
