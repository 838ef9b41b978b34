"""Time and peak memory of one training step, ours beside the peers', and how the cost grows with length and vocabulary.

    python benchmarks/train_step.py                                    # all tables; about twenty minutes on two cores
    python benchmarks/train_step.py --table arms --rounds 9
    python benchmarks/train_step.py --table arms --arm "counterpoise BFT" --arm "TRL DFT" --save rows.json
    python benchmarks/train_step.py --model tiny --rows 2 --length 48 --supervised 32 --rounds 1     # does it run?

A step is forward + backward of one batch: SmolLM2-135M, LoRA r 16 on all linear layers in float32, base frozen in
bfloat16, products under bfloat16 autocast, 4 samples of 512 tokens of which 312 supervised. Arms take turns in one
process, so a slow moment of the machine meets all; a ratio is taken within each round, and the table shows its median,
least and greatest. "matrix products" is no arm but the limit: the step's multiplications at the rate that ``torch.mm``
reaches on the model's own frozen matrices, measured in the same rounds. Memory is the peak of resident memory (CUDA: of
allocated memory) above the loaded model, in a process of its own for each arm, after a warm-up.
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import gc
import json
import multiprocessing
import platform
import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from counterpoise.data import facts
from counterpoise.data.encoded import Encoded
from counterpoise.models.adapters import AdapterConfig, apply_adapter
from counterpoise.models.head import base_of, body_of, find_head
from counterpoise.models.load import load_model, load_tokenizer
from peers import ARMS, LAYOUTS, Arm

LIMIT = "matrix products"
OURS = "counterpoise BFT"
LENGTHS = (512, 1024, 2048, 4096, 8192)
VOCABULARIES = (32_768, 65_536, 131_072, 262_144)
FULL_LOGITS = 131_072
"""The largest vocabulary at which full logits are tried: twice as much takes more than 23 GB for 4,096 tokens."""
AIMS = [  # (arm, over which, what, at most)
    (OURS, "counterpoise SFT", "seconds", 1.03),
    (OURS, "TRL DFT", "seconds", 0.40),
    (OURS, "TRL DFT", "extra_mib", 0.60),
    ("counterpoise BFT, checkpointing", "TRL DFT", "extra_mib", 0.25),
    (OURS, "published BFT", "seconds", 0.55),
    (OURS, "published BFT", "extra_mib", 0.70),
    (OURS, LIMIT, "seconds", 2.00),
    ("packed rows", "padded", "seconds", 1 / 1.3),
    ("packed flat", "padded", "seconds", 1 / 1.3),
    ("packed rows", "padded, sorted by length", "seconds", 1.00),
    (OURS + ", compiled", "TRL DFT", "seconds", 0.40),
    (OURS + ", compiled", "published BFT", "seconds", 0.55),
    (OURS + ", compiled", LIMIT, "seconds", 2.00),
]
"""What the project set out to reach; printed as met or missed beside the table."""


@dataclass(frozen=True)
class Case:
    """A model and the samples of one step."""

    model: str = "smollm2-135m"
    """What `load_model` takes, or one with random weights: tiny, or one-layer (SmolLM2's width and heads)."""
    rows: int = 4
    length: int = 512
    supervised: int = 312
    """Of each sample, at its end."""
    vocabulary: int = 0
    """Of a model with random weights; 0 is the config's own."""
    mixed: bool = False
    """Samples of many lengths, from a sixteenth of ``length`` to ``length``, the second half of each supervised."""
    device: str = "cpu"


def build_model(case: Case) -> nn.Module:
    """Return the case's model, LoRA on every linear layer, in training mode; the same weights at each call."""
    torch.manual_seed(0)
    adapter = AdapterConfig(kind="lora", rank=16)
    if case.model in RANDOM_MODELS:
        from transformers import LlamaConfig, LlamaForCausalLM

        changes = {"vocab_size": case.vocabulary} if case.vocabulary else {}
        base = LlamaForCausalLM(LlamaConfig(**(RANDOM_MODELS[case.model] | changes))).to(torch.bfloat16)
        model = apply_adapter(base.requires_grad_(False).to(case.device), adapter)
    else:
        model = load_model(case.model, dtype="bfloat16", device=case.device, adapter=adapter, offline=True).model
    drawn = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:  # PEFT starts them at zero, where an adapter's gradient is half missing
            parameter.data.copy_(torch.randn(parameter.shape, generator=drawn) * 0.01)
    return model.train()


RANDOM_MODELS: dict[str, dict[str, Any]] = {
    "tiny": {
        "vocab_size": 320,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "one-layer": {
        "vocab_size": 49_152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 1,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "tie_word_embeddings": True,
    },
}


def build_samples(case: Case) -> list[Encoded]:
    """Return the step's samples: definitions of biological processes, one after the other, or random tokens."""
    count = case.rows * case.length
    if case.model in RANDOM_MODELS:
        size = case.vocabulary or RANDOM_MODELS[case.model]["vocab_size"]
        ids = torch.randint(3, size, (count,), generator=torch.Generator().manual_seed(2)).tolist()
    else:
        tokenizer = load_tokenizer(case.model, offline=True)
        ids = []
        for process in facts.load().processes.values():
            ids += tokenizer(f"{process.name}: {process.definition}\n")["input_ids"]
            if len(ids) >= count:
                break
    rows = [ids[start : start + case.length] for start in range(0, count, case.length)]
    if case.mixed:  # log-normal, as lengths of texts are
        drawn = np.random.default_rng(0).lognormal(np.log(case.length / 4), 0.7, case.rows)
        sizes = np.clip(drawn, case.length // 16, case.length).astype(int).tolist()
        return [Encoded(r[:n], [False] * (n - n // 2) + [True] * (n // 2)) for r, n in zip(rows, sizes, strict=True)]
    return [Encoded(row, [False] * (len(row) - case.supervised) + [True] * case.supervised) for row in rows]


class MatrixProducts:
    """The step's multiplications at the rate of ``torch.mm`` on the model's own frozen matrices."""

    def __init__(self, model: nn.Module, case: Case) -> None:
        head = find_head(model).weight
        frozen = [m.base_layer.weight for m in body_of(model).modules() if hasattr(m, "lora_A")]
        adapters = sum(p.numel() for p in model.parameters() if p.requires_grad)
        tokens, scored = case.rows * case.length, case.rows * case.supervised
        config = base_of(model).config.get_text_config()
        width = config.num_attention_heads * (
            getattr(config, "head_dim", 0) or config.hidden_size // config.num_attention_heads
        )
        attention = (
            config.num_hidden_layers * case.rows * case.length**2 * width
        )  # a causal product: half of 2 T T width
        products = 4 * tokens * sum(w.numel() for w in frozen) + 4 * scored * head.numel()
        self.flops = products + 6 * tokens * adapters + 6 * attention
        """Frozen matrices: forward and input gradient. Adapters: these and their own gradient. Attention: causal,
        two products forward and four backward. Head: supervised rows only."""
        self._measured = products
        self._pairs = [(w, tokens) for w in frozen] + [(head, scored)]
        self._inputs = {
            (rows, size): torch.randn(rows, size, device=w.device, dtype=w.dtype)
            for w, rows in self._pairs
            for size in w.shape
        }

    def seconds(self) -> float:
        """Multiply once and return what the whole step's multiplications take at this rate."""
        start = time.perf_counter()
        for weight, rows in self._pairs:
            tile = 8192  # the head's products, in slices, as logits of all rows would not fit
            for part in weight.split(tile):
                torch.mm(self._inputs[rows, weight.shape[1]], part.T)
                torch.mm(self._inputs[rows, weight.shape[0]][:, : part.shape[0]], part)
        if weight.is_cuda:
            torch.cuda.synchronize()
        return (time.perf_counter() - start) * self.flops / self._measured


KINDS = ARMS | LAYOUTS
TABLES = ("arms", "packing", "length", "vocabulary")


def time_arms(case: Case, names: list[str], rounds: int) -> dict[str, dict[str, Any]]:
    """Let the arms take turns: name -> seconds of each round, loss, and seconds of the first step (compilation)."""
    model, samples = build_model(case), build_samples(case)
    frozen = {id(p): p for p in model.parameters() if not p.requires_grad}
    arms: dict[str, Arm] = {name: KINDS[name](copy.deepcopy(model, memo=dict(frozen)), samples) for name in names}
    limit = MatrixProducts(model, case)
    found: dict[str, dict[str, Any]] = {}
    for name, arm in arms.items():
        start = time.perf_counter()
        loss = arm.step()
        found[name] = {"loss": loss, "first_seconds": time.perf_counter() - start, "seconds": []}
    found[LIMIT] = {"loss": None, "first_seconds": limit.seconds(), "seconds": []}
    for _ in range(rounds):
        for name, arm in arms.items():
            arm.model.zero_grad(set_to_none=True)
            start = time.perf_counter()
            arm.step()
            found[name]["seconds"].append(time.perf_counter() - start)
        found[LIMIT]["seconds"].append(limit.seconds())
    return found


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field} in /proc/self/status; memory is measured on Linux only")


def _peak_in_child(queue: Any, case: Case, name: str) -> None:
    model, samples = build_model(case), build_samples(case)
    kind = KINDS[name]
    warm = samples if kind.compiled else [Encoded(s.input_ids[-2:], s.supervised[-2:]) for s in samples[:1]]
    arm = kind(model, warm)  # loads kernels and thread pools, compiles, before counting
    arm.step()
    if not kind.compiled:
        arm.lay_out(samples)
    model.zero_grad(set_to_none=True)
    gc.collect()
    if case.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        arm.step()
        queue.put(torch.cuda.max_memory_allocated() - before)
        return
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what the warm-up freed is not the loaded model's
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak of resident memory
    before = _resident("VmRSS")
    arm.step()
    queue.put(_resident("VmHWM") - before)


def extra_mib(case: Case, name: str) -> float:
    """Return one step's peak memory above the loaded model, from a fresh process."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_peak_in_child, args=(queue, case, name))
    child.start()
    while queue.empty() and child.is_alive():
        time.sleep(0.05)
    child.join()
    if child.exitcode:
        raise RuntimeError(f"the process that measured {name!r} ended with {child.exitcode}")
    return queue.get() / 2**20


def measure(case: Case, names: list[str], rounds: int) -> list[dict[str, Any]]:
    """Return a row an arm, and one for the limit."""
    memory = {name: extra_mib(case, name) for name in names}
    supervised = sum(sample.num_targets for sample in build_samples(case))
    rows = []
    for name, found in time_arms(case, names, rounds).items():
        seconds = found.pop("seconds")
        rows.append(
            {
                **asdict(case),
                "arm": name,
                "seconds": statistics.median(seconds),
                "seconds_by_round": seconds,
                "extra_mib": memory.get(name),
                "supervised_tokens_per_second": supervised / statistics.median(seconds),
                **found,
            }
        )
    return rows


def ratio(rows: list[dict[str, Any]], arm: str, over: str, what: str) -> tuple[float, float, float] | None:
    """Median, least and greatest of arm over peer by round (memory: one number); None if either is missing."""
    by_name = {row["arm"]: row for row in rows}
    if arm not in by_name or over not in by_name:
        return None
    ours, theirs = by_name[arm], by_name[over]
    if what == "extra_mib":
        quotient = ours[what] / theirs[what]
        return quotient, quotient, quotient
    quotients = [a / b for a, b in zip(ours["seconds_by_round"], theirs["seconds_by_round"], strict=True)]
    return statistics.median(quotients), min(quotients), max(quotients)


def show_arms(rows: list[dict[str, Any]]) -> None:
    """Print a line an arm, then the ratios that were aimed for."""
    print(f"{'arm':32} {'seconds':>8} {'[min, max]':>16} {'first':>7} {'MiB':>7} {'sup. tok/s':>10} {'loss':>10}")
    for row in rows:
        low, high = min(row["seconds_by_round"]), max(row["seconds_by_round"])
        memory = "" if row["extra_mib"] is None else f"{row['extra_mib']:.0f}"
        loss = "" if row["loss"] is None else f"{row['loss']:.5f}"
        print(
            f"{row['arm']:32} {row['seconds']:8.3f} {f'[{low:.3f}, {high:.3f}]':>16} {row['first_seconds']:7.1f} "
            f"{memory:>7} {row['supervised_tokens_per_second']:10.0f} {loss:>10}",
            flush=True,
        )
    for arm, over, what, bound in AIMS:
        if (found := ratio(rows, arm, over, what)) is not None:
            middle, low, high = found
            spread = "" if what == "extra_mib" else f" [{low:.2f}, {high:.2f}]"
            unit = "memory" if what == "extra_mib" else "time"
            verdict = "met" if middle <= bound else "MISSED"
            print(f"{unit:6} {arm} / {over}: {middle:.2f}{spread}, aim {bound:.2f}: {verdict}", flush=True)


def growth(case: Case, names: list[str], rounds: int, field: str, values: tuple[int, ...]) -> list[dict[str, Any]]:
    """Measure ``names`` along one field of the case, printing a line a point: in all and per token."""
    rows = []
    for value in values:
        point = replace(case, **{field: value})
        chosen = [name for name in names if not (field == "vocabulary" and value > FULL_LOGITS and name != OURS)]
        if field == "length":
            point = replace(point, supervised=value // 2)
        found = measure(point, chosen, rounds)
        for row in found:
            if row["arm"] != LIMIT:
                tokens = point.rows * point.length
                print(
                    f"{field} {value:7} {row['arm']:32} {row['seconds']:8.3f} s {row['seconds'] / tokens * 1e6:8.0f} "
                    f"us/token {row['extra_mib']:7.0f} MiB {row['extra_mib'] * 1024 / tokens:8.1f} KiB/token",
                    flush=True,
                )
        rows += found
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", choices=TABLES, action="append", help="default: all")
    parser.add_argument("--arm", choices=ARMS, action="append", help="of the arms table; default: all")
    parser.add_argument("--model", default=Case.model, help="alias, folder, or tiny: random weights")
    parser.add_argument("--rows", type=int, default=Case.rows)
    parser.add_argument("--length", type=int, default=Case.length)
    parser.add_argument("--supervised", type=int, default=Case.supervised, help="tokens of each sample, at its end")
    parser.add_argument("--rounds", type=int, default=7, help="of the arms table; the others take 3 at most")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--save", type=Path, help="write the rows as json")
    args = parser.parse_args()
    case = Case(args.model, args.rows, args.length, args.supervised, device=args.device)
    machine = {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": torch.cuda.get_device_name() if args.device == "cuda" else platform.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "device": args.device,
    }
    print(" ".join(f"{k}={v}" for k, v in machine.items()), flush=True)
    tables: dict[str, list[dict[str, Any]]] = {}
    for table in args.table or TABLES:
        if table == "arms":
            tables[table] = measure(case, args.arm or list(ARMS), args.rounds)
            show_arms(tables[table])
        elif table == "packing":
            mixed = replace(case, rows=8 * case.rows, mixed=True)
            tables[table] = [row for row in measure(mixed, list(LAYOUTS), args.rounds) if row["arm"] != LIMIT]
            show_arms(tables[table])
        elif table == "length":
            names = [OURS, "counterpoise BFT, checkpointing"]
            tables[table] = growth(replace(case, rows=1), names, min(args.rounds, 3), "length", LENGTHS)
        else:
            wide = Case("one-layer", rows=8, length=513, supervised=512, device=args.device)  # N = 4,096
            names = [OURS, "published BFT"]
            tables[table] = growth(wide, names, min(args.rounds, 3), "vocabulary", VOCABULARIES)
        if args.save:  # after each table: the next one may need more memory than there is
            command = "python benchmarks/train_step.py " + " ".join(sys.argv[1:])
            args.save.write_text(
                json.dumps({"command": command, "machine": machine, "tables": tables}, indent=1) + "\n"
            )


if __name__ == "__main__":
    main()
