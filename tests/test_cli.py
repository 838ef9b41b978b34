"""The command line as a user meets it: exit codes, one sentence for each mistake, results on standard output."""

import json

import pytest
import yaml


@pytest.fixture
def config(llama_folder, tmp_path):
    """A run config on a tiny model and eight rows, as plain data."""
    rows = [{"prompt": f"question {i}", "completion": f"answer {i % 3}"} for i in range(8)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "model": str(llama_folder),
        "data": {"source": "rows.jsonl", "held_out": 0.25},
        "objective": "bft",
        "adapter": {"kind": "lora", "rank": 2},
        "training": {"batch_size": 3, "precision": "float32", "checkpoint_every": 1},
        "output": "runs/tiny",
    }


def write(config, **sections):
    from pathlib import Path

    Path("run.yaml").write_text(yaml.safe_dump({**config, **sections}))
    return "run.yaml"


def one_sentence(error):
    assert error.startswith("counterpoise: ")
    assert error.count("\n") == 1, error
    assert "Traceback" not in error
    return error


def test_train_writes_the_run_folder(run, config, tmp_path):
    code, out, err = run("train", write(config))
    assert code == 0, err
    assert "held-out examples" in out
    assert "2 steps, 6 samples" in out
    folder = tmp_path / "runs" / "tiny"
    assert {p.name for p in folder.iterdir()} >= {
        "run.yaml", "metrics.jsonl", "timing.jsonl", "results.json", "environment.json", "model",
    }  # fmt: skip
    results = json.loads((folder / "results.json").read_text())
    assert {tuple(sorted(row)) for row in results["rows"]} == {
        ("adapter", "floors", "high", "low", "metric", "model", "n", "objective", "seed", "task", "value")
    }
    made_with = json.loads((folder / "environment.json").read_text())
    assert {"packages", "git_commit", "seed", "data", "model"} <= set(made_with)
    assert len(made_with["data"]["fingerprint"]) == 64
    card = (folder / "model" / "README.md").read_text()
    assert "Not a medical device" in card
    assert "held-out examples" in card
    assert yaml.safe_load((folder / "run.yaml").read_text())["objective"] == {"name": "bft"}
    assert (folder / "model" / "adapter_model.safetensors").is_file()

    code, again, err = run("train", "run.yaml", "--json")
    assert (code, json.loads(again)) == (0, results)
    assert "finished" in err
    code, _, err = run("train", "run.yaml", "training.learning_rate=1")
    assert code == 2
    assert "training.learning_rate: was 0.0001, is 1.0" in one_sentence(err)
    code, _, err = run("train", "run.yaml", "training.learning_rate=1e-3", "--overwrite", "-q")
    assert (code, err) == (0, "")


def test_the_trained_adapter_loads_again(run, config, tmp_path):
    from counterpoise.models.load import load_model

    assert run("train", write(config))[0] == 0
    loaded = load_model(tmp_path / "runs" / "tiny" / "model", dtype="float32")
    assert any("lora" in name for name, _ in loaded.model.named_parameters())


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"objective": "btf"}, "unknown objective 'btf' (did you mean 'bft'?); choose from sft, dft, bft"),
        ({"objective": {"name": "bft", "windw": 1}}, "has no option 'windw' (did you mean 'window'?); it takes"),
        ({"training": {"learning_rat": 1}}, "training.learning_rat is not a key (did you mean 'learning_rate'?)"),
        (
            {"training": {"learning_rate": "1e-4x"}},
            'training.learning_rate is "1e-4x"; expected a number, such as 1e-4',
        ),
        ({"data": "row.jsonl"}, "row.jsonl"),
        ({"data": "empty.jsonl"}, "empty.jsonl: holds no records"),
        ({"data": "broken.jsonl"}, "broken.jsonl, line 2: not valid JSON"),
        ({"data": "silent.jsonl"}, "silent.jsonl, line 1"),
        ({"model": "smollm"}, "smollm"),
        ({"model": "bert"}, "an encoder is trained with model.task: token-classification"),
        (
            {"training": {"learning_rate": 1e30, "batch_size": 2, "warmup_share": 0}},
            "samples in the batch: rows.jsonl:",
        ),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else None,
)
def test_bad_input_gets_one_sentence_and_exit_code_2(run, config, tmp_path, sections, says):
    from transformers import BertConfig, BertModel

    from tiny_models import tiny_tokenizer

    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "broken.jsonl").write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "a" "completion"}\n')
    (tmp_path / "silent.jsonl").write_text('{"prompt": "a", "completion": ""}\n')
    if sections.get("model") == "bert":
        bert = BertConfig(
            vocab_size=272, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
        )
        BertModel(bert).save_pretrained(tmp_path / "bert")
        tiny_tokenizer().save_pretrained(tmp_path / "bert")
    code, out, err = run("train", write(config, **sections), "--quiet")
    assert (code, out) == (2, "")
    assert says in one_sentence(err)


def test_skip_bad_keeps_the_rest(run, config, tmp_path):
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    (tmp_path / "some.jsonl").write_text("\n".join([*lines[:4], "{oops", *lines[4:]]) + "\n")
    code, _, err = run("train", write(config, data="some.jsonl"), "--skip-bad")
    assert code == 0, err
    assert "kept 8 examples, dropped 1" in err
    assert "line 5" in err


def test_a_missing_config_names_the_nearest(run, config):
    write(config)
    code, _, err = run("train", "rum.yaml")
    assert code == 2
    assert "rum.yaml: no such file (did you mean 'run.yaml'?)" in one_sentence(err)


def test_ctrl_c_and_our_own_errors(run, monkeypatch):
    from counterpoise import doctor

    def stop(**_):
        raise KeyboardInterrupt

    def fail(**_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(doctor, "checks", stop)
    code, _, err = run("doctor")
    assert code == 130
    assert "stopped" in err
    monkeypatch.setattr(doctor, "checks", fail)
    code, _, err = run("doctor")
    assert code == 1
    assert "an error of ours, RuntimeError: a bug" in err
    with pytest.raises(RuntimeError):
        run("--debug", "doctor")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["demo"],
        ["train"],
        ["doctor"],
        ["models", "list"],
        ["models", "fetch"],
        ["data", "show"],
        ["data", "check"],
        ["merge"],
        ["export"],
    ],
)
def test_help_has_an_example_everywhere(run, words):
    code, out, _ = run(*words, "--help")
    assert code == 0
    assert "Usage" in out
    if words:
        assert "Example: counterpoise " + " ".join(words) in " ".join(out.split())


def test_models_data_and_version(run, llama_folder, tmp_path):
    assert run("--version")[1].strip() == "0.1.0"
    names = [row["name"] for row in json.loads(run("models", "list", "--json")[1])]
    assert names[:1] == ["smollm2-135m"]
    assert str(llama_folder) in run("models", "fetch", llama_folder)[1]
    assert "gene-process" in run("data", "list")[1]
    code, out, _ = run("data", "show", "gene-process", "--model", llama_folder, "--count", "1")
    assert code == 0
    assert "[[Ras protein signal transduction<|im_end|>]]" in out
    (tmp_path / "twice.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 2 + "oops\n")
    code, out, _ = run("data", "check", "twice.jsonl", "--model", llama_folder)
    assert code == 2
    assert "kept 2 examples, dropped 1" in out
    assert "repeated examples: 1" in out


def test_doctor(run):
    code, out, _ = run("doctor", "--json")
    assert code in (0, 1)
    assert {"name", "status", "detail"} <= set(json.loads(out)[0])


def test_merge_and_export(run, llama_folder, tmp_path):
    from counterpoise.models.adapters import AdapterConfig
    from counterpoise.models.load import load_model
    from counterpoise.models.save import save_model
    from tiny_bpe import merging_tokenizer

    merging_tokenizer().save_pretrained(llama_folder)
    loaded = load_model(llama_folder, dtype="float32", adapter=AdapterConfig(rank=2))
    adapter = save_model(loaded.model, loaded.tokenizer, tmp_path / "adapter")
    code, out, err = run("merge", adapter, "--out", "merged")
    assert (code, out) == (0, "merged model: merged (float32)\n"), err
    code, _, err = run("merge", "merged", "--out", "again")
    assert code == 2
    assert "there is nothing to merge" in one_sentence(err)
    code, _, err = run("merge", adapter, "--out", "again", "--dtype", "int8")
    assert code == 2
    assert "expected auto, float32 or bfloat16" in one_sentence(err)

    code, out, err = run("export", "merged", "--gguf", "tiny.gguf", "--type", "q8_0")
    assert code == 0, err
    assert out.startswith("tiny.gguf: 39 tensors, q8_0, ")
    assert "4 matrices are F16" in out
    assert (tmp_path / "tiny.gguf").is_file()
    code, _, err = run("export", adapter, "--gguf", "other.gguf")
    assert code == 2
    assert "merge it first" in one_sentence(err)
    code, _, err = run("export", "merged", "--gguf", "other.gguf", "--type", "q2")
    assert code == 2
    assert "GGUF type is 'q2'; expected f32, f16, bf16, q8_0" in one_sentence(err)


def test_data_show_of_an_encoder_decoder_shows_both_sides(run, tmp_path, monkeypatch):
    from tiny_families import write_family

    monkeypatch.chdir(tmp_path)
    write_family("t5", tmp_path / "t5")
    (tmp_path / "rows.jsonl").write_text('{"prompt": "Which gene?", "completion": "KRT5"}\n')
    code, out, _ = run("data", "show", "rows.jsonl", "--model", str(tmp_path / "t5"))
    assert code == 0
    question, answer = out.strip().splitlines()[-2:]
    assert "Which gene?" in question
    assert "KRT5" not in question
    assert "[[KRT5" in answer


def test_train_lists_its_keys(run):
    code, out, _ = run("train", "--keys")
    assert code == 0
    for key in ("model.name", "data.streaming", "training.packing", "adapter.kind", "output.folder"):
        assert key in out
