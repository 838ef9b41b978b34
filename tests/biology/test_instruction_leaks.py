"""What a benchmark asks is kept out, rule by rule, and a leak that is planted is found."""

import os
import random
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.biology import instructions
from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.instructions.exclusion import RULES, reached
from counterpoise.biology.instructions.material import all_terms, annotated
from counterpoise.biology.instructions.names import name_key
from counterpoise.biology.instructions.overlap import GeneOverlap
from counterpoise.biology.ontology import load_ontology
from counterpoise.errors import UserError

ROOT = Path(__file__).parents[2]
TERM = "GO:0006306"  # DNA methylation


@pytest.fixture(scope="module")
def ontology():
    return load_ontology()


def row(terms=(), genes=(), completion="", name="planted"):
    return instructions.Row(name, "naming", "train", "", completion, tuple(terms), tuple(genes))


def benchmark(term=TERM, name=None, genes=None):
    found = all_terms().get(term)
    name = (found.name if found else "") if name is None else name
    return GeneSet(term, tuple(sorted(found.genes) if genes is None and found else genes or ()), name, "made-up")


# Exclusion


def test_relatives_of_a_benchmark_term_go_by_every_relation(ontology):
    found = instructions.excluded_terms(all_terms(), [benchmark()], ontology)
    assert found.by_rule["id"] == {TERM}
    assert found.ids >= ontology.descendants(TERM, regulates=True) & all_terms().keys()
    assert found.ids >= ontology.ancestors(TERM, regulates=True) & all_terms().keys()
    regulating = ontology.descendants(TERM, regulates=True) - ontology.descendants(TERM)
    assert regulating & found.by_rule["descendant"]  # "regulation of" it is not below it by is-a and part-of
    assert sum(found.counts().values()) == len(found.ids)
    assert tuple(found.counts()) == RULES


def test_steps_bound_how_far(ontology):
    terms = all_terms()
    ids = {steps: instructions.excluded_terms(terms, [benchmark(genes=())], ontology, steps).ids for steps in (0, 1, 2)}
    assert ids[0] == {TERM}
    near = {*ontology.parents(TERM, regulates=True), *ontology.children(TERM, regulates=True)}
    assert ids[1] == {TERM, *near} & terms.keys()
    everything = instructions.excluded_terms(terms, [benchmark(genes=())], ontology).ids
    assert ids[0] < ids[1] < ids[2] < everything


def test_a_name_and_its_relatives_go_whatever_the_id(ontology):
    name = all_terms()[TERM].name
    found = instructions.excluded_terms(all_terms(), [GeneSet("SET:7", (), f"{name.upper()} pathway")], ontology)
    assert TERM in found.by_rule["name"]
    assert found.by_rule["descendant"] | found.by_rule["ancestor"]


def test_a_set_of_nearly_the_same_genes_goes(ontology):
    term = "WP4205"
    genes = sorted(all_terms()[term].genes)
    spare = [gene for gene in sorted(annotated()["GO:0008150"]) if gene not in genes]
    nearly = GeneSet("SET:1", (*genes, *spare[: len(genes) // 4]), "something else")
    far = GeneSet("SET:1", (*genes, *spare[: len(genes) // 4 + 1]), "something else")
    assert term in instructions.excluded_terms(all_terms(), [nearly], ontology).by_rule["genes"]
    assert term not in instructions.excluded_terms(all_terms(), [far], ontology).ids


def test_large_terms_above_a_benchmark_are_context_but_no_answer(ontology):
    material = instructions.Material("train", [benchmark()])
    above = ontology.ancestors(TERM, regulates=True)
    assert above & material.general
    assert all(len(annotated()[term]) > instructions.GENERAL for term in material.general)
    assert not material.general & material.terms.keys()
    assert not any(ontology.parents(term) == frozenset() for term in material.general)  # the root says nothing
    general = next(iter(sorted(above & material.general)))
    named = instructions.Material("train", [GeneSet(general, (), "")])
    assert general not in named.general


def test_reached_counts_steps():
    links = {"a": "bc", "b": "d", "c": "d", "d": "e", "e": ""}
    assert reached("a", links.__getitem__) == set("bcde")
    assert reached("a", links.__getitem__, 2) == set("bcd")
    assert reached("ab", links.__getitem__, 1) == set("cd")
    assert reached("a", links.__getitem__, 0) == set()


# Names and genes


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("MAPK signaling", "MAPK signalling pathway", True),
        ("Cyclin D associated events in G1", "cyclin D-associated event (G1)", False),
        ("nucleotide-excision repair, DNA incision", "Nucleotide Excision Repair DNA Incision", True),
        ("regulation of apoptosis", "apoptosis", False),
        ("cell cycle", "Cell cycles", True),
        ("Glycolysis (human)", "glycolysis", True),
        ("process", "pathway", False),
    ],
)
def test_names_that_say_the_same(one, other, same):
    assert (name_key(one) == name_key(other)) is same


genes = st.sets(st.sampled_from("ABCDEFGH"), max_size=8)


@given(st.lists(genes, max_size=12), genes, st.sampled_from([0.2, 0.5, 0.6, 0.8, 1.0]))
def test_the_index_finds_what_a_plain_comparison_finds(sets, asked, least):
    plain = [n for n, one in enumerate(sets) if one | asked and len(one & asked) / len(one | asked) >= least - 1e-9]
    assert GeneOverlap(sets, least).alike(asked) == plain


# Leaks


def test_planted_leaks_are_found_and_told(ontology):
    sets = [benchmark("GO:0006915"), benchmark()]
    shown = sorted(all_terms()[TERM].genes)
    child, parent = sorted(ontology.children(TERM))[0], sorted(ontology.parents(TERM))[0]
    regulator = sorted(ontology.children(TERM, regulates=True) - ontology.children(TERM))[0]
    clean = next(
        term for term, one in sorted(all_terms().items())
        if term.startswith("WP") and not GeneOverlap([s.genes for s in sets]).alike(one.genes)
    )  # fmt: skip
    planted = {
        "id": row([TERM]),
        "name": row(completion="Process: DNA Methylation pathway (0.9)\n"),
        "child": row([child]),
        "parent": row([parent]),
        "regulator": row([regulator]),
        "genes": row(genes=shown[: -len(shown) // 10]),
        "clean": row([clean], ["TP53"], "Process: something that no benchmark asks (1.00)"),
    }
    rules = {what: {leak.rule for leak in instructions.leaks([one], sets)} for what, one in planted.items()}
    assert "id" in rules["id"]
    assert rules["name"] == {"name"}
    assert "relation" in rules["child"] & rules["parent"] & rules["regulator"]
    assert rules["genes"] == {"genes"}
    assert rules["clean"] == set()
    (leak,) = instructions.leaks([planted["name"]], sets)
    assert str(leak) == f"planted: {leak.what} has the name of {TERM} (made-up)"
    steps = [{leak.rule for leak in instructions.leaks([planted["parent"]], sets[1:], n)} for n in (0, 1)]
    assert "relation" not in steps[0]
    assert "relation" in steps[1]


def test_rows_that_leave_nothing_out_leak_and_rows_that_do_not(tmp_path):
    draw, terms = random.Random(1), all_terms()
    chosen = draw.sample(sorted(term for term in terms if len(terms[term].genes) < 60), 100)
    sets = [benchmark(term) for term in chosen]
    path = tmp_path / "terms.gmt"
    path.write_text("".join(f"{one.id}\t{one.name}\t" + "\t".join(one.genes) + "\n" for one in sets))
    careless = list(instructions.build("train", exclude=("none",), limit=800))
    rules = Counter(leak.rule for leak in instructions.leaks(careless, sets))
    assert set(rules) == {"id", "name", "relation", "genes"}
    careful = list(instructions.build("train", exclude=(str(path),), limit=800))
    assert instructions.leaks(careful, sets) == []


# Benchmarks


def test_without_the_data_folder_nothing_is_trained_unless_that_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv("COUNTERPOISE_DATA", raising=False)
    with pytest.raises(UserError, match=r"gene-sets-go cannot be kept out .* no data folder is given .*exclude=none"):
        instructions.build("train")
    with pytest.raises(UserError, match=r"go_1000\.jsonl is not there; .*exclude=none"):
        instructions.build("train", data_dir=tmp_path)
    assert instructions.benchmark_sets(("none",)) == []


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (("gene-sets-goo",), r"'gene-sets-goo' \(did you mean 'gene-sets-go'\?\), which is neither a file nor one of"),
        (("none", "gene-sets-go"), r"exclude is none\+gene-sets-go; expected 'none' alone"),
        ((), "exclude is empty"),
    ],
)
def test_what_cannot_be_excluded(names, says):
    with pytest.raises(UserError, match=says):
        instructions.benchmark_sets(names)


def test_a_list_of_ids_is_a_benchmark_too(tmp_path, ontology):
    path = tmp_path / "held_out.txt"
    path.write_text(f"{TERM}\n\nGO:9999999\n")
    sets = instructions.benchmark_sets((str(path),))
    assert [one.id for one in sets] == [TERM, "GO:9999999"]  # an id of another release is no error
    assert TERM in instructions.excluded_terms(all_terms(), sets, ontology).by_rule["id"]
    path.write_text(f"{TERM}\nspindle\n")
    with pytest.raises(UserError, match=r"held_out\.txt, line 2: 'spindle' is no GO id"):
        instructions.benchmark_sets((str(path),))


def test_benchmarks_are_read_from_the_data_folder_with_today_s_symbols(tmp_path):
    (tmp_path / "hu2025").mkdir()
    file = tmp_path / "hu2025" / "go_1000_sets.csv"
    file.write_text("go_id,term,n_genes,genes\nGO:0006306,spindle checkpoint,3,MAD2L1 SEPT7 NOTAGENE\n")
    (found,) = instructions.benchmark_sets(("gene-sets-hu",), tmp_path)
    assert found == GeneSet(TERM, ("MAD2L1", "SEPTIN7", "NOTAGENE"), "spindle checkpoint", "gene-sets-hu")
    file.write_text("go_id,n_genes,genes\nGO:0007094,3,MAD2L1\n")
    with pytest.raises(UserError, match=r"go_1000_sets\.csv, line 2: expected the columns id, name and genes"):
        instructions.benchmark_sets(("gene-sets-hu",), tmp_path)


def test_the_files_are_those_of_the_tasks():
    for name, file in instructions.BENCHMARKS.items():
        task = ROOT / "src" / "counterpoise" / "evaluation" / "tasks" / f"{name}.yaml"
        assert yaml.safe_load(task.read_text())["data"]["test"]["file"] == file


# The real ones


@pytest.fixture(scope="module")
def shared():
    folder = Path(os.environ.get("COUNTERPOISE_DATA", ROOT.parent / "shared" / "data"))
    if not all((folder / file).is_file() for file in instructions.BENCHMARKS.values()):
        pytest.skip(f"the gene-set benchmarks (geneagent/, hu2025/) are not in {folder}")
    return folder


@pytest.fixture(scope="module")
def real(shared):
    return {split: instructions.build(split, data_dir=shared) for split in ("train", "dev", "test")}


@pytest.mark.slow
@pytest.mark.shared
def test_no_row_leaks_the_real_benchmarks(shared, real):
    sets = instructions.benchmark_sets(data_dir=shared)
    assert len(sets) == 2106
    for split, found in real.items():
        rows = list(found)
        assert instructions.leaks(rows, sets) == []
        assert len(rows) > {"train": 25_000, "dev": 200, "test": 300}[split]


@pytest.mark.shared
def test_how_much_is_left_beside_the_real_benchmarks(real):
    material = real["train"].material
    assert material.exclusion.counts()["id"] == 1810
    assert {split: len(found.material.terms) for split, found in real.items()} == {
        "train": 2582, "dev": 339, "test": 325,
    }  # fmt: skip


@pytest.mark.shared
def test_the_published_answers_are_found_if_planted(shared):
    sets = instructions.benchmark_sets(data_dir=shared)
    answers = [
        row(name=one.id, genes=one.genes, completion=f"Process: {one.name} (1.00)\nAll of them.") for one in sets[::20]
    ]
    rules = Counter((leak.row, leak.rule) for leak in instructions.leaks(answers, sets))
    assert rules == {(one.id, rule): 1 for one in answers for rule in ("name", "genes")}
