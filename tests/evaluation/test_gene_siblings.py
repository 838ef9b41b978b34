"""Sibling processes: options are true or false as told, genes stay in their split, and options alone tell nothing."""

from collections import Counter, defaultdict

import pytest

from counterpoise.biology.ontology import EXPERIMENTAL, load_ontology
from counterpoise.data import facts
from counterpoise.errors import UserError
from counterpoise.evaluation import tasks
from counterpoise.evaluation.gene_process import gene_process_items
from counterpoise.evaluation.gene_siblings import NAME, OPTIONS, SIZES, gene_sibling_items
from counterpoise.evaluation.tasks.items import read_items, training_examples
from counterpoise.reinforcement import rewards
from counterpoise.reinforcement.prompts import load_prompts


@pytest.fixture(scope="module")
def ontology():
    return load_ontology()


@pytest.fixture(scope="module")
def ids(ontology):
    """Name -> GO id, of biological processes."""
    return {term.name: go_id for go_id, term in ontology.terms.items() if term.ontology == "BP"}


@pytest.fixture(scope="module")
def items():
    return {split: gene_sibling_items(split, limit=400) for split in facts.SPLITS}


@pytest.fixture(scope="module")
def prompts():
    return load_prompts("gene-process", limit=400)


def symbol_of(item):
    return item.group


def blocks_of(items):
    return [items[i : i + OPTIONS] for i in range(0, len(items) - OPTIONS + 1, OPTIONS)]


def test_options_are_siblings_of_fitting_size(items, ontology, ids):
    members = ontology.annotations("BP", EXPERIMENTAL)
    for item in [*items["train"], *items["test"]]:
        options = [ids[text] for text in item.option_texts]
        assert len(set(options)) == OPTIONS
        assert frozenset.intersection(*(ontology.parents(go_id) for go_id in options))
        assert all(SIZES[0] <= len(members[go_id]) <= SIZES[1] for go_id in options)


def test_the_right_option_has_evidence_and_the_others_have_no_annotation_at_all(items, ontology, ids):
    """Checked downward, from terms to genes; the questions are made upward, from a gene's annotations to terms."""
    known, any_evidence = ontology.annotations("BP", EXPERIMENTAL), ontology.annotations("BP")
    for item in [*items["train"], *items["test"]]:
        assert symbol_of(item) in known[ids[item.option_texts[item.answer]]]
        for place, text in enumerate(item.option_texts):
            if place != item.answer:
                below = {ids[text]} | ontology.descendants(ids[text], regulates=True)
                assert symbol_of(item) not in any_evidence[ids[text]]
                assert not below & {go_id for go_id, _ in ontology.of_gene(symbol_of(item))}


def test_genes_keep_the_split_of_every_task(items):
    genes = facts.load().genes
    for split, found in items.items():
        assert {genes[symbol_of(item)].split for item in found} == {split}
        assert len({symbol_of(item) for item in found}) == len(found), "each gene is asked about once"
    held_out = {item.group for split in ("dev", "test") for item in gene_process_items(split)}
    everything = gene_sibling_items("train")
    assert not {symbol_of(item) for item in everything} & held_out
    assert len(everything) > 8000
    assert len({item.id for item in everything}) == len(everything)


def test_options_and_letters_alone_earn_exactly_chance(items):
    for found in (items["train"], items["test"][: len(items["test"]) // OPTIONS * OPTIONS]):
        for block in blocks_of(found):
            assert len({frozenset(item.option_texts) for item in block}) == 1
            assert sorted(item.answer for item in block) == [0, 1, 2, 3]
            right = [item.option_texts[item.answer] for item in block]
            assert len(set(right)) == OPTIONS
        for letter in range(OPTIONS):
            assert sum(item.answer == letter for item in found) == len(found) / OPTIONS
        for rule in (min, max, lambda texts: max(texts, key=len), lambda texts: min(texts, key=hash)):
            assert right_by(rule, found) == len(found) / OPTIONS


def right_by(rule, items):
    return sum(rule(sorted(item.option_texts)) == item.option_texts[item.answer] for item in items)


def test_the_most_annotated_option_is_right_as_often_as_any(items, ontology, ids):
    sizes = {text: len(genes) for text, go_id in ids.items() if (genes := ontology.annotations("BP").get(go_id))}
    found = items["train"]
    for rule in (max, min):
        assert right_by(lambda texts, rule=rule: rule(texts, key=sizes.get), found) == len(found) / OPTIONS


def test_a_constant_answer_to_the_prompts_earns_exactly_chance(prompts):
    reward = rewards.get("exact-option", prompts)
    for letter in "ABCD":
        assert sum(reward(prompt, letter) for prompt in prompts) == len(prompts) / OPTIONS


def test_wording(items):
    item = items["train"][0]
    gene = facts.load().genes[symbol_of(item)]
    lines = item.prompt.split("\n")
    assert lines[0] == facts.prompt(gene)
    assert lines[2:6] == [f"{a}. {text}" for a, text in zip("ABCD", item.option_texts, strict=True)]
    assert lines[-1] == "Answer:"
    assert item.target == lines[2 + item.answer], "what fine-tuning learns is an option as it is listed"
    assert item.prior_prompt.split("\n")[1:] == lines[1:]
    assert gene.symbol not in item.prior_prompt


def test_prompts_ask_as_the_task_does(items, prompts):
    for item, prompt in zip(items["train"], prompts, strict=True):
        assert prompt.messages == ({"role": "user", "content": item.prompt},)
        assert (prompt.id, prompt.task) == (item.id, NAME)
        assert prompt.id == f"gene-siblings/train/{item.group}"
        assert prompt.answer == item.options[item.answer]
        assert prompt.columns == {
            "options": ["A", "B", "C", "D"],
            "option_texts": list(item.option_texts),
            "group": item.group,
        }
    reward = rewards.get("exact-option", prompts)
    assert all(reward(prompt, item.target) == 1 for item, prompt in zip(items["train"], prompts, strict=True))


def test_seeds_and_limits(items):
    assert gene_sibling_items("train", limit=10) == items["train"][:10]
    assert gene_sibling_items("train", limit=400, seed=0) == items["train"]
    other = gene_sibling_items("train", limit=400, seed=1)
    assert other != items["train"]
    assert len({symbol_of(item) for item in other}) == len(other)
    assert load_prompts("gene-process", limit=12) == load_prompts("gene-process", limit=400)[:12]
    assert len(items["test"]) > 300


def test_the_task_reads_these_items_and_fine_tuning_may_learn_those_of_train(items):
    spec = tasks.get("gene-siblings")
    assert read_items(spec, "test").items == gene_sibling_items("test")
    learnt = training_examples(read_items(spec, "train", limit=20).items)
    assert len(learnt) == 20
    assert not {item.id for item in items["test"]} & {example.id for example in learnt}


def test_options_vary(items):
    """No parent and no process is asked about again and again."""
    counts = Counter(text for item in items["train"] for text in item.option_texts)
    assert len(counts) > 250
    shown = defaultdict(set)
    for item in items["train"]:
        shown[item.answer].add(tuple(item.option_texts))
    assert all(len(orders) > 90 for orders in shown.values())


def test_an_unknown_split():
    with pytest.raises(UserError, match="split is 'training'; expected one of train, dev, test"):
        load_prompts("gene-process", split="training")
