"""The embedded facts hold together, the split leaks no gene, and the build script gives the same tables again."""

import gzip
import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

from counterpoise.data import facts
from counterpoise.data.facts.ontology import ancestors_of
from counterpoise.errors import UserError

ROOT = Path(__file__).parents[2]
TABLES = ("demo_genes", "gene_process_facts", "genes", "process_parents", "processes")


@pytest.fixture(scope="module")
def shared() -> Path:
    folder = Path(os.environ.get("COUNTERPOISE_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "go" / "go_edges.tsv.gz").is_file() or not (folder / "hgnc" / "hgnc.tsv.gz").is_file():
        pytest.skip(f"the Gene Ontology and HGNC exports (go/, hgnc/) are not in {folder}")
    return folder


@pytest.fixture(scope="module")
def build_facts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_facts", ROOT / "tools" / "build_facts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def genes_of(rows: list[dict[str, str]]) -> set[str]:
    return {symbol for row in rows for symbol in row["id"].split("/")[1].split("+")}


def test_sizes() -> None:
    known = facts.load()
    assert len(known.genes) == 11_641
    assert len(known.demo_processes) == 116
    assert {split: len(known.symbols(split)) for split in facts.SPLITS} == {"train": 4795, "dev": 300, "test": 500}


def test_tables_stay_small() -> None:
    folder = ROOT / "src" / "counterpoise" / "data" / "facts"
    assert sum(path.stat().st_size for path in folder.glob("*.gz")) < 2_000_000


def test_every_demo_process_has_30_to_160_genes_and_a_definition() -> None:
    known = facts.load()
    sizes = dict.fromkeys(known.demo_processes, 0)
    for go_ids in known.experimental.values():
        for go_id in go_ids:
            sizes[go_id] += 1
    assert min(sizes.values()) >= 30
    assert max(sizes.values()) <= 160
    assert all(process.definition and process.name for process in known.demo_processes.values())
    assert len({process.name for process in known.demo_processes.values()}) == 116


def test_demo_processes_overlap_weakly_and_none_lies_above_another() -> None:
    known = facts.load()
    members: dict[str, set[str]] = {go_id: set() for go_id in known.demo_processes}
    for symbol, go_ids in known.experimental.items():
        for go_id in go_ids:
            members[go_id].add(symbol)
    for a in members:
        for b in members:
            if a < b:
                assert len(members[a] & members[b]) <= 0.25 * min(len(members[a]), len(members[b])), (a, b)
    # A term above another holds all of its genes, which the bound above already rules out.


def test_any_evidence_contains_what_is_known() -> None:
    known = facts.load()
    assert known.experimental.keys() == known.any_evidence.keys()
    for symbol, go_ids in known.experimental.items():
        assert go_ids
        assert known.any_evidence[symbol] >= set(go_ids)
        assert known.any_evidence[symbol] <= known.demo_processes.keys()


def test_demo_table_agrees_with_the_propagated_facts() -> None:
    known = facts.load()
    seen: dict[str, list[str]] = {}
    for fact in facts.all_facts():
        assert facts.EXPERIMENTAL.issuperset(fact.evidence)
        if fact.go_id in known.demo_processes:
            seen.setdefault(fact.symbol, []).append(fact.go_id)
    assert {symbol: tuple(go_ids) for symbol, go_ids in seen.items()} == known.experimental


def test_genes_that_are_only_direct_are_a_part_of_all() -> None:
    direct = {(fact.symbol, fact.go_id) for fact in facts.all_facts(propagated=False)}
    again = {(fact.symbol, fact.go_id) for fact in facts.all_facts() if fact.direct}
    assert direct == again
    assert len(direct) == 57_044


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_training_rows_name_no_held_out_gene(seed: int) -> None:
    known = facts.load()
    rows = facts.training_records(gene_sets=400, seed=seed)
    assert {known.genes[symbol].split for symbol in genes_of(rows)} == {"train"}
    held_out = [gene.symbol for gene in known.genes.values() if gene.split != "train"]
    words = {word.strip("(),?") for row in rows if "+" in row["id"] for word in row["prompt"].split()}
    assert words.isdisjoint(held_out)


def test_splits_share_no_gene_through_their_rows() -> None:
    genes = {split: genes_of(facts.training_records(split, gene_sets=20)) for split in facts.SPLITS}
    assert genes["train"].isdisjoint(genes["dev"])
    assert genes["train"].isdisjoint(genes["test"])
    assert genes["dev"].isdisjoint(genes["test"])


def test_training_rows_are_true_distinct_and_repeatable() -> None:
    known = facts.load()
    rows = facts.training_records(gene_sets=200, seed=3)
    assert len(rows) == 6962 + 200
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        _, symbols, go_id = row["id"].split("/")
        assert row["completion"] == known.demo_processes[go_id].name
        for symbol in symbols.split("+"):
            assert go_id in known.experimental[symbol]
            assert symbol in row["prompt"]
    assert rows == facts.training_records(gene_sets=200, seed=3)
    assert rows != facts.training_records(gene_sets=200, seed=4)
    assert rows[:100] == facts.training_records(gene_sets=200, seed=3, limit=100)


def test_the_smallest_split_has_gene_sets_enough() -> None:
    sets = [row for row in facts.training_records("dev", gene_sets=5000) if "+" in row["id"]]
    different = {(frozenset(row["id"].split("/")[1].split("+")), row["completion"]) for row in sets}
    assert len(sets) == len(different) == 5000


def test_gene_sets_have_three_to_eight_different_genes() -> None:
    sets = [row["id"].split("/")[1].split("+") for row in facts.training_records() if "+" in row["id"]]
    assert len(sets) == 200
    assert all(3 <= len(set(symbols)) == len(symbols) <= 8 for symbols in sets)


def test_templates() -> None:
    gene = facts.load().genes["KRT5"]
    assert facts.prompt(gene) == "Which biological process is human gene KRT5 (keratin 5) part of?"
    assert facts.prior_prompt() == "Which biological process is this human gene part of?"
    one = {row["prompt"].split()[0] for row in facts.training_records(gene_sets=0)}
    four = {row["prompt"].split()[0] for row in facts.training_records(gene_sets=0, templates=4)}
    assert one == {"Which"}
    assert four == {"Which", "Name", "In", "What"}


def test_named_facts_are_what_the_rows_told() -> None:
    rows = facts.training_records(gene_sets=50, limit=300)
    triples = facts.named_facts(rows)
    assert len(triples) == sum(len(row["id"].split("+")) for row in rows)
    assert all((name == "") or name in facts.load().genes[symbol].name for symbol, name, _ in triples)
    with pytest.raises(ValueError, match="names no embedded genes"):
        facts.named_facts([{"id": "row-1", "prompt": "", "completion": ""}])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"split": "validation"}, "expected one of train, dev, test"),
        ({"templates": 9}, "from 1 to 4"),
        ({"limit": 0}, "limit is 0"),
        ({"gene_sets": 5001}, "from 0 to 5,000"),
    ],
)
def test_bad_arguments_are_the_users_to_mend(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        facts.training_records(**arguments)  # type: ignore[arg-type]


def test_a_header_of_another_version_is_refused() -> None:
    from counterpoise.data.facts.tables import rows

    with pytest.raises(ValueError, match="Rebuild the tables"):
        next(rows("genes.tsv.gz", "symbol", "name"))


def test_ancestors_through_a_diamond() -> None:
    up = ancestors_of({"d": ["b", "c"], "b": ["a"], "c": ["a"]})
    assert up("d") == {"a", "b", "c", "d"}
    assert up("a") == {"a"}


def test_split_of_a_gene_depends_on_its_symbol_alone(build_facts: ModuleType) -> None:
    symbols = sorted(facts.load().experimental)
    split = build_facts.split_genes(symbols)
    assert build_facts.split_genes(reversed(symbols)) == split
    assert all(facts.load().genes[symbol].split == split.get(symbol, "train") for symbol in symbols)


@pytest.mark.shared
def test_rebuild_gives_the_embedded_tables(shared: Path, build_facts: ModuleType, tmp_path: Path) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    for folder in (once, twice):
        folder.mkdir()
        build_facts.build(shared, folder)
    for table in TABLES:
        name = f"{table}.tsv.gz"
        assert (once / name).read_bytes() == (twice / name).read_bytes(), name
        # Against the committed file the text is compared: another zlib may pack the same text into other bytes.
        embedded = ROOT / "src" / "counterpoise" / "data" / "facts" / name
        assert gzip.decompress((once / name).read_bytes()) == gzip.decompress(embedded.read_bytes()), name
