"""Time to score the options of benchmark questions, ours beside lm-evaluation-harness, on one model and equal prompts.

    python benchmarks/scoring.py                                    # PubMedQA and MMLU, two formats; about an hour
    python benchmarks/scoring.py --items 30 --rounds 1 --case pubmedqa --format completion --save rows.json
    python benchmarks/scoring.py --model FOLDER --data FOLDER       # rows as in pubmedqa_l.jsonl, dev.jsonl, test.jsonl

Both sides score in one process, in float32, and take turns, so a slow moment of the machine meets both; a ratio (theirs
over ours: above 1 we are faster) is taken within each round, and the table shows its median, least and greatest.
lm-eval's ``hf`` backend runs at each ``--batch``: 16 prompts as a user might choose, and 1, which pads nothing. Ours
holds at most ``--batch-tokens`` tokens. Memory is the peak of resident memory above what was there before.

- completion: lm-eval's own way through, from text (`HFLM.loglikelihood`); an option is one token for most, and lm-eval
  then reads a question once, as we do.
- chat: the same token ids on both sides, the end-of-turn token scored with the option (`HFLM._loglikelihood_tokens`;
  its text entry would move the line break in front of the answer into the answer). Tokenising is then in our time only.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import logging
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from counterpoise.data.example import Message
from counterpoise.evaluation.backend import Query
from counterpoise.evaluation.local import LocalBackend
from counterpoise.evaluation.prompt_format import PromptFormat, prompt_format
from counterpoise.models.load import LoadedModel, load_model
from train_step import _resident

CASES = ("pubmedqa", "mmlu", "mmlu, 5 examples")
FORMATS = ("completion", "chat")
DECISIONS = ("yes", "no", "maybe")
AIM = 2.0
"""How many times as fast as lm-eval the project set out to be; printed as met or missed."""
TOLERANCE = 1e-3
"""Greatest difference of two log-likelihoods, in nats."""
Scores = list[tuple[float, ...]]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object a line."""
    with path.open(encoding="utf-8") as lines:  # splitlines() would also cut at separators inside a text
        return [json.loads(line) for line in lines if line.strip()]


def pubmedqa_prompt(row: dict[str, Any]) -> str:
    """The abstract without its conclusion, the question, and a place for yes, no or maybe."""
    return "\n".join([*row["contexts"], f"Question: {row['question']}", "Answer:"])


def mmlu_prompt(row: dict[str, Any]) -> str:
    """The question, its options behind letters, and a place for a letter."""
    lettered = [f"{letter}. {option}" for letter, option in zip("ABCDEFGHIJ", row["options"], strict=False)]
    return "\n".join([row["question"].strip(), *lettered, "Answer:"])


def build_queries(case: str, data: Path, items: int) -> tuple[list[Query], list[int]]:
    """Return the queries of a case, spread evenly over its test rows, and the number of each right option."""
    if case == "pubmedqa":
        rows = [row for row in read_rows(data / "pubmedqa" / "pubmedqa_l.jsonl") if row["split"] == "test"]
        rows = rows[:: max(1, len(rows) // items)][:items]
        queries = [Query(r["pubid"], (Message("user", pubmedqa_prompt(r)),), DECISIONS) for r in rows]
        return queries, [DECISIONS.index(row["final_decision"]) for row in rows]
    rows = read_rows(data / "mmlu_general" / "test.jsonl")
    rows = rows[:: max(1, len(rows) // items)][:items]
    shots: dict[str, list[Message]] = {}
    if case != "mmlu":
        for row in read_rows(data / "mmlu_general" / "dev.jsonl"):
            turns = [Message("user", mmlu_prompt(row)), Message("assistant", "ABCDEFGHIJ"[row["answer"]])]
            shots.setdefault(row["subject"], []).extend(turns)
    queries = [
        Query(
            row["id"],
            (*shots.get(row["subject"], []), Message("user", mmlu_prompt(row))),
            tuple("ABCDEFGHIJ"[: len(row["options"])]),
        )
        for row in rows
    ]
    return queries, [row["answer"] for row in rows]


def our_arm(loaded: LoadedModel, form: PromptFormat, queries: Sequence[Query], batch_tokens: int) -> Scores:
    """Log-likelihoods by :class:`LocalBackend`, made anew: what it finds out about the model is in the time."""
    backend = LocalBackend(loaded, form, batch_tokens=batch_tokens)
    found = {reply.id: reply.log_likelihoods for reply in backend.replies(queries)}
    return [found[query.id] for query in queries]


def harness_arm(harness: Any, form: PromptFormat, queries: Sequence[Query]) -> Callable[[], Scores]:
    """Return what scores the same options with lm-eval; its requests are made beforehand."""
    from lm_eval.api.instance import Instance

    if form.kind == "completion":
        texts = [(form.context_text(q.messages), form.option_text(o)) for q in queries for o in q.options]
        requests = [Instance("loglikelihood", {}, pair, 0) for pair in texts]

        def score() -> list[tuple[float, bool]]:
            return list(harness.loglikelihood(requests, disable_tqdm=True))
    else:
        ids = [(form.context_ids(q.messages), form.option_ids(q.messages, o)) for q in queries for o in q.options]
        tokens = [((str(number), ""), *pair) for number, pair in enumerate(ids)]

        def score() -> list[tuple[float, bool]]:
            return list(harness._loglikelihood_tokens(tokens, disable_tqdm=True))

    def grouped() -> Scores:
        flat = iter(score())
        return [tuple(next(flat)[0] for _ in query.options) for query in queries]

    return grouped


def measured(arm: Callable[[], Scores]) -> tuple[Scores, float, float | None]:
    """Return an arm's log-likelihoods, seconds and peak of memory in MiB (None but on Linux CPUs)."""
    gc.collect()
    peak = Path("/proc/self/clear_refs")
    before = 0
    if peak.exists():
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        peak.write_text("5")  # resets the peak of resident memory
        before = _resident("VmRSS")
    start = time.perf_counter()
    scores = arm()
    seconds = time.perf_counter() - start
    return scores, seconds, (_resident("VmHWM") - before) / 2**20 if peak.exists() else None


def accuracy(scores: Scores, answers: Sequence[int]) -> float:
    """Share of questions whose likeliest option is the right one."""
    return float(np.mean([int(np.argmax(row)) == answer for row, answer in zip(scores, answers, strict=True)]))


def compare(
    loaded: LoadedModel,
    case: str,
    kind: str,
    data: Path,
    *,
    items: int,
    rounds: int,
    batches: Sequence[int],
    batch_tokens: int,
) -> list[dict[str, Any]]:
    """Return a row an arm of one case in one format: seconds of each round, memory, accuracy, and ratios to ours."""
    from lm_eval.models.huggingface import HFLM

    queries, answers = build_queries(case, data, items)
    form = prompt_format(loaded, kind)
    arms: dict[str, Callable[[], Scores]] = {
        "counterpoise": lambda: our_arm(loaded, form, queries, batch_tokens),
    }
    for batch in batches:
        harness = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=batch)
        arms[f"lm-eval, batch {batch}"] = harness_arm(harness, form, queries)
        harness_arm(harness, form, queries[:1])()  # a warm-up
    our_arm(loaded, form, queries[:1], batch_tokens)
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    memory: dict[str, list[float | None]] = {name: [] for name in arms}
    scores: dict[str, Scores] = {}
    for _ in range(rounds):
        for name, arm in arms.items():
            scores[name], spent, peak = measured(arm)
            seconds[name].append(spent)
            memory[name].append(peak)
    rows = []
    for name in arms:
        ratios = [theirs / ours for theirs, ours in zip(seconds[name], seconds["counterpoise"], strict=True)]
        apart = np.abs(np.concatenate(scores[name]) - np.concatenate(scores["counterpoise"])).max()
        rows.append(
            {
                "case": case,
                "format": kind,
                "arm": name,
                "items": len(queries),
                "tokens": sum(len(form.context_ids(query.messages)) for query in queries),
                "batch_tokens": batch_tokens,
                "seconds": statistics.median(seconds[name]),
                "seconds_by_round": seconds[name],
                "ratio": statistics.median(ratios),
                "ratio_by_round": ratios,
                "extra_mib": max((peak for peak in memory[name] if peak is not None), default=None),
                "accuracy": accuracy(scores[name], answers),
                "max_difference": float(apart),
            }
        )
    return rows


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print a line an arm of one case."""
    for row in rows:
        low, high = min(row["seconds_by_round"]), max(row["seconds_by_round"])
        memory = "" if row["extra_mib"] is None else f"{row['extra_mib']:.0f}"
        line = f"{row['case']:17} {row['format']:10} {row['arm']:17} {row['items']:5} {row['seconds']:8.2f} "
        line += f"{f'[{low:.2f}, {high:.2f}]':>18} {memory:>7} {row['accuracy']:8.3f}"
        if row["arm"] != "counterpoise":
            least, most = min(row["ratio_by_round"]), max(row["ratio_by_round"])
            verdict = "met" if row["ratio"] >= AIM else "MISSED"
            same = "" if row["max_difference"] <= TOLERANCE else ", NOT EQUAL"
            line += f" {row['max_difference']:9.1e} {row['ratio']:6.2f} [{least:.2f}, {most:.2f}] {verdict}{same}"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, action="append", help="default: all")
    parser.add_argument("--format", choices=FORMATS, action="append", help="default: both")
    parser.add_argument("--model", default="smollm2-135m", help="alias or folder")
    data = os.environ.get("COUNTERPOISE_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(data), help="with pubmedqa/ and mmlu_general/")
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, action="append", help="prompts a batch of lm-eval; default: 16 and 1")
    parser.add_argument("--batch-tokens", type=int, default=4096, help="tokens a batch of ours")
    parser.add_argument("--save", type=Path, help="write the rows as json")
    args = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    loaded = load_model(args.model, dtype="float32", device="cpu", offline=True)
    machine = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": platform.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    print(" ".join(f"{key}={value}" for key, value in machine.items()), flush=True)
    print(
        f"{'case':17} {'format':10} {'arm':17} {'items':>5} {'seconds':>8} {'[min, max]':>18} {'MiB':>7} "
        f"{'accuracy':>8} {'max diff':>9} {'theirs / ours':>13}"
    )
    rows: list[dict[str, Any]] = []
    for case in args.case or CASES:
        for kind in args.format or FORMATS:
            found = compare(
                loaded,
                case,
                kind,
                args.data,
                items=args.items,
                rounds=args.rounds,
                batches=args.batch or [16, 1],
                batch_tokens=args.batch_tokens,
            )
            show(found)
            rows += found
            if args.save:
                command = "python benchmarks/scoring.py " + " ".join(sys.argv[1:])
                saved = {"command": command, "machine": machine, "rows": rows}
                args.save.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
