"""The enrichment benchmark measures methods that agree, and stops where they do not."""

import json
import sys
from pathlib import Path

import pytest

import enrichment
from counterpoise.biology.enrichment import load_library


def test_both_methods_are_measured_printed_and_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("gseapy")
    saved = tmp_path / "rows.json"
    monkeypatch.setattr(sys, "argv", ["enrichment.py", "--sets", "3", "--peer-sets", "1", "--out", str(saved)])
    enrichment.main()
    every, selected = json.loads(saved.read_text())["rows"]
    assert every["terms"] > 12_000 > selected["terms"]
    assert every["background"] == selected["background"]
    assert (every["sets"], every["peer_sets"]) == (3, 1)
    assert every["ours_ms"]["q05"] <= every["ours_ms"]["median"] <= every["ours_ms"]["max"]
    assert "15,706 terms" in capsys.readouterr().out


@pytest.mark.parametrize("theirs", [{"a": (0.1, 0.2)}, {"a": (0.1, 0.2), "b": (0.3, 0.4001)}])
def test_methods_that_disagree_are_refused(theirs: dict[str, tuple[float, float]]) -> None:
    enrichment.check({"a": (0.1, 0.2)}, {"a": (0.1, 0.2 * (1 + 1e-12))})
    with pytest.raises(SystemExit, match="the methods"):
        enrichment.check({"a": (0.1, 0.2), "b": (0.3, 0.4)}, theirs)


def test_sets_are_drawn_alike_and_of_the_sizes_told() -> None:
    library = load_library("wikipathways")
    members = [library.genes[:50]]
    sets = enrichment.random_sets(library, members, 20)
    assert sets == enrichment.random_sets(library, members, 20)
    assert all(5 <= len(genes) <= 200 for genes in sets)
    assert all(set(genes) & set(members[0]) for genes in sets[1::2])
