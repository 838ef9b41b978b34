"""``counterpoise inspect`` from end to end, with a tiny model: what it writes, prints, goes on with and refuses."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from tiny_runs import examples

from counterpoise import objectives
from counterpoise.data.reading import read_examples
from counterpoise.disk import draft_of
from counterpoise.errors import Stopped, UserError
from counterpoise.inspection import DataRequest, Options, inspect, load_inspection, write_filtered
from counterpoise.inspection import scored_text as scored_text_module
from counterpoise.inspection.forcing import teacher_force
from tiny_families import write_family
from tiny_models import tiny_tokenizer

COUNT = 40


@pytest.fixture
def data(tmp_path):
    rows = [{"id": f"q{i}", "prompt": e.messages[0].content, "completion": f"{e.messages[1].content} {i}."}
            for i, e in enumerate(examples(COUNT))]  # fmt: skip
    rows[7] = {**rows[3], "id": "again"}
    rows[9]["completion"] = "cafÃ© Ã la carte."
    path = tmp_path / "facts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def inspected(llama_folder, data, tmp_path):
    return inspect(
        str(llama_folder),
        str(data),
        options=Options(("sft", "dft", "bft(window=8)", "talr", "eaft")),
        folder=tmp_path / "out",
        precision="float32",
    )


def test_the_outcome_and_the_table_agree(inspected, tmp_path):
    labels = ["sft", "dft", "bft(window=8)", "talr", "eaft"]
    assert list(inspected["objectives"]) == labels
    table = pq.read_table(tmp_path / "out/inspection.parquet")
    assert table.num_rows == inspected["data"]["samples"] == COUNT
    assert table["index"].to_pylist() == list(range(COUNT))
    assert table["id"].to_pylist()[:2] == ["q0", "q1"]
    tokens = np.concatenate(table["confidence"].to_numpy(zero_copy_only=False))
    assert len(tokens) == inspected["data"]["supervised_tokens"] == sum(inspected["confidence"]["histogram"])
    assert inspected["confidence"]["mean"] == pytest.approx(tokens.mean(), rel=1e-4)
    assert inspected["confidence"]["nll"] == pytest.approx(-np.log(tokens).mean(), rel=1e-4)
    samples = inspected["samples"]
    for i, row in enumerate(table.select(["confidence", "token_ids", "tokens", "nll", "completion"]).to_pylist()):
        assert len(row["confidence"]) == len(row["token_ids"]) == row["tokens"] == samples["tokens"][i]
        assert row["nll"] == pytest.approx(-np.log(row["confidence"]).mean(), rel=1e-4)
        assert tiny_tokenizer().decode(row["token_ids"]).startswith(row["completion"])
    assert {len(column) for key, column in samples.items() if key not in ("p_conf", "sample_weight")} == {COUNT}
    assert samples["p_conf"]["sft"] == [None] * COUNT
    assert all(0 < value <= 1 for value in samples["p_conf"]["bft(window=8)"])
    assert "again" in samples["id"]
    assert samples["flags"][7] == "duplicate"
    assert samples["flags"][9].startswith("mojibake")
    assert inspected["suspect_count"] == sum(bool(flag) for flag in samples["flags"])
    found = inspected["objectives"]["dft"]
    assert sum(found["token_weight_histogram"]) == len(tokens)
    assert sum(found["sample_weight_histogram"]) == COUNT
    assert sum(found["shares"].values()) == pytest.approx(1.0)
    assert found["p_conf_quantiles"] is None
    np.testing.assert_allclose(np.concatenate(table["weight:dft"].to_numpy(zero_copy_only=False)), tokens, rtol=1e-5)
    assert any("talr" in warning and "16 at a time" in warning for warning in inspected["data"]["warnings"])
    assert not list((tmp_path / "out").rglob(draft_of(Path("*")).name)), "no draft stays"
    json.loads((tmp_path / "out/inspection.json").read_text(), parse_constant=pytest.fail)


def test_effective_share_is_that_of_one_step_over_all_samples(inspected, tmp_path):
    table = pq.read_table(tmp_path / "out/inspection.parquet", columns=["confidence", "tokens"])
    log_probs = torch.from_numpy(np.log(np.concatenate(table["confidence"].to_numpy(zero_copy_only=False))))
    samples = torch.repeat_interleave(torch.arange(COUNT), torch.tensor(table["tokens"].to_pylist()))
    for label, objective in {"dft": objectives.get("dft"), "bft(window=8)": objectives.get("bft", window=8)}.items():
        metrics = objective.loss(log_probs, samples).metrics
        found = inspected["objectives"][label]
        assert found["effective_share"] == pytest.approx(metrics["effective_share"], rel=1e-3)
        assert found["mean_token_weight"] == pytest.approx(metrics["token_weight"], rel=1e-3)
        assert found["mean_sample_weight"] == pytest.approx(metrics["sample_weight"], rel=1e-3)


def test_samples_to_look_at(inspected):
    kinds = inspected["heat"]
    assert [len(kinds[kind]) for kind in ("hardest", "easiest", "typical")] == [12, 12, 12]
    titles = [sample["source"] for kind in kinds.values() for sample in kind]
    assert len(set(titles)) == len(titles), "no sample twice"
    for sample in kinds["hardest"]:
        count = len(sample["tokens"])
        assert {len(sample["confidence"]), *map(len, sample["weights"].values())} == {count}
        assert 0 <= sample["window"]["start"] < sample["window"]["start"] + sample["window"]["length"] <= count
    weight = [[s["sample_weight"]["bft(window=8)"] for s in kinds[kind]] for kind in ("hardest", "typical", "easiest")]
    assert min(weight[0]) >= max(weight[1]) >= min(weight[1]) >= max(weight[2])


def test_it_goes_on_and_other_objectives_need_no_second_pass(inspected, llama_folder, data, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the model ran again")

    monkeypatch.setattr(scored_text_module, "teacher_force", refuse)
    options = Options(("bft(variant=v1)",))  # which needs no entropy: what there is suffices
    again = inspect(str(llama_folder), str(data), options=options, folder=tmp_path / "out", precision="float32")
    assert list(again["objectives"]) == ["bft(variant=v1)"]
    assert again["confidence"] == inspected["confidence"]
    with pytest.raises(UserError, match=r"max_length: was 128, is 64"):
        inspect(
            str(llama_folder), str(data), options=options, folder=tmp_path / "out", precision="float32", max_length=64
        )
    data.write_text(data.read_text() + data.read_text().splitlines()[0] + "\n")
    with pytest.raises(UserError, match=r"other settings \(data"):
        inspect(str(llama_folder), str(data), options=options, folder=tmp_path / "out", precision="float32")


def test_ctrl_c_ends_with_a_sentence_and_the_next_call_gives_the_same(llama_folder, data, tmp_path, monkeypatch):
    def stops(*arguments, **options):
        found = teacher_force(*arguments, **options)
        yield next(found)
        yield next(found)
        raise KeyboardInterrupt

    call = {"folder": tmp_path / "cut", "precision": "float32", "batch_tokens": 200}
    monkeypatch.setattr("counterpoise.inspection.parts.BATCHES", 1)
    monkeypatch.setattr(scored_text_module, "teacher_force", stops)
    with pytest.raises(Stopped, match="the same command goes on"):
        inspect(str(llama_folder), str(data), **call)
    monkeypatch.undo()
    assert len(list((tmp_path / "cut/parts/data").glob("part-*"))) == 2
    found = inspect(str(llama_folder), str(data), **call)
    whole = inspect(str(llama_folder), str(data), **{**call, "folder": tmp_path / "whole"})
    for name in ("nll", "confidence"):
        np.testing.assert_allclose(found["samples"][name], whole["samples"][name], rtol=1e-5)


def test_an_encoder_decoder(tmp_path, data):
    folder = write_family("t5", tmp_path / "t5")
    found = inspect(str(folder), str(data), folder=tmp_path / "out", precision="float32")
    assert [row["name"] for row in found["diagnostic"]["texts"]] == ["data"]
    assert any("decoder-only" in warning for warning in found["data"]["warnings"])
    (tmp_path / "plain.txt").write_text("Some running text.\n")
    with pytest.raises(UserError, match="running text is for decoder-only models"):
        inspect(str(folder), str(tmp_path / "plain.txt"), folder=tmp_path / "other")


@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv"])
def test_running_text(kind, llama_folder, tmp_path):
    texts = [f"The cell grows in the dark, and it is seen {n} times in the field." for n in range(6)]
    path = tmp_path / f"texts.{kind}"
    if kind == "txt":
        path.write_text("\n".join(texts) + "\n\n")
    elif kind == "jsonl":
        path.write_text("".join(json.dumps({"abstract": text, "id": n}) + "\n" for n, text in enumerate(texts)))
    else:
        path.write_text("abstract\n" + "".join(f'"{text}"\n' for text in texts))
    request = DataRequest(str(path), columns=None if kind == "txt" else {"text": "abstract"})
    found = inspect(str(llama_folder), request, folder=tmp_path / "out", precision="float32")
    assert found["data"]["samples"] == 6
    row = pq.read_table(tmp_path / "out/inspection.parquet").to_pylist()[0]
    assert (row["prompt"], row["completion"], row["messages"]) == ("", texts[0], "")
    assert row["tokens"] in (len(texts[0]), len(texts[0]) - 1), "all but the first of its bytes"
    assert found["samples"]["text"][0] == texts[0]
    write_filtered(tmp_path / "out", tmp_path / "kept.jsonl", keep_easiest="2")
    kept = [json.loads(line)["text"] for line in (tmp_path / "kept.jsonl").read_text().splitlines()]
    assert len(kept) == 2
    assert set(kept) < set(texts)


def test_a_filtered_data_set_is_read_again(inspected, data, tmp_path):
    told = write_filtered(tmp_path / "out", tmp_path / "clean.jsonl", drop=["suspects"], keep_hardest="50%")
    before = {e.id: e.messages for e in read_examples(data).examples}
    after = read_examples(tmp_path / "clean.jsonl").examples
    assert all(before[e.id] == e.messages for e in after)
    left = COUNT - inspected["suspect_count"]
    assert told.kept == len(after) == round(0.5 * left)
    assert sum(told.left_out.values()) == COUNT - told.kept
    assert told.left_out["duplicate"] == 1
    order = [e.id for e in after]
    assert order == [i for i in before if i in order], "in the order of the data"
    weights = dict(zip(inspected["samples"]["id"], inspected["samples"]["sample_weight"]["bft(window=8)"], strict=True))
    clean = [i for i, flags in zip(inspected["samples"]["id"], inspected["samples"]["flags"], strict=True) if not flags]
    assert min(weights[i] for i in order) >= max(weights[i] for i in clean if i not in order)


def test_hardest_by_nll_where_no_objective_weighs_samples(llama_folder, data, tmp_path):
    found = inspect(str(llama_folder), str(data), options=Options(("dft",)), folder=tmp_path / "o", precision="float32")
    write_filtered(tmp_path / "o", tmp_path / "hard.jsonl", keep_hardest="5")
    kept = {e.id for e in read_examples(tmp_path / "hard.jsonl").examples}
    nll = dict(zip(found["samples"]["id"], found["samples"]["nll"], strict=True))
    assert kept == set(sorted(nll, key=lambda i: -nll[i])[:5])


def test_the_command(run, llama_folder, data, tmp_path):
    words = ("inspect", llama_folder, data, "--folder", tmp_path / "r", "--precision", "float32")
    code, shown, errors = run(*words, "--drop", "duplicate", "--write", "clean.jsonl", "-q")
    assert code == 0, errors
    assert errors == ""
    for said in (
        "40 samples",
        "bft",
        "embedded general sentences",
        "group B",
        "1 duplicate",
        "39 samples kept",
        "report:",
    ):
        assert said in shown
    assert (tmp_path / "r/report.html").stat().st_size > 10_000
    code, shown, errors = run(*words, "--json", "-q")
    outcome = json.loads(shown)
    assert not {"heat", "samples"} & set(outcome)
    assert outcome["command"].startswith("counterpoise inspect ")
    assert load_inspection(tmp_path / "r")["objectives"] == outcome["objectives"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--objective", "bfd"], "did you mean 'bft'"),
        (["--objective", "bft(window=0)"], "window is 0"),
        (["--drop", "mojibak"], "did you mean 'mojibake'"),
        (["--drop", "mojibake"], "name a file with --write"),
        (["--keep-hardest", "120%", "--write", "x.jsonl"], "keep-hardest is '120%'"),
        (["--keep-hardest", "some", "--write", "x.jsonl"], "expected a share"),
        (["--keep-hardest", "1%", "--keep-easiest", "1%", "--write", "x.jsonl"], "exclude each other"),
        (["--low", "0"], "low is 0.0"),
        (["--window", "2"], "window is 2"),
        (["--column", "prompt"], "--column is 'prompt'"),
        (["--template", "chatt"], "template is 'chatt'"),
        (["--terms", "absent.txt"], "absent.txt: cannot be read"),
        (["--against", "absent.txt"], "absent.txt: no such file"),
        (["--folder", "facts.jsonl/x"], "choose another --folder"),
        (["--precision", "half"], "--precision is 'half'"),
    ],
)
def test_what_is_wrong_is_one_sentence(run, llama_folder, data, words, said):
    code, _, errors = run("inspect", llama_folder, data, "-q", *words)
    assert code == 2, errors
    assert said in errors
    assert errors.count("\n") == 1


def test_data_that_cannot_be_used(run, llama_folder, tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"prompt": "a", "completion": "b c d e."}\n{"prompt": "a"}\n')
    code, _, errors = run("inspect", llama_folder, "bad.jsonl", "-q")
    assert code == 2
    assert "line 2" in errors
    code, shown, errors = run("inspect", llama_folder, "bad.jsonl", "--skip-bad", "-q")
    assert code == 0, errors
    assert "left out: 1 samples, unreadable" in shown
    code, _, errors = run("inspect", llama_folder, "absent.jsonl", "-q")
    assert code == 2
    assert "no such file" in errors or "absent.jsonl" in errors
    (tmp_path / "blank.jsonl").write_text('{"text": ""}\n')
    code, _, errors = run("inspect", llama_folder, "blank.jsonl", "-q")
    assert code == 2
    assert "none of its 1 samples has a supervised token" in errors
    (tmp_path / "mute.jsonl").write_text('{"messages": [{"role": "user", "content": "x"}]}\n')
    code, _, errors = run("inspect", llama_folder, "mute.jsonl", "-q")
    assert code == 2
    assert "no assistant turn" in errors


def test_an_encoder_is_refused(run, tmp_path, data):
    from tiny_encoders import write_encoder

    code, _, errors = run("inspect", write_encoder("bert", tmp_path / "encoder"), data, "-q")
    assert code == 2
    assert errors.count("\n") == 1


def test_a_folder_without_an_inspection(tmp_path):
    for call in (load_inspection, lambda folder: write_filtered(folder, tmp_path / "x.jsonl")):
        with pytest.raises(UserError, match="expected the folder of an inspection"):
            call(tmp_path)


def test_the_benchmark_runs(llama_folder, data, tmp_path, monkeypatch, capsys):
    import inspection as benchmark

    words = ["--model", llama_folder, "--data", data, "--limit", 8, "--rounds", 1, "--save", tmp_path / "b.json"]
    monkeypatch.setattr("sys.argv", ["inspection.py", *map(str, words)])
    benchmark.main()
    assert "ratio" in capsys.readouterr().out
    found = json.loads(Path(tmp_path / "b.json").read_text())
    assert found["samples"] == 8
    assert found["ratio"]["value"] == found["seconds"]["inspect"][0] / found["seconds"]["forward"][0]
