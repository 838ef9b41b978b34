"""A made-up outcome of a study, shaped as ``study.json``, plausible enough to look at; tests change what they ask."""

import math
import random
from typing import Any

ARMS = ("base", "sft", "dft", "bft-v1", "bft-v1-geometric", "bft-v3")
SEEDS = (0, 1, 2)
TASKS = {  # metric, more is better, n, best floor, half width of an interval; value of every arm
    "medquad": ("answer NLL", False, 300, None, 0.06, (2.31, 1.87, 1.95, 1.96, 1.93, 1.89)),
    "gene-summaries": ("answer NLL", False, 300, None, 0.05, (2.62, 2.18, 2.27, 2.29, 2.26, 2.20)),
    "pubmedqa": ("accuracy", True, 200, (0.552, "majority"), 0.066, (0.505, 0.56, 0.545, 0.535, 0.55, 0.565)),
    "gene-process": ("corrected accuracy", True, 300, (0.52, "lexical"), 0.055, (0.344, 0.47, 0.4, 0.38, 0.41, 0.44)),
    "general-sentences": ("NLL", False, 60, None, 0.09, (4.083, 4.31, 4.15, 4.12, 4.14, 4.19)),
    "mmlu-general": ("accuracy", True, 200, (0.29, "majority"), 0.06, (0.315, 0.305, 0.31, 0.32, 0.31, 0.32)),
}  # fmt: skip
FORGETTING = ("general-sentences", "mmlu-general")
POINTS = 40


def make_study(**changes: Any) -> dict[str, Any]:
    """Return the outcome; ``changes`` take the place of whole keys."""
    draw = random.Random(0)
    scores = [_score(arm, task) for task in TASKS for arm in ARMS]
    comparisons = [_gap("baseline", arm, "base", task) for task in TASKS if task not in FORGETTING for arm in ARMS[1:]]
    comparisons += [_gap("forgetting", arm, "base", task) for task in FORGETTING for arm in ARMS[1:]]
    comparisons += [_gap("sft", arm, "sft", task) for task in TASKS if task not in FORGETTING for arm in ARMS[2:]]
    also = [("pubmedqa", "accuracy, per token"), ("general-sentences", "confidence")]
    made = {
        "name": "objectives-smollm2",
        "command": "counterpoise compare examples/studies/objectives.yaml --data-dir biomedical",
        "study": _study(),
        "rows": [_row(arm, seed, draw) for arm in ARMS[1:] for seed in SEEDS],
        "scores": scores,
        "comparisons": comparisons,
        "tuning": [
            {"arm": arm, "trained_on": "all", "learning_rate": rate, "chosen": rate == (1e-3 if "sft" in arm else 3e-4),
             "dev": {task: 2.3 - 0.1 * i + 0.02 * draw.random() for task in ("medquad", "gene-summaries")}}
            for arm in ARMS[1:] for i, rate in enumerate((1e-4, 3e-4, 1e-3))
        ],
        "blurb": {},
        "groups": [
            {"group": "answers", "arm": arm, "tasks": ["pubmedqa", "gene-process"], "mean": 0.42 + 0.01 * i,
             "baseline_mean": 0.42, **({"points": None, "low": None, "high": None, "relative": None} if not i else
             {"points": 0.01 * i, "low": 0.01 * i - 0.03, "high": 0.01 * i + 0.03, "relative": 0.02 * i})}
            for i, arm in enumerate(ARMS)
        ],
        "tasks": {task: {"version": 1, "title": f"{task}: as it is asked", "licence": "CC BY 4.0",
                         "citation": f"Authors of {task}, a year", "items": TASKS[task][2]} for task in TASKS},
        "left_out": [{"arm": "base", "trained_on": "none", "seed": 0, "task": "pubmedqa", "items": 200, "unanswered": 0,
                      "unparsed": 7, "unreadable": 0}],
        "notes": ["pubmedqa: contexts are cut to 768 tokens"],
        "seconds": [{"arm": arm, "trained_on": "none" if arm == "base" else "all", "seed": seed, "task": task,
                     "evaluation": 30 + 5 * draw.random()}
                    for arm in ARMS for seed in (SEEDS if arm != "base" else (0,)) for task in TASKS],
        "environment": _environment(),
        "axes": {"objective": list(ARMS[1:])},
        "arm_settings": {arm: {"objective": arm} for arm in ARMS[1:]},
        "unfinished": [],
        "budget": [{"arm": arm, "trained_on": "all", "seed": seed, "steps": 120, "samples": 1920, "tokens": 412_345,
                    "order": f"{seed}b7e41c09d2f"} for arm in ARMS[1:] for seed in SEEDS],
        "budget_note": "",
        "also": {
            "scores": [_score(arm, task) | {"metric": metric} for task, metric in also for arm in ARMS],
            "comparisons": [
                _gap(family, arm, theirs, task) | {"metric": metric}
                for task, metric in also
                for family, theirs, arms in (
                    ("forgetting" if task in FORGETTING else "baseline", "base", ARMS[1:]),
                    ("sft-forgetting" if task in FORGETTING else "sft", "sft", ARMS[2:]),
                )
                for arm in arms
            ],
        },
        "frontiers": [frontier("medquad"), frontier("gene-summaries")],
        "curves": [curve(arm, seed, draw) for arm in ARMS[1:] for seed in SEEDS],
        "heat": [heat("Which process is KRT5 part of?", " keratin ization of the epi dermis"), heat("What is gout?")],
        "items": {task: items(task, draw) for task in TASKS if task not in FORGETTING},
    }  # fmt: skip
    return made | changes


def _score(arm: str, task: str) -> dict[str, Any]:
    metric, higher, n, floor, half, values = TASKS[task]
    value = values[ARMS.index(arm)]
    low, high = value - half, value + half * 0.96
    above = None if floor is None else low > floor[0]
    return {
        "arm": arm, "trained_on": "none" if arm == "base" else "all", "task": task, "metric": metric, "value": value,
        "low": low, "high": high, "n": n, "seeds": [0] if arm == "base" else list(SEEDS),
        "learning_rate": None if arm == "base" else 3e-4, "higher_is_better": higher, "forgetting": task in FORGETTING,
        "floors": {floor[1]: floor[0], "chance": 0.25} if floor else {}, "best_floor": floor[0] if floor else None,
        "best_floor_name": floor[1] if floor else "", "above_floor": above,
    }  # fmt: skip


def _gap(family: str, ours: str, theirs: str, task: str) -> dict[str, Any]:
    metric, higher, n, _, half, values = TASKS[task]
    value = values[ARMS.index(ours)] - values[ARMS.index(theirs)]
    half *= 0.6
    p = min(1.0, math.erfc(abs(value) / half * 1.96 / math.sqrt(2)))
    return {
        "family": family, "task": task, "metric": metric, "ours": ours, "theirs": theirs, "trained_on": "all",
        "higher_is_better": higher, "value": value, "low": value - half, "high": value + half * 1.04, "n": n,
        "p_value": p, "p_holm": min(1.0, 6 * p),
    }  # fmt: skip


def curve(arm: str, seed: int, draw: random.Random, steps: int = 120) -> dict[str, Any]:
    """Return one training run: SFT's loss is its NLL, the others' is smaller; NLL falls, confidence rises."""
    done = [i / (steps - 1) for i in range(steps)]
    nll = [2.7 - 0.7 * (1 - math.exp(-4 * x)) + 0.12 * draw.gauss(0, 1) for x in done]
    confidence = [0.32 + 0.1 * (1 - math.exp(-4 * x)) + 0.012 * draw.gauss(0, 1) for x in done]
    share = 1.0 if arm == "sft" else 0.55 if arm == "bft-v3" else 0.38
    bft = arm.startswith("bft")
    at = [round(i * (steps - 1) / (POINTS - 1)) for i in range(POINTS)]
    return {
        "arm": arm, "trained_on": "all", "seed": seed, "learning_rate": 1e-3 if arm == "sft" else 3e-4,
        "steps": list(range(1, steps + 1)), "nll": nll, "confidence": confidence,
        "loss": nll if arm == "sft" else [0.18 * value for value in nll],
        "effective_share": [share + (share < 1) * (0.05 * x + 0.01 * draw.gauss(0, 1)) for x in done],
        "p_conf": [0.2 + 0.05 * x + 0.01 * draw.gauss(0, 1) for x in done] if bft else None,
        "points_at": [i + 1 for i in at],
        "token_weight_histogram": [_histogram(1.0 if arm == "sft" else 0.3 + 0.15 * done[i], arm == "sft") for i in at],
        "confidence_histogram": [_histogram(0.25 + 0.2 * done[i]) for i in at],
        "sample_weight_histogram": [_histogram(0.75, width=0.03) if bft else _histogram(1.0, True) for _ in at],
    }  # fmt: skip


def _histogram(centre: float, point: bool = False, width: float = 0.09) -> list[int]:
    if point:
        return [0] * 19 + [2000]
    body = [400 * math.exp(-(((i + 0.5) / 20 - centre) ** 2) / (2 * width)) for i in range(20)]
    return [round(value + 600 * (i == 0) + 350 * (i == 19)) for i, value in enumerate(body)]


def heat(prompt: str, answer: str = " Gout is a form of arthritis caused by urate crystals .") -> dict[str, Any]:
    """Return a sample for the heat maps."""
    tokens = [" " + word for word in answer.split()] + ["<|im_end|>"]
    confidence = [round(0.05 + 0.9 * ((7 * i) % 10) / 10, 3) for i in range(len(tokens))]
    weights = {"sft": [1.0] * len(tokens), "dft": confidence, "bft-v3": [min(1.0, c / 0.5) for c in confidence]}
    return {
        "title": "A typical sample", "id": "medquad-17", "source": "medquad", "note": "", "prompt": prompt,
        "tokens": tokens, "confidence": confidence, "weights": weights,
        "sample_weight": {"sft": 1.0, "dft": 1.0, "bft-v3": 0.62}, "p_conf": {"sft": None, "dft": None, "bft-v3": 0.38},
        "window": {"start": 1, "length": 4},
    }  # fmt: skip


def frontier(task: str) -> dict[str, Any]:
    """Return what every arm gained on ``task`` and lost on general sentences."""
    metric, _, _, _, half, values = TASKS[task]
    lost = TASKS["general-sentences"][5]
    zero = {"value": 0.0, "low": 0.0, "high": 0.0}
    points = [{"arm": "base", "trained_on": "none", "on_front": True, "front_share": 1.0, "gained": zero, "lost": zero}]
    for i, arm in enumerate(ARMS[1:], 1):
        gain, loss = values[0] - values[i], lost[i] - lost[0]
        on = not any(values[0] - values[k] > gain and lost[k] - lost[0] < loss for k in range(1, len(ARMS)))
        points.append({
            "arm": arm, "trained_on": "all", "on_front": on, "front_share": (0.97, 0.02, 0.61, 0.44, 0.9)[i - 1],
            "gained": {"value": gain, "low": gain - half / 2, "high": gain + half / 2},
            "lost": {"value": loss, "low": loss - 0.04, "high": loss + 0.05},
        })  # fmt: skip
    return {
        "gained": {"task": task, "metric": metric, "higher_is_better": False},
        "lost": {"task": "general-sentences", "metric": "NLL", "higher_is_better": False},
        "baseline": "base",
        "draws": 10_000,
        "points": points,
    }


def items(task: str, draw: random.Random, count: int | None = None, text: str = "") -> dict[str, Any]:
    """Return every arm's value on every item of a task."""
    metric, higher, n, _, _, values = TASKS[task]
    n = count or n
    hard = [draw.gauss(0, 0.5) for _ in range(n)]
    exact = "accuracy" in metric
    return {
        "metric": metric, "higher_is_better": higher, "ids": [f"{task}-{i}" for i in range(n)],
        "text": [text or f"Question {i} of {task}: what is known about it, and by which evidence?" for i in range(n)],
        "values": {
            arm: [round(3 * draw.random()) / 3 if exact else value + h + 0.1 * draw.gauss(0, 1) for h in hard]
            for arm, value in zip(ARMS, values, strict=True)
        },
    }  # fmt: skip


def _study() -> dict[str, Any]:
    arm = {"train": None, "evaluation": {}, "only": None, "learning_rates": None}
    return {
        "name": "objectives-smollm2", "tasks": [task for task in TASKS if task not in FORGETTING],
        "forgetting": list(FORGETTING), "groups": {}, "baseline": "base", "seeds": list(SEEDS),
        "learning_rates": [1e-4, 3e-4, 1e-3],
        "evaluation": {"split": "test", "limit": 300, "shots": 0, "seed": 0, "methods": [], "format": "auto",
                       "precision": "auto"},
        "run": {"model": "smollm2-135m", "data": {"source": "task:medquad+gene-summaries", "max_length": 768},
                "adapter": {"kind": "lora", "rank": 16, "alpha": 32}, "training": {"epochs": 1, "batch_size": 16}},
        "arms": {"base": arm} | {
            name: arm | {"train": {"objective": {"name": name.split("-")[0],
                                                 **({"variant": name[4:]} if name.startswith("bft") else {})}}}
            for name in ARMS[1:]
        },
    }  # fmt: skip


def _row(arm: str, seed: int, draw: random.Random) -> dict[str, Any]:
    cost = {"seconds": 310 + 30 * draw.random(), "samples": 1920, "tokens": 412_345, "trainable_parameters": 4_884_480,
            "peak_memory_bytes": 2_340_000_000 + 10_000_000 * seed}  # fmt: skip
    return {"arm": arm, "trained_on": "all", "seed": seed, "task": "medquad", "metric": "answer NLL", "cost": cost}


def _environment() -> dict[str, Any]:
    return {
        "counterpoise": "0.1.0", "git_commit": "b9dcc7d0", "python": "3.11.2", "platform": "Linux-6.1",
        "packages": {"torch": "2.13.0", "transformers": "5.23.0"}, "processor": "x86_64", "cpu_capability": "AVX2",
        "cores": 2, "threads": 2, "gpus": [], "seed": list(SEEDS),
    }  # fmt: skip
