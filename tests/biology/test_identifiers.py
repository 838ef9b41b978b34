"""Names become approved symbols by one order of precedence, and nothing that was given is lost on the way."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise.biology.gene_names import clean, date_symbols, foreign_species
from counterpoise.biology.identifiers import Gene, GeneTable, load_genes
from counterpoise.errors import UserError

ROOT = Path(__file__).parents[2]
GENES = load_genes()


def gene(symbol: str, previous: tuple[str, ...] = (), aliases: tuple[str, ...] = (), number: int = 0) -> Gene:
    return Gene(symbol, f"{symbol} name", aliases, previous, str(number), "", "", "gene with protein product")


@pytest.fixture(scope="module")
def small() -> GeneTable:
    """Every collision that matters: symbol/previous, previous/alias, alias/alias, case."""
    return GeneTable(
        [
            gene("AAA", number=1),
            gene("BBB", previous=("AAA", "OLD1", "TWICE"), aliases=("SHARED",), number=2),
            gene("CCC", previous=("TWICE",), aliases=("OLD1", "SHARED", "Met2", "own"), number=3),
            gene("MET2", number=4),
            gene("C1orf1", aliases=("OWN",), number=5),
        ]
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AAA", ("AAA",)),  # a symbol in use outranks another gene's old symbol
        ("aaa", ("AAA",)),
        ("OLD1", ("BBB",)),  # an old symbol outranks another gene's alias
        ("TWICE", ("BBB", "CCC")),
        ("SHARED", ("BBB", "CCC")),
        ("Met2", ("MET2",)),  # a symbol in any case outranks another gene's alias as written
        ("own", ("CCC",)),  # as written before any case
        ("OWN", ("C1orf1",)),
        ("Own", ("C1orf1", "CCC")),  # in any case it is not unique
        ("c1ORF1", ("C1orf1",)),
        ("hgnc:4", ("MET2",)),
        ("HGNC:9", ()),
        ("DDD", ()),
    ],
)
def test_precedence(small: GeneTable, name: str, expected: tuple[str, ...]) -> None:
    assert small.candidates(name) == expected


def test_every_approved_symbol_stands_for_itself_in_any_case() -> None:
    assert len(GENES) == 43_837
    for symbol in GENES.genes:
        assert GENES.candidates(symbol) == GENES.candidates(symbol.lower()) == (symbol,)
        assert GENES.candidates(symbol.capitalize()) == (symbol,)


def test_every_identifier_stands_for_its_gene() -> None:
    for symbol, entry in GENES.genes.items():
        assert GENES.candidates(f"HGNC:{entry.hgnc}") == (symbol,)
        if entry.entrez:
            assert GENES.candidates(entry.entrez) == (symbol,)
        if entry.ensembl:
            assert GENES.candidates(f"{entry.ensembl}.12") == GENES.candidates(entry.ensembl.lower()) == (symbol,)


def test_old_symbols_and_aliases_are_found_or_listed() -> None:
    upper = {symbol.upper() for symbol in GENES.genes}
    for symbol, entry in GENES.genes.items():
        for old in entry.previous:
            found = GENES.candidates(old)
            assert found, old
            assert symbol in found or old.upper() in upper, (old, found)
        for alias in entry.aliases:  # a few are numbers, which are taken as Entrez ids, or an id that was withdrawn
            assert GENES.candidates(alias) or alias == "ENSG00000184796", alias


def test_known_names() -> None:
    found = GENES.resolve(
        [
            "TP53",
            " 'p53' ",
            "ENSG00000135679.25",
            "1026",
            7157,
            "1026.0",
            "SEPT7",
            "OCT1",
            "HLA\u2013A",
            "",
            "  ",
            "nonsense",
        ]
    )
    assert found.symbols == ("TP53", "MDM2", "CDKN1A", "SEPTIN7", "HLA-A")
    assert found.given == {
        "TP53": "TP53",
        "MDM2": "ENSG00000135679.25",
        "CDKN1A": "1026",
        "SEPTIN7": "SEPT7",
        "HLA-A": "HLA-A",
    }
    assert found.duplicates == ("p53", "7157", "1026.0")
    assert found.ambiguous == {"OCT1": ("POU2F1", "SLC22A1")}
    assert found.unknown == ("nonsense",)
    assert found.species == ""
    assert GENES.ensembl("TP53") == "ENSG00000141510"
    assert GENES.gene("TP53").locus_type == "gene with protein product"


def test_a_prime_belongs_to_the_name() -> None:
    assert GENES.resolve(["U2A'", "'U2A''", "\u2018TP53\u2019"]).symbols == ("SNRPA1", "TP53")


def test_na_is_text() -> None:
    assert GENES.resolve(["NA"]).symbols == ("XK",)  # an alias of XK, not a missing value


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("1-Mar", "MARCHF1"),
        ("Mar-01", "MARCHF1"),
        ("2-Sep", "SEPTIN2"),
        ("Sep-02", "SEPTIN2"),
        ("2023-09-02", "SEPTIN2"),
        ("2001-03-01 00:00:00", "MARCHF1"),
        ("1-Dec", "DELEC1"),
        ("4-Oct", "POU5F1"),
    ],
)
def test_dates_are_named_as_such(name: str, meant: str) -> None:
    found = GENES.resolve([name])
    assert found.unknown == (name,)
    assert "looks like a date" in found.reasons[name]
    assert meant in found.reasons[name]


@pytest.mark.parametrize("name", ["TP53", "HLA-A", "2023-13-01", "1-Foo", "Mar", "MT-CO1", "NKX2-1"])
def test_other_names_are_no_dates(name: str) -> None:
    assert date_symbols(name) == ()


@pytest.mark.parametrize("name", ["GENE\t", '"GENE"', "\u201cGENE\u201d", " 'GENE' ", "\ufeffGENE"])
def test_quotes_and_white_space_are_stripped(name: str) -> None:
    assert clean(name) == "GENE"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ENSMUSG00000059552", "a mouse gene"),
        ("ENSRNOG00000010756.4", "a rat gene"),
        ("ENSXXXG00000000001", "a non-human gene"),
        ("FBgn0003068", "a fruit fly gene"),
        ("ENST00000269305.9", "transcript id"),
        ("ENSP00000269305", "protein id"),
        ("ENSG00000000000", "that no approved human gene has"),
        ("99999999999", "that no approved human gene has"),
        ("qwerty", "no approved symbol"),
    ],
)
def test_what_is_unknown_says_why(name: str, reason: str) -> None:
    found = GENES.resolve([name])
    assert found.symbols == ()
    assert found.unknown == (name,)
    assert reason in found.reasons[name]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["TP53", "C10orf62", "p53", "brca1", "Oct4", "ENSG00000141510"], ""),
        (["Mdm2", "Cdkn1a"], "2 of 2 names are written as mouse genes are"),
        (["Mdm2", "Met", "Cdkn1a"], "2 of 3 names are written as mouse genes are"),  # Met is some human gene's alias
        (["Mdm2", "CDKN1A"], "mixed species: 1 of 2 names are written as mouse"),
        (["ENSMUSG00000059552"], "1 of 1 names look like identifiers of mouse genes"),
        (["ENSMUSG00000059552", "Mdm2"], "1 of 2 names look like identifiers of mouse genes; 1 of 2"),
        (["ENSMUSG00000059552", "ENSRNOG00000010756"], "mixed species: 1 of 2 names look like identifiers of mouse"),
        (["ENSMUSG00000059552", "ENSG00000141510"], "mixed species: 1 of 2 names look like identifiers of mouse"),
        (["ENSMUSG00000059552", "TP53"], "mixed species: 1 of 2 names"),
    ],
)
def test_species(names: list[str], expected: str) -> None:
    found = GENES.resolve(names).species
    assert found.startswith(expected)
    assert bool(found) == bool(expected)


def test_names_in_mouse_style_are_looked_up() -> None:
    assert GENES.resolve(["Mdm2", "Met", "Cdkn1a"]).symbols == ("MDM2", "MET", "CDKN1A")


def test_foreign_identifiers() -> None:
    assert foreign_species("ENSMUSG00000059552.14") == "mouse"
    assert foreign_species("ENSG00000141510") == ""


def test_full_name_of_something_that_is_no_symbol() -> None:
    with pytest.raises(UserError, match=r"'p53' is no approved human gene symbol \(it stands for TP53\)"):
        GENES.name("p53")
    assert "p53" not in GENES


SYMBOLS = st.sampled_from(sorted(GENES.genes)[::97])
ALIASES = st.sampled_from(sorted({name for entry in GENES.genes.values() for name in entry.aliases})[::53])
ODD = st.sampled_from(["", "  ", "1-Mar", "nonsense", "Trp53", "ENSMUSG00000059552", "7157", "OCT1", "SHARED", "-"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(SYMBOLS, SYMBOLS.map(str.lower), SYMBOLS.map(lambda s: f' "{s}"'), ALIASES, ODD), max_size=30)
)
def test_each_name_given_ends_in_exactly_one_place(names: list[str]) -> None:
    found = GENES.resolve(names)
    kept = [clean(name) for name in names if clean(name)]
    placed = [*found.given.values(), *found.unknown, *found.ambiguous, *found.duplicates]
    assert sorted(placed) == sorted(kept)
    assert tuple(found.given) == found.symbols
    assert all(symbol in GENES for symbol in found.symbols)
    assert len(set(found.symbols)) == len(found.symbols)
    assert set(found.reasons) == set(found.unknown)
    order = [kept.index(name) for name in found.given.values()]
    assert order == sorted(order)  # first mention
    again = GENES.resolve(found.symbols)
    assert again.symbols == found.symbols
    assert [again.unknown, again.ambiguous, again.duplicates, again.species] == [(), {}, (), ""]


@pytest.mark.shared
def test_published_gene_sets_are_recognised() -> None:
    folder = Path(os.environ.get("COUNTERPOISE_DATA", ROOT.parent / "shared" / "data")) / "geneagent"
    if not folder.is_dir():
        pytest.skip(f"the GeneAgent sets are not in {folder.parent}")
    for name, n, floor in (("go_1000", 10_770, 0.998), ("nest_50", 492, 1.0), ("msigdb_56", 4_048, 0.999)):
        sets = map(json.loads, (folder / f"{name}.jsonl").read_text().splitlines())
        symbols = list(dict.fromkeys(symbol for row in sets for symbol in row["genes"]))
        found = GENES.resolve(symbols)
        share = 1 - (len(found.unknown) + len(found.ambiguous)) / len(symbols)
        print(f"{name}: {share:.2%} of {len(symbols):,} symbols recognised; not {found.unknown}, {found.ambiguous}")
        assert len(symbols) == n
        assert share >= floor
        assert found.species == ""
