"""A study that runs in seconds: made-up GAD and BIOSSES data, a tiny Llama, a tiny BERT."""

import json

import torch
import yaml
from transformers import LlamaForCausalLM

from tiny_encoders import write_encoder
from tiny_models import tiny_llama_config, write_model


def write_data(folder):
    """GAD and BIOSSES with all splits, PubMedQA without dev, MedQA without training items and examples."""

    def write(name, rows):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    for split, n in (("train", 16), ("dev", 6), ("test", 12)):
        gad = [
            {
                "id": f"{split}{i}",
                "text": f"gene @GENE$ {'rises' if i % 3 else 'falls'} {split} {i} @DISEASE$",
                "label": int(i % 3 != 0),
            }
            for i in range(n)
        ]
        write(f"blurb/gad/{split}.jsonl", gad)
        pairs = [
            {"sentence1": f"gene {i} is high", "sentence2": f"gene {split} is high", "score": (i % 5) * 1.0}
            for i in range(n)
        ]
        write(f"blurb/biosses/{split}.jsonl", pairs)
    questions = [
        {"id": str(i), "split": "dev" if i < 30 else "test", "question": f"Is gene {i} high?",
         "contexts": ["it is"], "final_decision": ("yes", "no")[i % 2]}
        for i in range(40)
    ]  # fmt: skip
    write("pubmedqa/pubmedqa_l.jsonl", questions)
    return folder


def write_study(tmp_path, **changes):
    """Write study.yaml with its models and data; ``changes`` replace top-level keys, None leaves a key out."""
    torch.manual_seed(0)
    llama, bert = tmp_path / "llama", tmp_path / "bert"
    if not llama.exists():
        write_model(LlamaForCausalLM(tiny_llama_config(max_position_embeddings=1024, num_hidden_layers=1)), llama)
        write_encoder("bert", bert)
        write_data(tmp_path / "data")
    study = {
        "name": "tiny",
        "tasks": ["gad", "biosses"],
        "forgetting": ["general-sentences"],
        "evaluation": {"limit": 8, "precision": "float32"},
        "baseline": "zero-shot",
        "examples": 0,
        "run": {
            "model": str(llama),
            "data": {"source": "task:{task}", "limit": 8, "max_length": 512},
            "adapter": "full",
            "training": {
                "max_steps": 2, "batch_size": 4, "learning_rate": 1e-3, "precision": "float32",
                "checkpoint_every": None,
            },
        },
        "arms": {
            "zero-shot": {},
            "2-shot": {"evaluation": {"shots": 2}, "only": ["gad"]},
            "sft": {"train": {"objective": "sft"}},
            "bft": {"train": {"objective": {"name": "bft", "variant": "v3"}}, "only": ["gad"]},
            "bert": {"train": {"model": {"name": str(bert), "task": "auto"}, "objective": "sft"}},
        },
    }  # fmt: skip
    study = {key: value for key, value in (study | changes).items() if value is not None}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False))
    return path


def without_times(outcome):
    """Return ``study.json`` without what no two runs share: times, memory, the machine."""
    if isinstance(outcome, dict):
        own = ("seconds", "peak_memory_bytes", "environment", "command")
        return {key: without_times(value) for key, value in outcome.items() if key not in own}
    return [without_times(value) for value in outcome] if isinstance(outcome, list) else outcome
