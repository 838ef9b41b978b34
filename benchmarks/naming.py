"""Gene sets a second: requests of many sets answered in batches, beside one request at a time, by one model.

    python benchmarks/naming.py                                       # 24 sets, direct and agent; about half an hour
    python benchmarks/naming.py --sets 8 --rounds 1 --mode direct --tokens 16 --out rows.json

Both arms run in one process on the same loaded model and take turns, so a slow moment of the machine meets both; the
ratio (one at a time over batched: above 1 batches are faster) is taken within each round, and the table shows its
median, least and greatest. The sets are Gene Ontology processes of 5 to 40 genes, drawn at random; tools are local.

A small model seldom gets beyond its first answer, so in the mode agent each answer it writes is replaced, after it was
written, by one that leads on to the next step: every set goes through the whole cascade, and what is timed is the
model's own reading, writing and choosing. Both arms are given the same replacements.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from counterpoise.biology.enrichment import load_library
from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.naming import name_gene_sets
from counterpoise.biology.naming.backend_chat import BackendChat
from counterpoise.biology.naming.steps import ChatReply, ChatRequest
from counterpoise.biology.ontology import load_ontology
from counterpoise.biology.verification import LOCAL, Toolbox, make_toolbox
from counterpoise.evaluation.subjects import LocalModel

MODES = ("direct", "agent")
AIM = 3.0
"""How many times the throughput of one request at a time the project set out to reach; printed as met or missed."""
CAUSES, GENES = ("stress", "heat", "oxygen", "hunger"), ("{first}", "{last}")
LEADING = {
    "name": "Process: Response to stress (0.5)\n\n{first} acts in the response to stress. So does {last}.",
    "name_claims": json.dumps([f"Most of these genes act in the response to {what}." for what in CAUSES]),
    "analysis_claims": json.dumps([f"{gene} acts in the response to {what}." for gene in GENES for what in CAUSES[:2]]),
    "modify": "Process: Response to stress (0.5)\n\n{first} acts in the response to stress. So does {last}.",
    "summarise": "Process: Response to stress (0.5)\n\n{first} acts in the response to stress. So does {last}.",
}
"""What an answer of each step is replaced by, the first and last gene of the set filled in."""


class Timed:
    """Asks a chat, and counts; see the module on ``leads``.

    Args:
        chat: the model.
        at_once: sets at a time; 1 also sends every request alone.
        leads: replace what is written.
    """

    calls_tools, scores_options, is_batched = False, True, True

    def __init__(self, chat: BackendChat, at_once: int, leads: bool) -> None:
        self.name, self.sets_at_once = chat.name, at_once
        self._chat, self._leads, self.requests = chat, leads, 0

    def ask(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, ChatReply]]:
        """Yield (index, reply)."""
        self.requests += len(requests)
        if self.sets_at_once > 1:
            found = self._chat.ask(requests)
        else:
            found = ((i, reply) for i, one in enumerate(requests) for _, reply in self._chat.ask([one]))
        for i, reply in found:
            yield i, self._led(requests[i], reply) if self._leads and not requests[i].options else reply

    def _led(self, request: ChatRequest, reply: ChatReply) -> ChatReply:
        genes = request.prompt.genes
        text = LEADING[request.prompt.template]
        return replace(reply, text=text.replace("{first}", genes[0]).replace("{last}", genes[-1]))


def draw_sets(count: int, seed: int = 0) -> list[GeneSet]:
    """Return Gene Ontology processes of 5 to 40 genes, drawn at random."""
    members = load_ontology().annotations("BP")
    fitting = [GeneSet(term, tuple(sorted(genes))) for term, genes in sorted(members.items()) if 5 <= len(genes) <= 40]
    return random.Random(seed).sample(fitting, count)


def measure(
    chat: BackendChat, sets: Sequence[GeneSet], mode: str, toolbox: Toolbox, *, rounds: int, tokens: int
) -> list[dict[str, Any]]:
    """Return a row an arm of one mode."""
    arms = {"batched": chat.sets_at_once, "one at a time": 1}
    settings: dict[str, Any] = {"mode": mode, "toolbox": toolbox, "answer_tokens": tokens, "retries": 0, "claims": 4}
    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    records: dict[str, list[dict[str, Any]]] = {}
    requests: dict[str, int] = {}
    for at_once in arms.values():  # a warm-up
        name_gene_sets(sets[:2], Timed(chat, at_once, mode == "agent"), **settings)
    for _ in range(rounds):
        for arm, at_once in arms.items():
            timed = Timed(chat, at_once, mode == "agent")
            start = time.perf_counter()
            records[arm] = name_gene_sets(sets, timed, **settings)
            seconds[arm].append(time.perf_counter() - start)
            requests[arm] = timed.requests
    same = [without_time(a) == without_time(b) for a, b in zip(*records.values(), strict=True)]
    ratios = [slow / fast for fast, slow in zip(*seconds.values(), strict=True)]
    return [
        {
            "mode": mode,
            "arm": arm,
            "sets": len(sets),
            "answer_tokens": tokens,
            "requests": requests[arm],
            "seconds": statistics.median(seconds[arm]),
            "seconds_by_round": seconds[arm],
            "sets_per_second": len(sets) / statistics.median(seconds[arm]),
            "ratio": statistics.median(ratios),
            "ratio_by_round": ratios,
            "same_records": sum(same),
        }
        for arm in arms
    ]


def without_time(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without what differs from run to run."""
    return {key: value for key, value in record.items() if key != "seconds"}


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print a line an arm of one mode."""
    for row in rows:
        low, high = min(row["seconds_by_round"]), max(row["seconds_by_round"])
        line = f"{row['mode']:8} {row['arm']:14} {row['sets']:5} {row['requests']:9} {row['seconds']:9.2f} "
        line += f"{f'[{low:.2f}, {high:.2f}]':>18} {row['sets_per_second']:8.3f}"
        if row["arm"] != "batched":
            least, most = min(row["ratio_by_round"]), max(row["ratio_by_round"])
            verdict = "met" if row["ratio"] >= AIM else "MISSED"
            line += f" {row['ratio']:6.2f} [{least:.2f}, {most:.2f}] {verdict}, {row['same_records']} records the same"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=MODES, action="append", help="default: both")
    parser.add_argument("--model", default="smollm2-135m", help="alias or folder")
    parser.add_argument("--sets", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=64, help="longest answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the rows as json")
    args = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    machine = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": platform.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    print(" ".join(f"{key}={value}" for key, value in machine.items()), flush=True)
    chat = BackendChat(LocalModel(args.model, precision="float32").backend(), args.model)
    sets, toolbox = draw_sets(args.sets), make_toolbox(LOCAL)
    load_library("go-bp")  # loading is no part of naming
    print(f"{'mode':8} {'arm':14} {'sets':>5} {'requests':>9} {'seconds':>9} {'[min, max]':>18} {'sets/s':>8} ratio")
    rows: list[dict[str, Any]] = []
    for mode in args.mode or MODES:
        found = measure(chat, sets, mode, toolbox, rounds=args.rounds, tokens=args.tokens)
        show(found)
        rows += found
        if args.out:
            command = "python benchmarks/naming.py " + " ".join(sys.argv[1:])
            saved = {"command": command, "machine": machine, "rows": rows}
            args.out.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
