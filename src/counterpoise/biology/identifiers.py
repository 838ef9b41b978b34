"""Approved human gene symbols for whatever a user calls a gene: symbol, old symbol, alias, Ensembl, Entrez, HGNC id.

    genes = load_genes()
    found = genes.resolve(["TP53", "p53", "ENSG00000135679.25", "1026", "SEPT7", "1-Mar", "nonsense"])
    found.symbols                       # ('TP53', 'MDM2', 'CDKN1A', 'SEPTIN7')
    found.duplicates                    # ('p53',)
    found.unknown, found.reasons        # ('1-Mar', 'nonsense'), {'1-Mar': 'looks like a date ...', ...}

A name is looked up as an approved symbol (as written, then in any case), then as a previous symbol, then as an alias,
both as written, then as both in any case. The first that knows the name decides. A name that stands for several genes
there is listed with its candidates, never guessed. That "Met" is MET, and not SLTM whose alias Met is, comes from the
symbol's precedence in any case: it is how mouse genes, and many human ones in running text, are written.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from counterpoise.biology.gene_names import (
    ENSEMBL,
    ENTREZ,
    HGNC,
    clean,
    date_symbols,
    foreign_species,
    species_note,
    transcript_of,
)
from counterpoise.biology.tables import rows
from counterpoise.errors import UserError

Index = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Gene:
    """An approved HGNC entry. Identifiers are strings; empty where HGNC has none.

    Attributes:
        aliases: other names in use. Not unique.
        previous: symbols that were approved once. Not unique.
        entrez: NCBI Gene id, such as ``"7157"``.
        ensembl: Ensembl gene id without version, such as ``"ENSG00000141510"``.
        locus_type: HGNC's, such as ``"gene with protein product"`` or ``"pseudogene"``.
    """

    symbol: str
    name: str
    aliases: tuple[str, ...]
    previous: tuple[str, ...]
    hgnc: str
    entrez: str
    ensembl: str
    locus_type: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the names of a gene set stand for.

    Attributes:
        symbols: approved symbols in the order of their first mention, without duplicates.
        given: symbol -> the name by which the user first gave it.
        unknown: names that stand for no human gene, as written, without duplicates.
        ambiguous: name -> the symbols that it may stand for, sorted. None of them is taken.
        duplicates: later names of a gene, or of an unknown, that had been given before; a name as often as it recurs.
        species: "", or a sentence if names look like those of another species, or of several.
        reasons: for each unknown name why it was not recognised, a part of a sentence.
    """

    symbols: tuple[str, ...]
    given: Mapping[str, str]
    unknown: tuple[str, ...] = ()
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    duplicates: tuple[str, ...] = ()
    species: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)


class GeneTable:
    """All approved human genes, by every name and identifier. `load_genes` makes the one over the embedded table."""

    def __init__(self, genes: Iterable[Gene]) -> None:
        self.genes: dict[str, Gene] = {gene.symbol: gene for gene in genes}
        every = self.genes.values()
        self._by_id = {
            **{gene.entrez: gene.symbol for gene in every if gene.entrez},
            **{gene.ensembl: gene.symbol for gene in every if gene.ensembl},
            **{f"HGNC:{gene.hgnc}": gene.symbol for gene in every},
        }
        symbols = _index((gene.symbol, gene.symbol) for gene in every)
        previous = _index((name, gene.symbol) for gene in every for name in gene.previous)
        aliases = _index((name, gene.symbol) for gene in every for name in gene.aliases)
        self._as_written = (symbols, previous, aliases)
        self._in_order = (
            (symbols, False),
            (_folded(symbols), True),
            (previous, False),
            (aliases, False),
            (_folded(previous), True),
            (_folded(aliases), True),
        )

    def __contains__(self, symbol: object) -> bool:
        """Say whether ``symbol`` is an approved symbol, exactly as written."""
        return symbol in self.genes

    def __len__(self) -> int:
        return len(self.genes)

    def gene(self, symbol: str) -> Gene:
        """Return the entry of an approved symbol. Raises `UserError` for any other name."""
        try:
            return self.genes[symbol]
        except KeyError:
            others = self.candidates(symbol)
            hint = f" (it stands for {', '.join(others)})" if others else ""
            raise UserError(f"{symbol!r} is no approved human gene symbol{hint}; expected one such as TP53") from None

    def name(self, symbol: str) -> str:
        """Return the full name of an approved symbol, such as ``"tumor protein p53"``."""
        return self.gene(symbol).name

    def entrez(self, symbol: str) -> str:
        """Return the NCBI Gene id of an approved symbol, or "" where HGNC has none."""
        return self.gene(symbol).entrez

    def ensembl(self, symbol: str) -> str:
        """Return the Ensembl gene id (no version) of an approved symbol, or "" where HGNC has none."""
        return self.gene(symbol).ensembl

    def candidates(self, name: str) -> tuple[str, ...]:
        """Return the approved symbols that ``name`` may stand for, sorted: none, one, or several if ambiguous.

        >>> load_genes().candidates("OCT1")
        ('POU2F1', 'SLC22A1')
        """
        name = clean(name)
        identifier = _identifier(name)
        if identifier:
            return (self._by_id[identifier],) if identifier in self._by_id else ()
        upper = name.upper()
        for index, folded in self._in_order:
            found = index.get(upper if folded else name)
            if found:
                return found
        return ()

    def resolve(self, names: Iterable[object]) -> Resolution:
        """Resolve the names of a gene set. White space and quotes around a name, and blank names, are left aside.

        Args:
            names: symbols, aliases or identifiers, in any mixture; numbers are taken as Entrez ids.
        """
        given: dict[str, str] = {}
        reasons: dict[str, str] = {}
        ambiguous: dict[str, tuple[str, ...]] = {}
        duplicates: list[str] = []
        written = [name for name in (clean(str(name)) for name in names) if name]
        for name in written:
            found = self.candidates(name)
            if name in reasons or name in ambiguous or (len(found) == 1 and found[0] in given):
                duplicates.append(name)
            elif len(found) == 1:
                given[found[0]] = name
            elif found:
                ambiguous[name] = found
            else:
                reasons[name] = self._reason(name)
        return Resolution(
            symbols=tuple(given),
            given=given,
            unknown=tuple(reasons),
            ambiguous=ambiguous,
            duplicates=tuple(duplicates),
            species=species_note(written, self._is_human),
            reasons=reasons,
        )

    def _is_human(self, name: str) -> bool:
        return any(name in index for index in self._as_written)

    def _reason(self, name: str) -> str:
        species = foreign_species(name)
        if species:
            return f"an identifier of a {species} gene; expected human genes"
        transcript = transcript_of(name)
        if transcript:
            return f"an Ensembl {transcript} id; expected a gene id, which starts with ENSG"
        if _identifier(name):
            return "an identifier that no approved human gene has"
        dates = date_symbols(name)
        if dates:
            likely = dict.fromkeys(symbol for old in dates for symbol in self.candidates(old))
            meant = f" (perhaps {' or '.join(likely)})" if likely else ""
            return f"looks like a date that a spreadsheet made of a gene symbol{meant}"
        return "no approved symbol, previous symbol or alias of a human gene"


@cache
def load_genes() -> GeneTable:
    """Read the embedded HGNC table: 43,837 approved human genes (once; about half a second).

    >>> genes = load_genes()
    >>> genes.name("TP53"), genes.entrez("TP53"), "p53" in genes
    ('tumor protein p53', '7157', False)
    """
    columns = ("symbol", "name", "aliases", "previous", "hgnc", "entrez", "ensembl", "locus_type")
    return GeneTable(
        Gene(symbol, name, _parts(aliases), _parts(previous), hgnc, entrez, ensembl and f"ENSG{ensembl:0>11}", kind)
        for symbol, name, aliases, previous, hgnc, entrez, ensembl, kind in rows("genes.tsv.gz", *columns)
    )


def _identifier(name: str) -> str:
    """Return the key under which an Ensembl, Entrez or HGNC id is kept, or "" if ``name`` is none of them."""
    for pattern, prefix in ((ENSEMBL, ""), (ENTREZ, ""), (HGNC, "HGNC:")):
        match = pattern.fullmatch(name)
        if match:
            return prefix + match[1].upper()
    return ""


def _parts(cell: str) -> tuple[str, ...]:
    return tuple(cell.split("|")) if cell else ()


def _index(pairs: Iterable[tuple[str, str]]) -> Index:
    found: dict[str, set[str]] = defaultdict(set)
    for name, symbol in pairs:
        found[name].add(symbol)
    return {name: tuple(sorted(symbols)) for name, symbols in found.items()}


def _folded(index: Index) -> Index:
    return _index((name.upper(), symbol) for name, symbols in index.items() for symbol in symbols)
