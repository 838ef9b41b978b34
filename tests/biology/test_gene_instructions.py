"""Instructions from GO and WikiPathways are true, split by gene and by term, and leak no benchmark."""

import json
import random
import re
from collections import Counter
from itertools import pairwise

import pytest

from counterpoise.biology import instructions
from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.identifiers import load_genes
from counterpoise.biology.instructions.material import all_terms, annotated, gene_split
from counterpoise.biology.instructions.wording import EVIDENCE, evidence_words
from counterpoise.biology.naming.parsing import UNRELATED, parse_answer, parse_decision
from counterpoise.biology.ontology import load_ontology
from counterpoise.data import facts
from counterpoise.errors import UserError

SPLITS = ("train", "dev", "test")


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """A made-up benchmark: thirty processes and ten pathways, drawn at random."""
    draw, terms = random.Random(0), all_terms()
    go = draw.sample([term for term in terms if term.startswith("GO:") and len(terms[term].genes) <= 100], 30)
    others = draw.sample([term for term in terms if not term.startswith("GO:")], 10)
    rows = [{"id": term, "name": terms[term].name, "genes": sorted(terms[term].genes)} for term in go]
    rows += [
        {"id": f"SET:{n}", "name": terms[term].name.upper(), "genes": sorted(terms[term].genes)}
        for n, term in enumerate(others)
    ]
    path = tmp_path_factory.mktemp("benchmark") / "made_up.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def made(benchmark):
    """The rows of every split; of train a sample, for there are many."""
    sets = {
        split: instructions.build(split, exclude=(str(benchmark),), limit=4000 if split == "train" else None)
        for split in SPLITS
    }
    return {split: (found, list(found)) for split, found in sets.items()}


def rows_of(made, *kinds):
    return [(found.material, row) for found, rows in made.values() for row in rows if row.kind in kinds]


def members(term):
    """The genes of a term, told anew for GO: annotated to it or to something below it."""
    if not term.startswith("GO:"):
        return all_terms()[term].genes
    ontology = load_ontology()
    below = {term, *ontology.descendants(term)}
    direct = ontology.annotations("BP", propagated=False)
    return frozenset().union(*(direct.get(one, ()) for one in below))


def test_every_kind_of_row_is_made_in_every_split(made):
    for split, (found, rows) in made.items():
        assert {row.kind for row in rows} == set(instructions.KINDS)
        assert {row.split for row in rows} == {split}
        assert all(row.prompt.strip() and row.completion.strip() for row in rows)
        assert len({row.id for row in rows}) == len(rows) == found.counts.total()
        assert found.given_up.total() < len(rows) / 20


def test_no_gene_and_no_term_is_in_two_splits(made):
    genes = {split: {gene for row in rows for gene in row.genes} for split, (_, rows) in made.items()}
    terms = {
        split: {term for row in rows for term in row.terms} - found.material.general
        for split, (found, rows) in made.items()
    }
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        assert not genes[one] & genes[other]
        assert not terms[one] & terms[other]
    held_out = {symbol for symbol, gene in facts.load().genes.items() if gene.split != "train"}
    assert not genes["train"] & held_out
    assert genes["test"] == {gene for gene in genes["test"] if facts.load().genes[gene].split == "test"}


def test_a_row_lists_every_gene_and_term_it_names(made):
    symbols = set(annotated()["GO:0008150"])
    for split, (found, rows) in made.items():
        names = {one.name: term for term, one in all_terms().items() if len(one.name.split()) > 3}
        for row in rows[:500]:
            said = row.completion
            words = set(re.findall(r"[A-Z][A-Z0-9-]{2,}\w*", re.sub(r"Process: .*|Decision: .*", "", said)))
            for term in row.terms:  # a term's name may hold a symbol: ATF6-mediated, say
                words -= set(re.findall(r"[A-Z][A-Z0-9-]{2,}\w*", found.material.name(term)))
            assert words & symbols <= set(row.genes), (split, row)
            for term in row.terms:
                assert found.material.name(term).lower() in (said + row.prompt).lower()
            lines = {line.split(" (")[0].removeprefix("Process: ") for line in said.splitlines()[:1]}
            assert {names[line] for line in lines & names.keys()} <= set(row.terms)


def test_a_confidence_is_the_share_of_genes_in_the_term(made):
    shares = Counter()
    for material, row in rows_of(made, "naming", "contaminated"):
        name, confidence, analysis = parse_answer(row.completion)
        (term,) = row.terms
        inside = [gene for gene in row.genes if gene in members(term)]
        assert name == parse_answer(f"Process: {material.name(term)} (1.00)").name
        assert confidence == pytest.approx(len(inside) / len(row.genes), abs=0.0051)
        assert 3 <= len(row.genes) <= 40
        assert len(set(row.genes)) == len(row.genes)
        assert confidence == 0.5 if row.kind == "contaminated" else confidence >= 0.6
        listed = analysis.partition("Not known to take part: ")[2].rstrip(".").split(", ")
        assert sorted(filter(None, listed)) == sorted(set(row.genes) - set(inside))
        shares[round(confidence, 1)] += row.kind == "naming"
    assert shares[1.0] > 0.4 * shares.total()
    assert shares[0.7] + shares[0.8] + shares[0.9] > 0.2 * shares.total()


def test_evidence_in_words_is_the_strongest_annotation(made):
    ontology, looked_at = load_ontology(), 0
    words_of = {words: code for code, words in EVIDENCE.items()}
    for _, row in rows_of(made, "naming")[:200]:
        (term,) = row.terms
        for line in row.completion.splitlines():
            match = re.fullmatch(r"By (.+?): (.+)\.", line)
            for gene in match[2].split(", ") if match else ():
                below = {term, *ontology.descendants(term)}
                codes = {code for direct, code in ontology.of_gene(gene) if direct in below}
                assert words_of[match[1]] in codes
                assert match[1] == evidence_words(sorted(codes))
                looked_at += 1
    assert looked_at > 500


def test_a_set_that_shares_nothing_is_declined(made):
    for _, row in rows_of(made, "unrelated")[:60]:
        name, confidence, _ = parse_answer(row.completion)
        assert (name, confidence) == (UNRELATED, 0.0)
        size = len(row.genes)
        most = max(len(one.genes & set(row.genes)) for one in all_terms().values())
        assert most <= max(1, size // 4)
        said = re.search(r"No (?:more than (\d+) of these \d+|two of these) genes share", row.completion)
        assert int(said[1] or 1) == most


def test_the_gene_that_does_not_belong_is_the_one_outside(made):
    for material, row in rows_of(made, "odd"):
        stray, (term, own) = row.completion.split()[0], row.terms
        assert stray in row.genes
        assert [gene for gene in row.genes if gene not in members(term)] == [stray]
        assert [gene for gene in row.genes if gene in members(own)] == [stray]
        assert material.name(term) not in row.prompt


def test_claims_are_decided_by_the_annotation(made):
    decisions, counts = Counter(), Counter()
    for material, row in rows_of(made, "claim"):
        (gene,) = row.genes
        claimed = re.search(r"Claim: (.*)\.", row.prompt)[1]
        named = [term for term in row.terms if re.search(rf"in {re.escape(material.name(term))}($| and in )", claimed)]
        decision, reason = parse_decision(row.completion)
        true = [gene in members(term) for term in named]
        assert 1 <= len(named) <= 2
        if decision == "supported":
            assert all(true)
            assert all(
                any(f"{material.name(term)} by {words}" in reason for words in EVIDENCE.values()) for term in named
            )
        elif decision == "refuted" or len(named) == 1:
            assert not any(true)
        else:
            assert sorted(true) == [False, True]
        if decision == "partly" and len(named) == 1:  # something broader holds
            above = load_ontology().ancestors(named[0])
            assert any(term in above and gene in members(term) for term in row.terms)
        decisions[decision] += 1
        counts[decision, len(named)] += 1
    assert set(decisions) == {"supported", "partly", "refuted"}
    for decision, count in decisions.items():
        assert 0.2 < count / decisions.total() < 0.5, decisions
        assert counts[decision, 2] > 0.25 * count, counts  # the number of processes does not tell the decision


def test_chains_go_upward(made):
    ontology = load_ontology()
    walked = 0
    for material, row in rows_of(made, "processes"):
        by_name = {material.name(term).lower(): term for term in row.terms}
        for line in row.completion.splitlines():
            first, _, rest = line.partition(". It belongs to ")
            names = [first.rsplit(", by ", 1)[0], *(rest.rstrip(".").split(", and that to ") if rest else [])]
            chain = [by_name[name.lower()] for name in names]
            assert row.genes[0] in members(chain[0])
            for lower, upper in pairwise(chain):
                assert upper in ontology.ancestors(lower)
                walked += 1
    assert walked > 500


def test_the_same_arguments_give_the_same_rows_and_a_limit_the_first_of_them(made, benchmark):
    whole = made["train"][1][:200]
    again = instructions.build("train", exclude=(str(benchmark),), limit=200)
    assert list(again) == list(again) == whole
    other = instructions.build("train", exclude=(str(benchmark),), limit=200, seed=1, kinds=("naming", "odd"))
    rows = list(other)
    assert {row.kind for row in rows} == {"naming", "odd"}
    assert not {row.prompt for row in whole} & {row.prompt for row in rows if len(row.genes) > 5}


def test_rows_that_could_be_told_twice_are_not(made):
    for _, rows in made.values():
        assert len({row.prompt for row in rows}) == len(rows)
        sets = Counter((row.kind == "odd", frozenset(row.genes)) for row in rows if len(row.genes) > 1)
        assert max(sets.values()) == 1


def test_terms_are_split_by_share_and_copies_stay_together():
    terms = all_terms()
    shares = Counter(one.split for one in terms.values())
    assert {split: round(count / len(terms), 1) for split, count in shares.items()} == {
        "train": 0.8, "dev": 0.1, "test": 0.1,
    }  # fmt: skip
    draw = random.Random(0)
    for one in draw.sample(sorted(terms), 100):
        for other, found in terms.items():
            mine, theirs = terms[one].genes, found.genes
            if len(mine & theirs) >= 0.8 * len(mine | theirs):
                assert terms[one].split == found.split, (one, other)
    assert gene_split("no such gene") == "train"


def test_symbols_are_approved(made):
    table = load_genes()
    shown = {gene for _, rows in made.values() for row in rows for gene in row.genes}
    assert sum(gene in table for gene in shown) > 0.999 * len(shown)


def test_the_report_counts(made, benchmark):
    found, rows = made["test"]
    said = found.report()
    counts = found.material.exclusion.counts()
    assert f"rows: {len(rows):,} (" in said
    assert f"id {counts['id']:,}" in said
    assert counts["id"] == 30
    assert f"{len(found.material.terms):,} terms" in said
    assert sum(counts.values()) + len(found.material.left) == len(all_terms())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"split": "valid"}, "split is 'valid'"),
        ({"kinds": ("name",)}, r"kinds names 'name' \(did you mean 'naming'\?\)"),
        ({"kinds": ()}, "kinds is empty"),
        ({"draws": 0}, "draws is 0; expected a whole number of at least 1"),
        ({"steps": -1}, "steps is -1"),
        ({"limit": 0}, "limit is 0"),
    ],
)
def test_what_cannot_be_built(changes, says):
    with pytest.raises(UserError, match=says):
        instructions.build(**({"exclude": ("none",)} | changes))


def test_a_benchmark_s_genes_are_not_shown_even_where_chance_draws_them(made):
    """A sample of the genes of a process that may be asked can be the very set of another."""
    named = [row for row in made["train"][1] if row.kind == "naming" and set(row.genes) < members(row.terms[0])]
    before = next(row for row in named if 5 < 2 * len(row.genes) < len(members(row.terms[0])))
    material = instructions.Material("train", [GeneSet("SET:1", before.genes, "something else")])
    assert before.terms[0] in material.terms
    draft = instructions.KINDS["naming"](material, before.terms[0], random.Random(f"{before.id}/0/0"))
    assert draft.genes == before.genes  # what the builder draws first
    made_anew = instructions.InstructionSet(material, ("naming",), 2, 0, None)
    made_anew.plan = [("naming", before.terms[0], int(before.id[-1]))]
    (after,) = made_anew
    assert after.id == before.id
    assert after.terms == before.terms
    assert len({*after.genes} & {*before.genes}) < 0.8 * len({*after.genes, *before.genes})
