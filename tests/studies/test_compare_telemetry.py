"""Curves of a run for a page: thinned, nothing lost from histograms, and what a log lacks is told as lacking."""

import json

import pytest

from counterpoise.studies.compare.telemetry import POINTS, STRIPS, curves_of


def write(folder, count, **more):
    rows = [{"step": i + 1, "loss": float(i), "nll": 2.0, "grad_norm": 1.0, **more} for i in range(count)]
    rows.insert(1, {"step": 1, "held_out_nll": 3.0})  # measured between steps
    folder.mkdir(exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.mark.parametrize("count", [1, 7, POINTS, 1003])
def test_every_step_counts_once(count, tmp_path):
    curve = curves_of(write(tmp_path / "run", count, token_weight_histogram=[1, 2, 0]))
    assert len(curve["steps"]) == min(count, POINTS)
    assert curve["steps"][-1] == curve["points_at"][-1] == count
    assert len(curve["points_at"]) == min(count, STRIPS)
    total = [sum(strip[place] for strip in curve["token_weight_histogram"]) for place in range(3)]
    assert total == [count, 2 * count, 0]
    sizes = [b - a for a, b in zip([0, *curve["steps"]], curve["steps"], strict=False)]
    mean = sum(loss * size for loss, size in zip(curve["loss"], sizes, strict=True)) / count
    assert mean == pytest.approx((count - 1) / 2, rel=1e-3, abs=1e-9)


def test_what_a_log_lacks_is_none(tmp_path):
    curve = curves_of(write(tmp_path / "run", 3))
    assert curve["nll"] == [2.0, 2.0, 2.0]
    assert curve["p_conf"] is None
    assert curve["sample_weight_histogram"] is None
