"""lm-evaluation-harness runs what is exported, offline, and gets our log-likelihoods, accuracies and answers."""

import json

import pytest
import torch

from counterpoise.data.example import Message
from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.lm_eval_export import export
from counterpoise.evaluation.local import LocalBackend
from counterpoise.evaluation.prompt_format import prompt_format
from counterpoise.evaluation.runner import Ask, make_task_queries, run
from counterpoise.evaluation.tasks.items import read_items
from counterpoise.models.load import load_model

MADE_UP = [
    ("Variants of @GENE$ were more frequent in patients with @DISEASE$ than in controls.", 1),
    ("We found no association of @GENE$ with @DISEASE$ in this cohort.", 0),
    ("Expression of @GENE$ did not differ, while age predicted @DISEASE$.", 0),
    ("The risk allele of @GENE$ doubled the odds of @DISEASE$.", 1),
    ("@GENE$ was sequenced in ten families; @DISEASE$ is discussed elsewhere.", 0),
    ("Loss of @GENE$ leads to @DISEASE$ in most carriers.", 1),
]


@pytest.fixture
def data(tmp_path):
    """A data folder with six GAD sentences to learn from and six to be asked, and one sentence with a disease."""
    folder = tmp_path / "data"
    for split in ("train", "test"):
        rows = [{"id": f"{split}{i}", "text": text, "label": label} for i, (text, label) in enumerate(MADE_UP)]
        path = folder / f"blurb/gad/{split}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "blurb/ncbi_disease").mkdir(parents=True)
    (folder / "blurb/ncbi_disease/test.tsv").write_text("The\tO\nrisk\tO\nof\tO\nrickets\tB-Disease\n\nNothing\tO\n")
    return folder


def harness(folder, names, model, tokenizer):
    """Run the harness in this process on the exported tasks; return accuracies and samples by task."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=4, max_length=2048)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    return simple_evaluate(model=lm, tasks=names, task_manager=manager, bootstrap_iters=0)


@pytest.fixture
def offline(monkeypatch):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["completion", "chat"])
def test_the_harness_agrees(data, tmp_path, monkeypatch, offline, form):
    """On a real model: options of one token after examples, and of several tokens, in both formats; answers too."""
    loaded = load_model("smollm2-135m", dtype="float32", device="cpu")
    exported = tmp_path / "exported"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    how = {"model": "smollm2-135m", "format": form} if form == "chat" else {}
    asked = {"gad": Ask(data, shots=2), "gene-process": Ask(split="dev", limit=6), "ncbi-disease": Ask(data)}
    names = {task: export([tasks.get(task)], exported, ask, **how)[0] for task, ask in asked.items()}
    monkeypatch.chdir(exported)
    theirs = harness(exported, list(names.values()), loaded.model, loaded.tokenizer)
    for task, ask in asked.items():
        spec = tasks.get(task)
        backend = LocalBackend(loaded, prompt_format(loaded, form))
        items = read_items(spec, ask.split, data_dir=ask.data_dir, limit=ask.limit).items
        replies = {reply.id: reply for reply in backend.replies(make_task_queries(spec, items, ask, priors=False))}
        samples = {sample["doc"]["id"]: sample for sample in theirs["samples"][names[task]]}
        assert set(samples) == {item.id for item in items}
        for item in items:
            if spec.kind == "choice":
                found = torch.tensor([float(answer[0][0]) for answer in samples[item.id]["resps"]])
                ours = torch.tensor(replies[f"{item.id}|options"].log_likelihoods)
                torch.testing.assert_close(ours, found, atol=1e-3, rtol=0, check_dtype=False)
            else:
                written = samples[item.id]["resps"][0][0].strip()
                assert replies[f"{item.id}|generated"].text == written
        if spec.kind == "choice":
            result = run(spec, backend, ask)
            assert theirs["results"][names[task]]["acc,none"] == pytest.approx(
                result.scored.measurements["accuracy"].value
            )


def test_what_is_written(data, tmp_path):
    """A row an item, the whole prompt in it; nothing that the harness would add words to."""
    names = export([tasks.get("gad")], tmp_path / "out", Ask(data, shots=1))
    assert names == ["counterpoise_gad"]
    rows = [json.loads(line) for line in (tmp_path / "out/counterpoise_gad.jsonl").read_text().splitlines()]
    assert [row["gold"] for row in rows] == [label for _, label in MADE_UP]
    assert rows[0]["choices"] == [" no", " yes"]
    assert rows[0]["context"].count("Answer:") == 2
    assert rows[0]["context"].endswith("Answer:")


def test_running_text_is_not_exported(tmp_path):
    with pytest.raises(UserError, match=r"general-sentences: running text has no prompt and answer"):
        export([tasks.get("general-sentences")], tmp_path / "out", Ask())


def test_the_plain_format_needs_no_tokenizer():
    from counterpoise.evaluation.prompt_format import PromptFormat

    form = PromptFormat(None, "completion")
    turns = (Message("user", "Q1:"), Message("assistant", "a"), Message("user", "Q2: "))
    assert form.context_text(turns) == "Q1: a\n\nQ2:"
