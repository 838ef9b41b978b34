"""What callers lean on: names, options, errors that say what would be right, empty input, metrics."""

import pytest
import torch

from counterpoise import objectives

NAMES = ["sft", "dft", "bft", "focal", "power", "eaft", "asft", "talr", "deft", "profit", "prift", "iw-sft"]


def test_names_are_those_of_the_method():
    assert sorted(objectives.names()) == sorted(NAMES)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("btf", {}, "did you mean 'bft'.*sft, dft, bft"),
        ("bft", {"windw": 3}, "did you mean 'window'.*variant, window"),
        ("bft", {"variant": "v2"}, "v1, v1-geometric, v3"),
        ("bft", {"window": 0}, "number of tokens such as 256"),
        ("bft", {"window": 1.5}, "share of the response"),
        ("bft", {"window": True}, "share of the response"),
        ("bft", {"window": "wide"}, "share of the response"),
        ("bft", {"window": "120%"}, "share of the response"),
        ("bft", {"gamma": 0}, "gamma is 0"),
        ("bft", {"use": "all"}, "both, token or sample"),
        ("sft", {"floor": 2}, "floor is 2; expected a number from 0 to 1"),
        ("sft", {"floor": "high"}, "floor is 'high'"),
        ("dft", {"sft_share": -1}, "sft_share is -1"),
        ("dft", {"sft_share": {"from": 1}}, "start, end and over"),
        ("dft", {"sft_share": {"start": 3, "end": 0}}, "sft_share: start is 3"),
        ("focal", {"gamma": float("nan")}, "gamma is nan"),
    ],
)
def test_wrong_names_and_options(name, options, says):
    with pytest.raises(ValueError, match=says):
        objectives.get(name, **options)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_log_probability_that_is_not_finite_names_its_sample(bad):
    log_probs = torch.tensor([-1.0, -2.0, bad, -1.0])
    with pytest.raises(ValueError, match=r"token 2 is .*\(sample 1 of this batch\)"):
        objectives.get("bft").loss(log_probs, torch.tensor([0, 0, 1, 2]))


@pytest.mark.parametrize(
    ("log_probs", "samples", "says"),
    [
        (torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.long), "must both be"),
        (torch.zeros(2), torch.zeros(3, dtype=torch.long), "must both be"),
        (torch.zeros(2), torch.zeros(2), "must be integers"),
        (torch.zeros(3), torch.tensor([0, 1, 0]), "non-decreasing"),
        (torch.zeros(2), torch.tensor([-1, 0]), "start at 0"),
    ],
)
def test_shapes_and_order(log_probs, samples, says):
    with pytest.raises(ValueError, match=says):
        objectives.get("sft").loss(log_probs, samples)


def test_too_few_samples_announced():
    with pytest.raises(ValueError, match="num_samples is 1, but samples names sample 2"):
        objectives.get("sft").loss(torch.zeros(1), torch.tensor([2]), num_samples=1)


@pytest.mark.parametrize("name", [n for n in NAMES if objectives.OBJECTIVES[n].needs])
def test_a_missing_extra_is_named(name):
    objective = objectives.get(name)
    (needed,) = objective.needs
    with pytest.raises(ValueError, match=f"objective {name} needs {needed}"):
        objective.loss(torch.zeros(1), torch.tensor([0]))


def test_a_misspelt_extra_is_refused():
    with pytest.raises(ValueError, match="it takes"):
        objectives.get("sft").loss(torch.zeros(1), torch.tensor([0]), entropie=torch.zeros(1))


@pytest.mark.parametrize("name", NAMES)
def test_no_supervised_token_at_all(name):
    objective = objectives.get(name)
    log_probs = torch.zeros(0, requires_grad=True)
    extras = {key: torch.zeros(0) for key in objective.needs}
    out = objective.loss(log_probs, torch.zeros(0, dtype=torch.long), num_samples=2, **extras)
    out.loss.backward()
    assert out.loss.item() == 0.0
    assert out.sample_weights.tolist() == [0.0, 0.0]
    assert out.metrics["samples"] == 2


def test_metrics_are_plain_and_right():
    c = torch.tensor([0.5, 0.25, 0.125])
    out = objectives.get("bft", variant="v1", window=2).loss(c.log(), torch.tensor([0, 0, 1]))
    m = out.metrics
    assert all(type(value) is float for value in m.values())
    assert m["nll"] == pytest.approx(-c.log().mean().item())
    assert m["confidence"] == pytest.approx(c.mean().item())
    assert m["p_conf"] == pytest.approx((0.375 + 0.125) / 2)
    assert m["sample_weight"] == pytest.approx((0.625 + 0.875) / 2)
    assert (m["tokens"], m["samples"]) == (3.0, 2.0)
    assert 0 < m["effective_share"] <= 1
    assert objectives.get("sft").loss(c.log(), torch.tensor([0, 0, 1])).metrics["effective_share"] == pytest.approx(1)


def test_labels_and_options():
    assert objectives.get("bft").label() == "bft"
    tuned = objectives.get("bft", window=8, sft_share={"start": 1, "end": 0, "over": 0.3})
    assert tuned.options() == {"window": 8, "sft_share": {"start": 1, "end": 0, "over": 0.3}}
    assert objectives.get("bft", **tuned.options()) == tuned
