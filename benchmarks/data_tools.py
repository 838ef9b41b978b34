"""Megabytes a second and memory of ``data check|convert|split|mix``, beside a bare loop over ``json.loads``.

    python benchmarks/data_tools.py                              # 256 MB, made anew; a few minutes
    python benchmarks/data_tools.py --megabytes 1000 --rounds 3 --save rows.json
    python benchmarks/data_tools.py --source facts.jsonl         # a file of your own, with a column `gene`

The file holds made-up questions and answers of about 1 kB, one JSON object a line. Every run is a process of its own,
and the runs take turns. Seconds are those of the work (imports are left out); ``over parser`` is the median, over
rounds, of a tool's seconds over those of the loop in the same round. The loop parses each line and forgets it; it
writes nothing and looks at nothing, on one core. A second loop parses each line and writes it again by ``json.dumps``:
less than that no tool can do that writes other records than it reads (convert and mix), so it is there to compare them
with. Tools run with one process and with ``--workers``; memory is the peak of the reading process and, where there are
others, that of the largest of them times their number.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

AIM = 1.0
"""How many times the seconds of the parser the project set out for; printed as met or missed."""
WORDS = [
    "cell cycle apoptosis kinase receptor membrane binding regulation of the in and to protein liver brain tumour",
    "signalling pathway expression mutation patients treatment dose response gene transcription factor DNA repair",
]


def make_file(path: Path, megabytes: float, seed: int = 0) -> None:
    """Write made-up question and answer pairs about 20,000 genes."""
    draw, words = random.Random(seed), " ".join(WORDS).split()
    answers = [" ".join(draw.choices(words, k=draw.randrange(20, 230))) for _ in range(2000)]
    left = megabytes * 1e6
    with path.open("w", encoding="utf-8") as file:
        number = 0
        while left > 0:
            gene = f"GENE{draw.randrange(20_000)}"
            answer = f"{draw.choice(answers)} {number}. {draw.choice(answers)}"[: draw.randrange(300, 1500)]
            row = {"id": str(number), "gene": gene, "prompt": f"What is known of {gene}?", "completion": answer}
            left -= file.write(json.dumps(row) + "\n")
            number += 1


def parser_only(source: Path, _folder: Path, _workers: int) -> None:
    """Parse every line, and nothing else."""
    with source.open("rb") as file:
        for line in file:
            json.loads(line)


def parser_and_writer(source: Path, folder: Path, _workers: int) -> None:
    """Parse every line and write it again."""
    with source.open("rb") as file, (folder / "again.jsonl").open("w", encoding="utf-8") as out:
        for line in file:
            out.write(json.dumps(json.loads(line), ensure_ascii=False) + "\n")


def check(source: Path, _folder: Path, workers: int, near: bool = False) -> None:
    """Count what is broken and repeated."""
    from counterpoise.data.check import check as run
    from counterpoise.data.chunks import open_data

    run(open_data(source), near=near, workers=workers)


def check_near(source: Path, folder: Path, workers: int) -> None:
    """And near-duplicates."""
    check(source, folder, workers, near=True)


def convert(source: Path, folder: Path, workers: int) -> None:
    """Write as messages."""
    from counterpoise.data.chunks import open_data
    from counterpoise.data.convert import convert as run

    run(open_data(source), folder / "converted.jsonl", to="messages", workers=workers)


def split(source: Path, folder: Path, workers: int, near: bool = False) -> None:
    """Split by gene."""
    from counterpoise.data.chunks import open_data
    from counterpoise.data.keys import KeyReader
    from counterpoise.data.split import split as run

    shares = {"train": 0.8, "dev": 0.1, "test": 0.1}
    run(open_data(source), folder / "parts", KeyReader("gene"), shares, near=near, workers=workers)


def split_near(source: Path, folder: Path, workers: int) -> None:
    """And count near-duplicates across parts."""
    split(source, folder, workers, near=True)


def mix(source: Path, folder: Path, workers: int) -> None:
    """Interleave the file with itself, each to its end."""
    from counterpoise.data.chunks import open_data
    from counterpoise.data.mix import mix as run

    sources = {"one": open_data(source), "other": open_data(source)}
    run(sources, {"one": 1, "other": 1}, folder / "mixed.jsonl", workers=workers)


TOOLS: dict[str, tuple[Callable[[Path, Path, int], None], int]] = {
    "json.loads": (parser_only, 1),
    "json.loads, json.dumps": (parser_and_writer, 1),
    "check": (check, 1),
    "check, near-duplicates": (check_near, 1),
    "split": (split, 1),
    "split, near-duplicates": (split_near, 1),
    "convert": (convert, 1),
    "mix": (mix, 2),
}
"""Name -> what runs, and how often the file is read in it."""
BARE = ("json.loads", "json.loads, json.dumps")
"""What tools are compared with."""


def run_here(tool: str, source: Path, folder: Path, workers: int) -> dict[str, float]:
    """Run a tool in this process; return seconds and the peak of resident memory in MiB."""
    if tool not in BARE:
        import counterpoise.data.check
        import counterpoise.data.mix
        import counterpoise.data.split  # noqa: F401 - imports are not timed
    start = time.perf_counter()
    TOOLS[tool][0](source, folder, workers)
    seconds = time.perf_counter() - start
    own, largest = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    unit = 1024 if sys.platform != "darwin" else 1024**2
    return {"seconds": seconds, "mib": (own + largest * (workers if workers > 1 else 0)) / unit}


def run_apart(tool: str, source: Path, workers: int) -> dict[str, float]:
    """Run a tool in a process of its own."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        command = [sys.executable, __file__, "--only", tool, "--source", str(source), "--folder", folder]
        done = subprocess.run([*command, "--workers", str(workers)], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(source: Path, workers: int, rounds: int) -> list[dict]:
    """Run everything, in turns; return a row a tool and number of processes."""
    runs = [(tool, count) for tool in TOOLS for count in sorted({1, workers}) if tool not in BARE or count == 1]
    found: dict[tuple[str, int], list[dict[str, float]]] = {run: [] for run in runs}
    run_apart("json.loads", source, 1)  # so that the file is in memory for all of them
    for _ in range(rounds):
        for run in runs:
            found[run].append(run_apart(run[0], source, run[1]))
    megabytes = source.stat().st_size / 1e6
    parser = [row["seconds"] for row in found["json.loads", 1]]
    rows = []
    for (tool, count), measured in found.items():
        seconds = [row["seconds"] for row in measured]
        read = megabytes * TOOLS[tool][1]
        ratios = [mine / (theirs * TOOLS[tool][1]) for mine, theirs in zip(seconds, parser, strict=True)]
        rows.append(
            {
                "tool": tool,
                "processes": count,
                "megabytes_read": read,
                "rounds": rounds,
                "seconds": statistics.median(seconds),
                "seconds_min": min(seconds),
                "seconds_max": max(seconds),
                "megabytes_per_second": read / statistics.median(seconds),
                "over_parser": statistics.median(ratios),
                "mib": max(row["mib"] for row in measured),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=256.0, help="of the file that is made")
    parser.add_argument("--source", type=Path, help="a .jsonl file to read instead")
    parser.add_argument("--folder", type=Path, help="where files go; default: a temporary folder")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", type=Path, help="write the rows as json")
    parser.add_argument("--only", choices=TOOLS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(run_here(args.only, args.source, args.folder, args.workers)))
        return
    folder = Path(tempfile.mkdtemp(dir=args.folder))
    try:
        source = args.source or folder / "made.jsonl"
        if args.source is None:
            make_file(source, args.megabytes)
        elif not source.is_file():
            parser.error(f"{source} is not there")
        rows = measure(source, args.workers, args.rounds)
    finally:
        shutil.rmtree(folder)
    for row in rows:
        met = "" if row["tool"] in BARE else "  met" if row["over_parser"] <= AIM else "  missed"
        print(
            f"{row['tool']:23} {row['processes']} processes  {row['megabytes_per_second']:7.1f} MB/s  "
            f"{row['seconds']:7.2f} s [{row['seconds_min']:.2f}, {row['seconds_max']:.2f}]  "
            f"over parser {row['over_parser']:5.2f}  {row['mib']:6.0f} MiB{met}"
        )
    if args.save:
        command = "python benchmarks/data_tools.py " + " ".join(sys.argv[1:])
        machine = {"python": platform.python_version(), "processor": platform.processor(), "cores": os.cpu_count()}
        args.save.write_text(json.dumps({"command": command, "machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
