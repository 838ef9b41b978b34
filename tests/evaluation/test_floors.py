"""The floors give each item its expected share, use no more than they should, and stand where they were measured."""

import pytest

from counterpoise.data import facts
from counterpoise.evaluation.choice import ChoiceItem
from counterpoise.evaluation.floors import chance, lexical_overlap, most_frequent_option, naive_bayes
from counterpoise.evaluation.gene_process import gene_process_items


def item(*options: str, answer: int = 0, prompt: str = "What does G do?", group: str = "G") -> ChoiceItem:
    return ChoiceItem("x", prompt, "What does this do?", options, answer, group)


def test_chance_is_one_over_the_options() -> None:
    assert chance([item("a", "b"), item("a", "b", "c", "d")]).tolist() == [0.5, 0.25]


def test_most_frequent_option_counts_answers_and_shares_ties() -> None:
    answers = ["a", "a", "b", "c"]
    items = [item("a", "b"), item("b", "a"), item("b", "c", "d"), item("d", "e", "f", "g")]
    assert most_frequent_option(items, answers).tolist() == [1, 0, 0.5, 0.25]


def test_lexical_overlap_ignores_the_fixed_wording() -> None:
    gene = "What does the ion transporter do?"
    assert lexical_overlap([item("ion transport", "muscle", prompt=gene)]).tolist() == [1]
    assert lexical_overlap([item("muscle", "ion transport", prompt=gene)]).tolist() == [0]
    assert lexical_overlap([item("what does this do", "muscle", prompt=gene)]).tolist() == [0.5]  # both score zero


def test_naive_bayes_learns_a_family_from_symbols_or_from_names() -> None:
    rows = [("SLC1", "carrier one", "transport"), ("SLC2", "carrier two", "transport")]
    rows += [("KRT1", "keratin one", "skin"), ("KRT2", "keratin two", "skin")]
    items = [item("transport", "skin", group="SLC9"), item("transport", "skin", group="X9")]
    names = {"SLC9": "unheard of", "X9": "a new carrier"}
    assert naive_bayes(items, rows, names).tolist() == [1, 1]


def test_naive_bayes_puts_an_option_it_never_saw_last() -> None:
    rows = [("SLC1", "carrier", "transport"), ("KRT1", "keratin", "skin")]
    names = {"G": "carrier"}
    assert naive_bayes([item("unseen", "transport", "skin")], rows, names).tolist() == [0]
    assert naive_bayes([item("unseen", "unknown")], rows, names).tolist() == [0.5]


def test_floors_where_they_were_measured() -> None:
    """Test genes, four options. The bounds are wide enough for another scikit-learn, not for a leak."""
    items = gene_process_items("test")
    every = facts.named_facts(facts.training_records(gene_sets=0))
    some = facts.named_facts(facts.training_records(limit=1600))
    assert chance(items).mean() == 0.25
    assert most_frequent_option(items).mean() == pytest.approx(0.227, abs=0.005)
    assert lexical_overlap(items).mean() == pytest.approx(0.356, abs=0.005)
    assert naive_bayes(items, every).mean() == pytest.approx(0.738, abs=0.01)
    assert naive_bayes(items, some).mean() == pytest.approx(0.602, abs=0.01)


def test_naive_bayes_on_shuffled_answers_is_at_chance() -> None:
    """With every training gene's processes moved to another gene, nothing but the frequencies is left to learn."""
    rows = facts.named_facts(facts.training_records(gene_sets=0))
    answers = [process for _, _, process in rows]
    moved = [
        (symbol, name, process)
        for (symbol, name, _), process in zip(rows, answers[1000:] + answers[:1000], strict=True)
    ]
    items = gene_process_items("dev") + gene_process_items("test")
    assert naive_bayes(items, moved).mean() == pytest.approx(0.25, abs=0.05)
