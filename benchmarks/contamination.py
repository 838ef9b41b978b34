"""Words per second and memory of the search for test items in training texts: ours, and plain Python sets.

    python benchmarks/contamination.py --data ../shared/data            # MedQuAD against all test sets; two minutes
    python benchmarks/contamination.py --data ../shared/data --n 13 --rounds 5 --save rows.json

Both methods search the same texts for the same items, turn about in one process; the ratio is the median over rounds of
plain over ours in the same round. Seconds are those of scanning: reading the files and indexing the test side, which
are done once, are left out (indexing has a column of its own). Memory is the peak of resident memory above what it was
before indexing, in a process of its own for each method. The counts of both must be equal, or the benchmark stops.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from counterpoise.data.contamination import TestIndex, words
from counterpoise.data.labelled_reading import read_labelled

Item = tuple[str, str, str]
"""Task, id, text."""

TEXTS = {  # task: file, columns
    "pubmedqa": ("pubmedqa/pubmedqa_l.jsonl", ("question", "contexts")),
    "medqa": ("medqa/medqa_us_test_even.jsonl", ("question", "options")),
    "medmcqa": ("medmcqa/medmcqa_dev_even.jsonl", ("question", "options")),
    "mmlu_medical": ("mmlu_medical/test.jsonl", ("question", "options")),
    "meqsum": ("meqsum/meqsum.jsonl", ("question", "summary")),
    "mts_dialog": ("mts_dialog/test1.jsonl", ("dialogue", "section_text")),
    "geneagent": ("geneagent/go_1000.jsonl", ("name",)),
    "biosses": ("blurb/biosses/test.jsonl", ("sentence1", "sentence2")),
    "gad": ("blurb/gad/test.jsonl", ("text",)),
    "chemprot": ("blurb/chemprot/test.jsonl", ("text",)),
    "ddi": ("blurb/ddi/test.jsonl", ("text",)),
    "hoc": ("blurb/hoc/test.jsonl", ("text",)),
}
TAGGED = {
    name: f"blurb/{name}/test.tsv" for name in ("bc5cdr_chem", "bc5cdr_disease", "ncbi_disease", "bc2gm", "ebm_pico")
}
TRAINING = "medquad/medquad.jsonl.gz"


def rows(path: Path) -> Iterator[dict]:
    """Yield the records of a jsonl file."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        yield from map(json.loads, file)


def joined(row: dict, columns: Iterable[str]) -> str:
    """Return the texts of some columns, lists included, a line each."""
    values = [row[column] for column in columns]
    return "\n".join(part for value in values for part in (value if isinstance(value, list) else [value]))


def sentences(path: Path) -> Iterator[str]:
    """Yield the sentences of a CoNLL file."""
    if path.parent.name == "ebm_pico":  # its tags are no IOB2
        for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
            yield " ".join(line.split("\t")[0] for line in block.split("\n"))
    else:
        for example in read_labelled(path, task="token-classification").examples:
            yield " ".join(example.words)


def read_items(folder: Path, tasks: Sequence[str] | None = None) -> list[Item]:
    """Read the items of all test sets, or of some."""
    found: list[Item] = []
    for task in tasks or (*TEXTS, *TAGGED):
        if task in TAGGED:
            texts = list(sentences(folder / TAGGED[task]))
        else:
            path, columns = TEXTS[task]
            chosen = (row for row in rows(folder / path) if row.get("split", "test") == "test")
            texts = [joined(row, columns) for row in chosen]
        found += [(task, str(number), text) for number, text in enumerate(texts)]
    return found


def training_texts(folder: Path) -> list[tuple[str, str]]:
    """Read MedQuAD: question and answer, one text a row."""
    return [(row["id"], joined(row, ("question", "answer"))) for row in rows(folder / TRAINING)]


class Plain:
    """The search in plain Python: sets and dictionaries of tuples of words. Slow, and what ours must equal."""

    def __init__(self, items: Iterable[Item], n: int = 8, boilerplate_above: int = 30) -> None:
        self.n = n
        self.items = {(task, name): tuple(words(text)) for task, name, text in items}
        grams = {key: {text[i : i + n] for i in range(len(text) - n + 1)} for key, text in self.items.items()}
        counts = Counter((task, gram) for (task, _), own in grams.items() for gram in own)
        self.boilerplate = Counter(task for (task, _), count in counts.items() if count > boilerplate_above)
        self.grams = {
            key: {gram for gram in own if counts[key[0], gram] <= boilerplate_above} for key, own in grams.items()
        }
        self.known = set().union(*self.grams.values())
        self.starts: dict[tuple[str, ...], list[tuple[str, str]]] = {}  # the item's first words, n at most
        for key, text in self.items.items():
            if text:
                self.starts.setdefault(text[:n], []).append(key)
        self.lengths = sorted({len(start) for start in self.starts})

    def scan(self, training: Iterable[tuple[str, str]]) -> None:
        """Find, for each n-gram and each item, the sources that hold it."""
        self.holders: dict[tuple[str, ...], set[str]] = {}
        self.containing: dict[tuple[str, str], set[str]] = {}
        for source, content in training:
            text = tuple(words(content))
            for i in range(len(text)):
                for length in self.lengths:
                    start = text[i : i + length]
                    for key in self.starts.get(start, ()) if len(start) == length else ():
                        item = self.items[key]
                        if text[i : i + len(item)] == item:
                            self.containing.setdefault(key, set()).add(source)
                gram = text[i : i + self.n]
                if gram in self.known:
                    self.holders.setdefault(gram, set()).add(source)

    def share(self, key: tuple[str, str]) -> float:
        """Return the share of an item's n-grams that was found; 1 for an item contained whole."""
        if key in self.containing:
            return 1.0
        own = self.grams[key]
        return sum(gram in self.holders for gram in own) / max(len(own), 1)

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Return, for each task, the items with any n-gram found, with half of them or more, and contained whole."""
        found: dict[str, list[int]] = {}
        for key in self.items:
            share, row = self.share(key), found.setdefault(key[0], [0, 0, 0])
            for i, yes in enumerate((share > 0, share >= 0.5, key in self.containing)):
                row[i] += yes
        return {task: (row[0], row[1], row[2]) for task, row in found.items()}


class Ours:
    """The package's search, with the face of `Plain`."""

    def __init__(self, items: Iterable[Item], n: int = 8) -> None:
        self.index = TestIndex(n)
        for item in items:
            self.index.add(*item)
        self.index.build()

    def scan(self, training: Iterable[tuple[str, str]]) -> None:
        self.report = self.index.scan(training)

    def counts(self) -> dict[str, tuple[int, int, int]]:
        return {name: (t.overlapping, t.contaminated, t.contained) for name, t in self.report.tasks.items()}


METHODS: dict[str, type[Ours] | type[Plain]] = {"counterpoise": Ours, "plain sets": Plain}


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field} in /proc/self/status; memory is measured on Linux only")


def _peak_in_child(queue: multiprocessing.Queue, method: str, folder: Path, tasks: list[str] | None, n: int) -> None:
    items, training = read_items(folder, tasks), training_texts(folder)
    METHODS[method](items[:1], n).scan(training[:1])  # load what is loaded once
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak of resident memory
    before = _resident("VmRSS")
    METHODS[method](items, n).scan(training)
    queue.put(_resident("VmHWM") - before)


def peak_extra_bytes(method: str, folder: Path, tasks: list[str] | None, n: int) -> int:
    """Run one method in a fresh process and return its peak memory above the texts."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_peak_in_child, args=(queue, method, folder, tasks, n))
    child.start()
    peak = queue.get()
    child.join()
    return int(peak)


def measure(folder: Path, tasks: list[str] | None, n: int, rounds: int) -> tuple[list[dict], str]:
    """Return a row a method, and the report."""
    memory = {method: peak_extra_bytes(method, folder, tasks, n) for method in METHODS}
    items, training = read_items(folder, tasks), training_texts(folder)
    searches, indexing = {}, {}
    for method, kind in METHODS.items():
        start = time.perf_counter()
        searches[method] = kind(items, n)
        indexing[method] = time.perf_counter() - start
    times: dict[str, list[float]] = {method: [] for method in METHODS}
    for _ in range(rounds):
        for method, search in searches.items():
            start = time.perf_counter()
            search.scan(training)
            times[method].append(time.perf_counter() - start)
    if searches["counterpoise"].counts() != searches["plain sets"].counts():
        raise RuntimeError("the counts of the two methods differ")
    report = searches["counterpoise"].report
    plain = times["plain sets"]
    found = [
        {
            "method": method,
            "n": n,
            "items": len(items),
            "training_texts": report.texts,
            "training_words": report.words,
            "rounds": rounds,
            "seconds": statistics.median(times[method]),
            "seconds_min": min(times[method]),
            "seconds_max": max(times[method]),
            "words_per_second": report.words / statistics.median(times[method]),
            "plain_over_this": statistics.median(a / b for a, b in zip(plain, times[method], strict=True)),
            "indexing_seconds": indexing[method],
            "extra_mib": memory[method] / 2**20,
        }
        for method in METHODS
    ]
    return found, str(report)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("COUNTERPOISE_DATA", ".")))
    parser.add_argument("--task", choices=(*TEXTS, *TAGGED), action="append", help="default: all")
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", type=Path, help="write the rows as json")
    args = parser.parse_args()
    if not (args.data / TRAINING).is_file():
        parser.error(f"{args.data / TRAINING} is not there; --data is the folder of the data sets")
    found, report = measure(args.data, args.task, args.n, args.rounds)
    print(report)
    for row in found:
        print(
            f"{row['method']:13} {row['words_per_second'] / 1e6:6.2f} M words/s  "
            f"{row['seconds']:7.2f} s [{row['seconds_min']:.2f}, {row['seconds_max']:.2f}]  "
            f"plain/this {row['plain_over_this']:5.1f}  indexing {row['indexing_seconds']:5.1f} s  "
            f"{row['extra_mib']:6.0f} MiB"
        )
    if args.save:
        command = "python benchmarks/contamination.py " + " ".join(sys.argv[1:])
        machine = {"python": platform.python_version(), "processor": platform.processor(), "threads": 1}
        args.save.write_text(json.dumps({"command": command, "machine": machine, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
