"""What inspecting costs: our pass (score, weigh under three objectives, write the table) beside one plain forward pass.

    python benchmarks/inspection.py --data medquad --limit 100 --data-dir biomedical --save rows.json
    python benchmarks/inspection.py --rounds 1 --limit 20                      # embedded gene facts: does it run?

The peer is what any user would write: ``model(input_ids, attention_mask).logits`` for the same samples in the same
batches, with the attention that transformers chooses, and nothing done with the logits. Both take turns in one process;
a ratio is taken within each round, and its median, least and greatest are shown.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from counterpoise.data.batching import collate
from counterpoise.inspection.encoding import EncodedRecords, encode_records
from counterpoise.inspection.forcing import BATCH_TOKENS, batches, teacher_force
from counterpoise.inspection.inspector import OBJECTIVES
from counterpoise.inspection.objective_text import parse_objectives
from counterpoise.inspection.parts import Parts
from counterpoise.inspection.reading import DataRequest, read_records_of
from counterpoise.inspection.table import SampleColumns, write_table
from counterpoise.inspection.weighing import weigh
from counterpoise.models.load import LoadedModel, load_model

AIM = 1.1
"""What the project set out to reach: our time over that of the plain forward pass."""


def plain_forward(model: Any, encoded: EncodedRecords, padding: int, batch_tokens: int) -> Tensor:
    """One forward pass over all samples; return the sum of the logits of each batch's last position, so that none is
    optimised away."""
    device = next(model.parameters()).device
    total = torch.zeros((), device=device)
    for batch in batches(encoded.items, batch_tokens):
        inputs = collate([encoded.items[i] for i in batch], padding)
        with torch.inference_mode():
            logits = model(input_ids=inputs["input_ids"].to(device), attention_mask=inputs["attention_mask"].to(device))
            total += logits.logits[:, -1].float().sum()
    return total.cpu()


def inspect_pass(loaded: LoadedModel, encoded: EncodedRecords, folder: Path, batch_tokens: int) -> float:
    """Score, keep the scores, weigh, and write the table; return the mean NLL per token."""
    parts = Parts.open(folder / "parts", {})
    parts.keep(teacher_force(loaded, encoded.items, batch_tokens=batch_tokens))
    scores = parts.gather(encoded.lengths)
    weighings = {
        label: weigh(objective, scores, encoded.lengths) for label, objective in parse_objectives(OBJECTIVES).items()
    }
    count, log_probs = len(encoded.lengths), scores["log_probs"]
    nothing = np.zeros(count)
    columns = SampleColumns(
        nll=nothing,
        confidence=nothing,
        low_share=nothing,
        longest_run=nothing.astype(np.int64),
        group=np.full(count, ""),
        window=None,
        flags=[[] for _ in range(count)],
    )
    write_table(folder / "inspection.parquet", encoded, np.exp(log_probs), columns, weighings)
    return -float(log_probs.mean())


def measure(loaded: LoadedModel, encoded: EncodedRecords, rounds: int, batch_tokens: int) -> dict[str, Any]:
    """Let both take turns, after one round that does not count; return seconds and ratios by round."""
    shared = {id(p): p for p in loaded.model.parameters()}
    peer = copy.deepcopy(loaded.model, memo=shared)  # ours changes its model's attention
    padding = loaded.tokenizer.pad_token_id
    seconds: dict[str, list[float]] = {"inspect": [], "forward": []}
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            arms: dict[str, Callable[[], Any]] = {
                "forward": lambda: plain_forward(peer, encoded, padding, batch_tokens),
                "inspect": lambda place=place: inspect_pass(loaded, encoded, place, batch_tokens),
            }
            for name in sorted(arms, reverse=bool(number % 2)):  # each goes first as often as the other
                start = time.perf_counter()
                arms[name]()
                if number:
                    seconds[name].append(time.perf_counter() - start)
    ratios = [ours / theirs for ours, theirs in zip(seconds["inspect"], seconds["forward"], strict=True)]
    return {
        "seconds": seconds,
        "ratios": ratios,
        "ratio": {"value": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
        "aim": AIM,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m", help="alias, hub id or folder of a decoder-only model")
    parser.add_argument("--data", default="gene-process", help="what counterpoise inspect takes")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--batch-tokens", type=int, default=BATCH_TOKENS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", type=Path, help="write the numbers as json")
    args = parser.parse_args()
    loaded = load_model(args.model)
    read = read_records_of(DataRequest(args.data, limit=args.limit, data_dir=args.data_dir))
    encoded = encode_records(read, loaded, max_length=args.max_length)
    weight = next(loaded.model.parameters())
    row: dict[str, Any] = {
        "command": "python benchmarks/inspection.py " + " ".join(sys.argv[1:]),
        "machine": {
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "processor": torch.cuda.get_device_name() if weight.is_cuda else platform.processor(),
            "dtype": str(weight.dtype),
        },
        "model": args.model,
        "data": args.data,
        "samples": len(encoded.items),
        "tokens": sum(len(item.input_ids) for item in encoded.items),
        "supervised_tokens": int(encoded.lengths.sum()),
        **measure(loaded, encoded, args.rounds, args.batch_tokens),
    }
    found = row["ratio"]
    verdict = "met" if found["value"] <= AIM else "MISSED"
    print(
        f"{row['samples']} samples, {row['tokens']:,} tokens, {row['supervised_tokens']:,} supervised\n"
        f"inspect {statistics.median(row['seconds']['inspect']):.2f} s, "
        f"forward {statistics.median(row['seconds']['forward']):.2f} s; "
        f"ratio {found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}], aim {AIM}: {verdict}"
    )
    if args.save:
        args.save.write_text(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
