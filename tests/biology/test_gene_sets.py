"""Gene set files of every kind give the same sets, and a broken one says where it is broken."""

import gzip
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.biology.gene_set_anndata import anndata_sets
from counterpoise.biology.gene_sets import GeneSet, check_set, read_gene_sets, write_gmt
from counterpoise.errors import UserError

ROOT = Path(__file__).parents[2]
TWO = [
    GeneSet("S1", ("BAX", "BAK1"), "apoptosis", "sets"),
    GeneSet("S2", ("TP53", "MDM2", "CDKN1A"), "", "sets"),
]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sets.gmt", "S1\tapoptosis\tBAX\tBAK1\n\nS2\thttps://example.org/S2\tTP53\tMDM2\tCDKN1A\t\t\n"),
        ("sets.gmt", "\ufeffS1\tapoptosis\tBAX,1.0\tBAK1,0.5\r\nS2\tna\tTP53\tMDM2\tCDKN1A\r\n"),
        ("sets.csv", 'id,name,genes\nS1,apoptosis,"BAX, BAK1"\nS2,,TP53;MDM2|CDKN1A\n'),
        ("sets.csv", "Gene,Set,Description\nBAX,S1,apoptosis\nTP53,S2,\nBAK1,S1,apoptosis\nMDM2,S2,\nCDKN1A,S2,\n"),
        ("sets.tsv", "cluster\ttitle\tGene Symbol\nS1\tapoptosis\tBAX BAK1\nS2\t\tTP53 MDM2 CDKN1A\n"),
        (
            "sets.jsonl",
            '{"id": "S1", "name": "apoptosis", "genes": ["BAX", "BAK1"]}\n{"id": "S2", "genes": "TP53 MDM2 CDKN1A"}\n',
        ),
        ("sets.json", json.dumps([{"id": s.id, "name": s.name, "genes": s.genes} for s in TWO])),
    ],
)
def test_every_kind_of_file_gives_the_same_sets(tmp_path: Path, name: str, text: str) -> None:
    assert read_gene_sets(write(tmp_path, name, text)) == TWO


def test_compressed_files(tmp_path: Path) -> None:
    write_gmt(tmp_path / "sets.gmt", TWO)
    packed = tmp_path / "sets.gmt.gz"
    packed.write_bytes(gzip.compress((tmp_path / "sets.gmt").read_bytes()))
    assert read_gene_sets(packed) == TWO
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"sets.gmt.gz: not a complete gzip file"):
        read_gene_sets(packed)


def test_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {"set": ["S1", "S2"], "name": ["apoptosis", None], "genes": [list(each.genes) for each in TWO]}
    pq.write_table(pa.table(table), tmp_path / "sets.parquet")
    assert read_gene_sets(tmp_path / "sets.parquet") == TWO


def test_text_with_a_name_a_line_is_one_set(tmp_path: Path) -> None:
    path = write(tmp_path, "markers.txt", "# from the screen\nTP53\n\nMDM2  # twice\n NA\n")
    assert read_gene_sets(path) == [GeneSet("markers", ("TP53", "MDM2", "NA"), "", "markers")]


def test_text_with_one_line_is_one_set(tmp_path: Path) -> None:
    assert read_gene_sets(write(tmp_path, "a.txt", "TP53, MDM2 CDKN1A\n")) == [
        GeneSet("a", ("TP53", "MDM2", "CDKN1A"), "", "a")
    ]


def test_text_with_several_names_a_line_is_a_set_a_line(tmp_path: Path) -> None:
    found = read_gene_sets(write(tmp_path, "a.txt", "TP53 MDM2\n\nBAX\n"))
    assert [(each.id, each.genes) for each in found] == [("a:1", ("TP53", "MDM2")), ("a:3", ("BAX",))]


def test_a_table_of_genes_without_sets_is_one_set(tmp_path: Path) -> None:
    path = write(tmp_path, "up.csv", "symbol,logfc,name\nTP53,2.1,tumor protein p53\n007,1.0,\nNA,0.3,\n")
    assert read_gene_sets(path) == [GeneSet("up", ("TP53", "007", "NA"), "", "up")]


def test_rows_without_ids_are_counted(tmp_path: Path) -> None:
    found = read_gene_sets(write(tmp_path, "a.csv", "genes\nTP53 MDM2\nBAX BAK1\n"))
    assert [(each.id, each.genes) for each in found] == [("a:1", ("TP53", "MDM2")), ("a:2", ("BAX", "BAK1"))]


def test_the_column_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "gene,target\nTP53,MDM2\nBAX,BAK1\n")
    assert read_gene_sets(path)[0].genes == ("TP53", "BAX")
    assert read_gene_sets(path, column="target")[0].genes == ("MDM2", "BAK1")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.gmt", "S1\td\tTP53\nS2 d TP53\n", r"^a.gmt, line 2: 1 field where a .gmt line has at least three"),
        ("a.gmt", "S1\tTP53\n", r"^a.gmt, line 1: 2 fields where"),
        ("a.gmt", "S1\td\tTP53\n\nS1\td\tMDM2\n", r"^a.gmt, line 3: the id 'S1' is already that of line 1"),
        ("a.gmt", "\td\tTP53\n", r"line 1: the first field is empty"),
        ("a.gmt", "S1\td\t\t\n", r"line 1: the set 'S1' has no genes"),
        ("a.gmt", "", r"^a.gmt: there is no gene set in it"),
        ("a.txt", "# nothing\n\n", r"^a.txt: there is no gene set in it"),
        ("a.csv", "", r"^a.csv: there is no gene set in it"),
        ("a.csv", "genes\n", r"^a.csv: there is no gene set in it"),
        ("a.csv", "id,name\n1,x\n", r"^a.csv: no column is called genes, gene, .*it has 'id', 'name'"),
        ("a.csv", "id,genes\nS1,TP53 MDM2\nS1,BAX BAK1\n", r"^a.csv, line 3: the id 'S1' is already that of line 2"),
        ("a.csv", "id,genes\n,TP53 MDM2\n", r"^a.csv, line 2: column 'id' is empty"),
        ("a.csv", "id,genes\nS1\n", r"^a.csv, line 2: has 1 fields where the header has 2"),
        ("a.jsonl", '{"genes": ["TP53"]}\n{"genes": \n', r"^a.jsonl, line 2: not valid JSON"),
        (
            "a.jsonl",
            '{"genes": {"TP53": 1}}\n',
            r"^a.jsonl, line 1: column 'genes' holds something else than gene names",
        ),
        ("a.jsonl", '{"id": "S", "genes": ["A"]}\n{"id": "S", "genes": ["B"]}\n', r"line 2: the id 'S' is already"),
        ("a.xlsx", "x", r"^a.xlsx: unknown kind of gene set file; expected .gmt"),
    ],
)
def test_broken_files_say_where(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_gene_sets(write(tmp_path, name, text))


@pytest.mark.parametrize("name", ["a.gmt", "a.txt", "a.csv"])
def test_other_encodings_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"gene\tx\tTP53\nTNF\xe1\tx\ty\n")
    with pytest.raises(UserError, match=rf"^{name}, line 2: not UTF-8 \(byte 0xe1 at byte 4 of the line\)"):
        read_gene_sets(tmp_path / name)


def test_missing_file_and_column(tmp_path: Path) -> None:
    write(tmp_path, "sets.gmt", "S1\td\tTP53\n")
    with pytest.raises(UserError, match=r"set.gmt: no such file \(did you mean 'sets.gmt'\?\)"):
        read_gene_sets(tmp_path / "set.gmt")
    with pytest.raises(UserError, match=r"a .gmt file has no columns"):
        read_gene_sets(tmp_path / "sets.gmt", column="genes")
    with pytest.raises(
        UserError, match=r"there is no column 'symbl' \(did you mean 'symbol'\?\); it has 'symbol', 'p'"
    ):
        read_gene_sets(write(tmp_path, "a.csv", "symbol,p\nTP53,1\n"), column="symbl")


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\t\r\n,\ufeff"), min_size=1, max_size=8).map(str.strip)
WORDS = FIELD.filter(lambda text: text != "" and text.lower() not in ("na", "n/a", "none", "-") and "://" not in text)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(WORDS, st.tuples(st.lists(WORDS, min_size=1, max_size=5), WORDS), min_size=1, max_size=4))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, sets: dict) -> None:
    path = tmp_path_factory.mktemp("gmt") / "x.gmt"
    written = [GeneSet(key, tuple(genes), name, "x") for key, (genes, name) in sets.items()]
    write_gmt(path, written)
    assert read_gene_sets(path) == written


def test_what_gmt_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gene set 'S': the id, the genes or one of them is empty"):
        write_gmt(tmp_path / "x.gmt", [GeneSet("S", ())])
    with pytest.raises(UserError, match="gene set 'S': a tab or line break"):
        write_gmt(tmp_path / "x.gmt", [GeneSet("S", ("TP53",), "a\tb")])
    assert not (tmp_path / "x.gmt").exists()


def test_sizes_are_checked() -> None:
    with pytest.raises(UserError, match="the gene set is empty"):
        check_set([])
    with pytest.raises(UserError, match="the gene set has 5,000 genes and the limit is 2,000"):
        check_set([str(i) for i in range(5000)])
    assert check_set(["A"])[0].startswith("The set has one gene")
    assert check_set(["A", "B"]) == []
    assert check_set([str(i) for i in range(500)]) == []
    assert "501 genes; above 500" in check_set([str(i) for i in range(501)])[0]
    assert check_set([str(i) for i in range(5000)], limit=5000)[0].startswith("The set has 5,000 genes")


@pytest.fixture
def h5ad(tmp_path: Path) -> Path:
    anndata = pytest.importorskip("anndata")
    import pandas as pd

    def text(*values: str | None) -> pd.Index:  # not pandas' own string type, which not every anndata can write
        return pd.Index(values, dtype=object)

    var = pd.DataFrame(
        {
            "chosen": [True, False, True, False],
            "module": pd.Categorical(text("b", "a", None, "a"), categories=text("a", "b", "unused")),
            "score": [0.1, 0.2, 0.3, 0.4],
            "label": pd.Categorical(text(*"wxyz"), categories=text(*"wxyz")),
            "none": [False] * 4,
        },
        index=text("TP53", "MDM2", "NA", "BAX"),
    )
    obs = pd.DataFrame({"kept": [False, True]}, index=text("CDKN1A", "BAK1"))
    data = anndata.AnnData(X=np.zeros((2, 4), dtype=np.float32), obs=obs, var=var)
    names = np.array([("BAX", "TP53"), ("MDM2", "NA")], dtype=[("T cell", "U8"), ("B cell", "U8")])
    data.uns["rank_genes_groups"] = {"names": names}
    data.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_anndata_columns(h5ad: Path) -> None:
    assert read_gene_sets(h5ad, column="chosen") == [GeneSet("chosen", ("TP53", "NA"), "", "cells")]
    assert [(s.id, s.genes) for s in read_gene_sets(h5ad, column="module")] == [
        ("a", ("MDM2", "BAX")),
        ("b", ("TP53",)),
    ]
    assert read_gene_sets(h5ad, column="kept")[0].genes == ("BAK1",)  # genes as observations
    ranked = read_gene_sets(h5ad, column="rank_genes_groups")
    assert [(s.id, s.genes) for s in ranked] == [("T cell", ("BAX", "MDM2")), ("B cell", ("TP53", "NA"))]
    assert [genes for _, genes, _, _ in anndata_sets(h5ad, "rank_genes_groups", top=1)] == [["BAX"], ["TP53"]]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (None, r"^cells.h5ad: name the column that chooses the genes; it has chosen, module, score, label"),
        (
            "modul",
            r"^cells.h5ad: there is no column 'modul' \(did you mean 'module'\?\); it has .*kept, rank_genes_groups",
        ),
        ("score", r"\.var\['score'\] has 4 values for 4 genes; expected true and false, or the names of groups"),
        ("label", r"\.var\['label'\] has 4 values for 4 genes"),
        ("none", r"\.var\['none'\] is true for no gene"),
    ],
)
def test_anndata_columns_that_are_no_sets(h5ad: Path, column: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_gene_sets(h5ad, column=column)


def test_anndata_broken_or_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a.h5ad", "no such thing")
    pytest.importorskip("anndata")
    with pytest.raises(UserError, match=r"^a.h5ad: not a readable .h5ad file"):
        read_gene_sets(path, column="x")
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(UserError, match=r"needs anndata; pip install 'counterpoise\[biology\]'"):
        read_gene_sets(path, column="x")


@pytest.mark.shared
def test_published_files() -> None:
    folder = Path(os.environ.get("COUNTERPOISE_DATA", ROOT.parent / "shared" / "data"))
    hallmark = folder / "hallmark" / "h.all.v7.0.symbols.gmt"
    if not hallmark.is_file() or not (folder / "geneagent").is_dir():
        pytest.skip(f"hallmark/ and geneagent/ are not in {folder}")
    sets = read_gene_sets(hallmark)
    assert len(sets) == 50
    assert sets[0].id == "HALLMARK_TNFA_SIGNALING_VIA_NFKB"
    assert sets[0].name == ""  # its second field is a link
    assert len(sets[0].genes) == 200
    benchmark = read_gene_sets(folder / "geneagent" / "go_1000.jsonl")
    assert len(benchmark) == 1000
    assert benchmark[0].name
    assert 48.2 < sum(len(each.genes) for each in benchmark) / 1000 < 48.4
