"""What the numbers in ``metrics.jsonl`` cost: sums, histograms and quantiles of a step, beside the step itself.

    python benchmarks/telemetry.py                        # N = 2048 tokens of 4 samples, as in train_step.py

Times `objectives.measures.sums_of` and all that is made of it once a step, and the whole loss that holds it. A step of
as many tokens takes seconds on a CPU (train_step.py).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from counterpoise import objectives
from counterpoise.objectives.base import Tokens
from counterpoise.objectives.measures import histograms_of, means_of, sums_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--length", type=int, default=512, help="supervised tokens of a sample")
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    torch.manual_seed(0)
    count = options.samples * options.length
    samples = torch.arange(options.samples).repeat_interleave(options.length)
    log_probs = torch.rand(count).clamp(min=1e-4).log()
    bft = objectives.get("bft")
    tokens = Tokens(log_probs, samples, options.samples)
    weights = bft.weigh(tokens)
    assert weights.token is not None
    assert weights.sample is not None
    token, sample, p_conf = weights.token, weights.sample, weights.p_conf

    def told() -> None:
        numbers = sums_of(tokens, token, sample, sample / tokens.lengths, p_conf).tolist()
        means_of(numbers)
        histograms_of(numbers)

    def weighed() -> None:
        bft.loss(log_probs, samples, num_samples=options.samples, check=False)

    row = {"tokens": count, "told_ms": timed(told, options.rounds), "loss_ms": timed(weighed, options.rounds)}
    print(json.dumps({name: round(value, 3) for name, value in row.items()}))


def timed(work: Callable[[], None], rounds: int) -> float:
    """Median time in ms."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


if __name__ == "__main__":
    main()
