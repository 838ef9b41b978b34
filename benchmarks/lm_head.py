"""Time and peak extra memory of token log-probabilities with their gradients: full logits, TRL's fused head, ours.

    python benchmarks/lm_head.py                         # both sizes, both dtypes, frozen and trained; several minutes
    python benchmarks/lm_head.py --size smollm2 --dtype bfloat16 --rounds 5
    python benchmarks/lm_head.py --save benchmarks/results/lm_head.json

Each case is forward + backward of a weighted sum of log-probabilities of N supervised tokens. Methods take turns in one
process (full, TRL, ours, full, TRL, ours, ...), so a slow moment of the machine meets all; ratios are medians over
rounds of ours over the other in the same round. Memory is the peak of resident memory above what it was before the call
(CUDA: of allocated memory), gradients included, in a process of its own for each method.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from counterpoise import scoring

SIZES = {"qwen": (2048, 896, 151_936), "smollm2": (2048, 576, 49_152)}
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


def full_logits(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """What transformers does: all logits, float32 softmax."""
    return -F.cross_entropy((hidden @ weight.T).float(), targets, reduction="none")


def trl_fused(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """TRL's fused LM head (Triton on CUDA, torch operators elsewhere), as its SFTTrainer calls it."""
    from trl.kernels.chunked_logprob import ChunkedLogProbFunction
    from trl.trainer.utils import _CHUNKED_LOGPROB_CHUNK_SIZE

    return ChunkedLogProbFunction.apply(
        hidden, weight, None, targets, 1.0, _CHUNKED_LOGPROB_CHUNK_SIZE, None, 1.0, ("log_probs",)
    )[0]


METHODS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "full logits": full_logits,
    "TRL fused": trl_fused,
    "counterpoise": scoring.token_log_probs,
}


class Case:
    """One size, dtype and head: the same tensors for every method."""

    def __init__(self, size: str, dtype: str, trained: bool, device: str) -> None:
        n, width, vocabulary = SIZES[size]
        g = torch.Generator().manual_seed(0)
        kind = DTYPES[dtype]
        self.device = device
        self.hidden = torch.randn(n, width, generator=g).to(device, kind).requires_grad_()
        self.weight = (torch.randn(vocabulary, width, generator=g) * 0.05).to(device, kind).requires_grad_(trained)
        self.targets = torch.randint(vocabulary, (n,), generator=g).to(device)
        self.pull = torch.rand(n, generator=g).to(device)

    def run(self, method: str) -> Tensor:
        self.hidden.grad = self.weight.grad = None
        log_probs = METHODS[method](self.hidden, self.weight, self.targets)
        (log_probs * self.pull).sum().backward()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return log_probs.detach()

    def seconds(self, method: str) -> float:
        start = time.perf_counter()
        self.run(method)
        return time.perf_counter() - start


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field} in /proc/self/status; memory is measured on Linux only")


def _peak_in_child(queue: multiprocessing.Queue, arguments: tuple[str, str, bool, str], method: str) -> None:
    case = Case(*arguments)
    tiny = slice(0, 2)  # load kernels and thread pools before counting
    (METHODS[method](case.hidden[tiny], case.weight, case.targets[tiny])).sum().backward()
    case.hidden.grad = case.weight.grad = None
    gc.collect()
    if case.device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        case.run(method)
        queue.put(torch.cuda.max_memory_allocated() - before)
        return
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak of resident memory
    before = _resident("VmRSS")
    case.run(method)
    queue.put(_resident("VmHWM") - before)


def peak_extra_bytes(arguments: tuple[str, str, bool, str], method: str) -> int:
    """Run one method in a fresh process and return its peak memory above the inputs."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_peak_in_child, args=(queue, arguments, method))
    child.start()
    peak = queue.get()
    child.join()
    return int(peak)


def measure(size: str, dtype: str, trained: bool, device: str, rounds: int) -> list[dict]:
    """Return a row a method."""
    arguments = (size, dtype, trained, device)
    memory = {method: peak_extra_bytes(arguments, method) for method in METHODS}
    case = Case(*arguments)
    nll = {method: -case.run(method).mean().item() for method in METHODS}  # also the warm-up
    times: dict[str, list[float]] = {method: [] for method in METHODS}
    for _ in range(rounds):
        for method in METHODS:
            times[method].append(case.seconds(method))
    ours = times["counterpoise"]
    return [
        {
            "size": size,
            "N": SIZES[size][0],
            "H": SIZES[size][1],
            "V": SIZES[size][2],
            "dtype": dtype,
            "head": "trained" if trained else "frozen",
            "method": method,
            "seconds": statistics.median(times[method]),
            "seconds_min": min(times[method]),
            "seconds_max": max(times[method]),
            "rounds": rounds,
            "ours_over_this": statistics.median(a / b for a, b in zip(ours, times[method], strict=True)),
            "extra_mib": memory[method] / 2**20,
            "nll": nll[method],
        }
        for method in METHODS
    ]


def show(rows: list[dict]) -> None:
    """Print one table line a row."""
    for row in rows:
        print(
            f"{row['size']:8} {row['dtype']:9} {row['head']:8} {row['method']:13} "
            f"{row['seconds']:8.3f} s [{row['seconds_min']:.3f}, {row['seconds_max']:.3f}]  "
            f"ours/this {row['ours_over_this']:5.2f}  {row['extra_mib']:7.0f} MiB  NLL {row['nll']:.5f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, action="append", help="default: all")
    parser.add_argument("--dtype", choices=DTYPES, action="append", help="default: all")
    parser.add_argument("--head", choices=("frozen", "trained"), action="append", help="default: both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--save", type=Path, help="write the rows as json")
    args = parser.parse_args()
    machine = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": torch.cuda.get_device_name() if args.device == "cuda" else platform.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "device": args.device,
    }
    print(f"{' '.join(f'{k}={v}' for k, v in machine.items())}", flush=True)
    rows = []
    for size in args.size or SIZES:
        for dtype in args.dtype or DTYPES:
            for head in args.head or ("frozen", "trained"):
                found = measure(size, dtype, head == "trained", args.device, args.rounds)
                show(found)
                rows += found
    if args.save:
        command = "python benchmarks/lm_head.py " + " ".join(sys.argv[1:])
        args.save.write_text(json.dumps({"command": command, "machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
