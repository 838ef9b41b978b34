"""The benchmark of naming runs both arms on the same work, and says whether their records are the same."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from tiny_models import tiny_llama_config, write_model


@pytest.fixture
def benchmark():
    path = Path(__file__).parents[3] / "benchmarks" / "naming.py"
    spec = importlib.util.spec_from_file_location("naming_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_both_arms_give_the_same_records(benchmark, tmp_path, monkeypatch, capsys):
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    config = tiny_llama_config(max_position_embeddings=8192, num_hidden_layers=1)
    folder = write_model(LlamaForCausalLM(config), tmp_path / "model")
    out = tmp_path / "rows.json"
    words = ["--model", str(folder), "--sets", "2", "--tokens", "4", "--rounds", "1", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["naming.py", *words])
    benchmark.main()
    rows = json.loads(out.read_text())["rows"]
    assert [(row["mode"], row["arm"]) for row in rows] == [
        (mode, arm) for mode in ("direct", "agent") for arm in ("batched", "one at a time")
    ]
    assert all(row["same_records"] == 2 for row in rows)
    assert [row["requests"] for row in rows[:2]] == [2, 2]
    assert rows[2]["requests"] == rows[3]["requests"] > 2 * 6  # the cascade was gone through
    assert rows[0]["ratio_by_round"] == [b / a for a, b in zip(*(r["seconds_by_round"] for r in rows[:2]), strict=True)]
    assert "agent" in capsys.readouterr().out
