"""The likelihood of a reference text: the same number as teacher-forcing it as a training example."""

import json
from pathlib import Path

import numpy as np
import pytest
from scripted import Scripted, likes

from counterpoise.data.rendering import encode_all
from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.kept import Kept
from counterpoise.evaluation.lm_eval_export import export
from counterpoise.evaluation.local import LocalBackend
from counterpoise.evaluation.nll import sequence_nll
from counterpoise.evaluation.prompt_format import prompt_format
from counterpoise.evaluation.runner import Ask, rescore, run
from counterpoise.evaluation.tasks.items import read_items, training_examples
from counterpoise.evaluation.tasks.spec import TaskSpec
from counterpoise.models.load import load_model
from counterpoise.models.renderer import renderer_of
from tiny_families import write_family

ANSWERS = ["It is a rash.", "Itching, mostly.", "Nobody knows, so far.\nAsk again.", "A cream helps."]


@pytest.fixture
def data(tmp_path):
    """Four question-answer pairs under the place of MedQuAD."""
    rows = [
        {"id": str(i), "focus": f"f{i}", "question_type": "info", "question": f"What is {i}?", "answer": answer}
        for i, answer in enumerate(ANSWERS)
    ]
    path = tmp_path / "medquad" / "pairs.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


@pytest.fixture
def spec():
    shipped = tasks.get("medquad-answers")
    whole = shipped.data["test"].model_copy(
        update={"file": "medquad/pairs.jsonl", "by": None, "share": (0.0, 1.0), "count": None}
    )
    return shipped.model_copy(update={"data": {"test": whole}, "shots": ""})


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_it_is_the_nll_of_the_answer_as_a_training_example(family, data, spec, tmp_path):
    folder = Path(tmp_path / "model")
    write_family(family, folder)
    loaded = load_model(str(folder), device="cpu", dtype="float32")
    form = prompt_format(loaded, "plain")
    result = run(spec, LocalBackend(loaded, form), Ask(data_dir=data))
    found = result.scored.measurements["answer NLL"]
    items = read_items(spec, "test", data_dir=data).items
    renderer = renderer_of(loaded, max_length=512, chat_template="plain")
    encoded = encode_all(training_examples(items), renderer).items
    expected = sequence_nll(loaded.model, encoded, loaded.tokenizer.pad_token_id)
    np.testing.assert_allclose(found.totals, expected.total, rtol=1e-4)
    assert found.counts.tolist() == expected.tokens.tolist()
    assert not found.higher_is_better
    sure = result.scored.measurements["answer confidence"]
    np.testing.assert_allclose(sure.totals, expected.confidence, rtol=1e-4)
    assert sure.higher_is_better
    assert sure.counts.tolist() == expected.tokens.tolist()
    metrics = {"answer NLL", "answer confidence"}
    assert set(result.scored.measurements) == metrics, "nothing is written unless asked for"


def test_kept_replies_are_scored_again_and_the_metric_is_quoted(data, spec, tmp_path):
    kept = Kept.open(tmp_path / "kept", {})
    backend = Scripted(likes(*ANSWERS))
    first = run(spec, backend, Ask(data_dir=data), kept=kept)
    assert [query.options for query in sorted(backend.asked, key=lambda q: q.id)] == [(a,) for a in ANSWERS]
    again = rescore(kept, spec.name)
    assert again.scored.measurements["answer NLL"].value == first.scored.measurements["answer NLL"].value
    assert first.floors_of("answer NLL") == {}
    assert set(first.scored.measurements) == {"answer NLL"}, "a backend that tells no confidences gives none"


def test_a_task_of_both_ways_is_asked_as_the_user_says(data, spec):
    both = spec.model_copy(update={"methods": [], "metric": "ROUGE-L"})
    assert Ask().methods_of(both) == ("generated",)
    assert Ask(methods=("options",)).methods_of(both) == ("options",)
    assert Ask(methods=("generated",)).methods_of(spec) == ("options",), "a task that names its only way keeps it"
    found = run(both, Scripted(likes("A rash.")), Ask(data_dir=data, methods=("generated", "options"))).scored
    assert {"answer NLL", "ROUGE-L"} <= {name.split(", ")[0] for name in found.measurements}


def test_it_is_not_exported_and_methods_must_make_sense(data, spec, tmp_path):
    with pytest.raises(UserError, match="medquad-answers: the likelihood of one text"):
        export([spec], tmp_path / "out", Ask(data_dir=data))
    content = tasks.get("hoc").model_dump(mode="json") | {"methods": ["options"]}
    with pytest.raises(ValueError, match="methods is for tasks"):
        TaskSpec.model_validate(content)
