"""Every item is a fair question: one right option, three that no annotation supports, and no hint in the prior."""

import csv
import gzip
import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.data import facts
from counterpoise.errors import UserError
from counterpoise.evaluation.choice import ChoiceItem
from counterpoise.evaluation.floors import most_frequent_option
from counterpoise.evaluation.gene_process import answer_shares, gene_process_items


@pytest.fixture(scope="module")
def shared() -> Path:
    folder = Path(os.environ.get("COUNTERPOISE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if not (folder / "go" / "human_go_annotations.tsv.gz").is_file():
        pytest.skip(f"the Gene Ontology export (go/) is not in {folder}")
    return folder


def table(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


@pytest.mark.parametrize(("split", "size"), [("dev", 300), ("test", 500)])
def test_one_item_for_each_held_out_gene(split: str, size: int) -> None:
    items = gene_process_items(split)
    genes = facts.load().genes
    assert len(items) == len({item.id for item in items}) == len({item.group for item in items}) == size
    assert all(genes[item.group].split == split for item in items)
    assert all(item.prompt == facts.prompt(genes[item.group]) for item in items)
    assert all(item.prior_prompt == facts.prior_prompt() for item in items)


@given(seed=st.integers(0, 2**31), n_options=st.integers(2, 20), split=st.sampled_from(["dev", "test"]))
@settings(max_examples=15, deadline=None)
def test_the_answer_is_known_and_no_distractor_is_annotated(seed: int, n_options: int, split: str) -> None:
    known = facts.load()
    go_id = {process.name: process.go_id for process in known.demo_processes.values()}
    for item in gene_process_items(split, seed, n_options):
        assert len(set(item.options)) == n_options
        right = go_id[item.options[item.answer]]
        assert right in known.experimental[item.group]
        wrong = {go_id[option] for option in item.options} - {right}
        assert wrong.isdisjoint(known.any_evidence[item.group])


@pytest.mark.shared
def test_no_distractor_is_annotated_in_the_raw_tables(shared: Path) -> None:
    """Walked anew from the exports, breadth first from each option downward, sharing no code with the builder."""
    children: dict[str, set[str]] = {}
    regulators: dict[str, set[str]] = {}
    for edge in table(shared / "go" / "go_edges.tsv.gz"):
        if edge["relation"] in ("isa", "part of"):
            children.setdefault(edge["parent"], set()).add(edge["child"])
        else:
            regulators.setdefault(edge["parent"], set()).add(edge["child"])
    term_of = {row["name"]: row["go_id"] for row in table(shared / "go" / "go_terms.tsv.gz") if row["ontology"] == "BP"}
    entrez = {row["symbol"]: row["entrez"] for row in table(shared / "hgnc" / "hgnc.tsv.gz")}
    annotated: dict[str, dict[str, set[str]]] = {}
    for row in table(shared / "go" / "human_go_annotations.tsv.gz"):
        annotated.setdefault(row["entrez"], {}).setdefault(row["go_id"], set()).add(row["evidence"])

    def below(process: str, *links: dict[str, set[str]]) -> set[str]:
        reached, front = {term_of[process]}, [term_of[process]]
        while front:
            term = front.pop()
            new = set().union(*(link.get(term, set()) for link in links)) - reached
            reached |= new
            front += new
        return reached

    names = [process.name for process in facts.load().demo_processes.values()]
    parts = {name: below(name, children) for name in names}
    linked = {name: below(name, children, regulators) for name in names}
    for item in gene_process_items("dev") + gene_process_items("test", seed=1):
        terms = annotated[entrez[item.group]]
        for i, option in enumerate(item.options):
            if i == item.answer:
                support = parts[option] & terms.keys()
                assert any(facts.EXPERIMENTAL & terms[term] for term in support), (item.group, option)
            else:
                assert linked[option].isdisjoint(terms), (item.group, option)


def test_items_are_repeatable_and_follow_the_seed() -> None:
    assert gene_process_items("dev") == gene_process_items("dev")
    assert gene_process_items("dev", seed=1) != gene_process_items("dev", seed=2)


def test_the_items_that_results_were_recorded_on_stay_the_same() -> None:
    """Recorded figures are of these very items. Changing them is allowed, but then every figure is measured again."""
    text = "\n".join(repr(item) for split in ("dev", "test") for item in gene_process_items(split))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "430037b10457f44e"


def test_position_and_frequency_say_nothing() -> None:
    """Over 20 seeds: the share of each position, and the accuracy of a guess that is blind to the gene."""
    items = [item for seed in range(20) for split in ("dev", "test") for item in gene_process_items(split, seed)]
    positions = Counter(item.answer for item in items)
    assert all(abs(positions[i] / len(items) - 0.25) < 0.02 for i in range(4))
    # The genes are the same 800 under each seed, so the bound is two standard errors of 800 draws, not of 16,000.
    assert abs(most_frequent_option(items).mean() - 0.25) < 2 * (0.25 * 0.75 / 800) ** 0.5


def test_distractors_are_as_frequent_as_answers() -> None:
    """Averaged over seeds, a process is a distractor about three times as often as its share as an answer says."""
    shares = answer_shares(facts.load())
    assert sum(shares.values()) == pytest.approx(1)
    name = {process.name: process.go_id for process in facts.load().demo_processes.values()}
    drawn: Counter[str] = Counter()
    for seed in range(10):
        for item in gene_process_items("test", seed):
            drawn.update(name[option] for i, option in enumerate(item.options) if i != item.answer)
    total = sum(drawn.values())
    assert all(0.5 < drawn[go_id] / total / share < 1.6 for go_id, share in shares.items())


def test_bad_arguments_are_the_users_to_mend() -> None:
    with pytest.raises(UserError, match="expected one of train, dev, test"):
        gene_process_items("validation")
    with pytest.raises(UserError, match="expected 'dev' or 'test'"):
        gene_process_items("train")
    with pytest.raises(UserError, match="from 2 to 20"):
        gene_process_items("dev", n_options=1)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"options": ("a", "a")}, "repeat"),
        ({"options": ("a",)}, "two or more"),
        ({"options": ("a", " ")}, "not empty"),
        ({"answer": 2}, "from 0 to 1"),
        ({"answer": -1}, "from 0 to 1"),
        ({"prompt": " "}, "prompt is empty"),
        ({"group": ""}, "group is empty"),
    ],
)
def test_a_broken_item_is_refused(changed: dict[str, object], said: str) -> None:
    fields = {"id": "x", "prompt": "p", "prior_prompt": "q", "options": ("a", "b"), "answer": 0, "group": "g"}
    with pytest.raises(ValueError, match=said):
        ChoiceItem(**(fields | changed))  # type: ignore[arg-type]
