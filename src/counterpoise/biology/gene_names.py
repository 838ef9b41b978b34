"""How gene names look, whatever they stand for: identifiers, other species' genes, spreadsheet dates.

    clean(' "TP53" ')                      # 'TP53'
    date_symbols("2-Sep")                  # ('SEPTIN2', 'SEPT2', 'SEP2')
    foreign_species("ENSMUSG00000059552")  # 'mouse'

Pure functions over strings; `identifiers` knows the genes.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

ENSEMBL = re.compile(r"(ENSG\d{11})(?:\.\d+)?(?:_PAR_Y)?", re.IGNORECASE)
ENTREZ = re.compile(r"(\d+)(?:\.0)?")
"""A number; ``7157.0`` is what a table makes of an Entrez id when the column has a gap."""
HGNC = re.compile(r"HGNC:(\d+)", re.IGNORECASE)

FOREIGN = re.compile(r"ENS([A-Z]{3,4})G\d{11}(?:\.\d+)?", re.IGNORECASE)
SPECIES = {
    "MUS": "mouse",
    "RNO": "rat",
    "DAR": "zebrafish",
    "MMU": "macaque",
    "PTR": "chimpanzee",
    "SSC": "pig",
    "BTA": "cow",
    "CAF": "dog",
    "GAL": "chicken",
    "XET": "frog",
}
OTHER_FOREIGN = {"FBgn": "fruit fly", "WBGene": "nematode"}
TRANSCRIPT = re.compile(r"ENS([TP])\d{11}(?:\.\d+)?", re.IGNORECASE)

MOUSE = re.compile(r"[A-Z][a-z0-9]*[a-z][a-z0-9]*(?:-[A-Za-z0-9]+)?|\d{7}[A-Z]\d\dRik|Gm\d+")
"""Trp53, Cdkn1a, H2-K1, 1700001A01Rik: first letter alone in upper case."""

DATE = re.compile(
    r"(?P<day>\d{1,2})[-/ ](?P<month>[A-Za-z]{3})(?:[-/ ]\d{2,4})?"
    r"|(?P<month2>[A-Za-z]{3})[-/ ](?P<day2>\d{1,2})"
    r"|\d{4}-(?P<month3>\d\d)-(?P<day3>\d\d)(?:[T ]00:00(?::00)?)?"
)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DATE_STEMS = {"MAR": ("MARCHF", "MARCH", "MARC"), "SEP": ("SEPTIN", "SEPT", "SEP")}
"""The gene families that a spreadsheet reads as a month; other months are symbols of their own (DEC1, OCT4)."""

BLANK_OR_QUOTE = ' \t\r\n\u00a0\ufeff"\u201c\u201d'
SINGLE_QUOTES = "'`\u2018\u2019"
DASHES = dict.fromkeys([*range(0x2010, 0x2016), 0x2212], "-")
"""Code points of the typographic dashes and the minus sign, for `str.translate`."""


def clean(name: str) -> str:
    """Strip white space and quotes from around a name, and write every dash as a hyphen.

    A prime at the end belongs to the name (U2A') unless a quote opens it.

    >>> clean(" 'TP53'"), clean("U2A'")
    ('TP53', "U2A'")
    """
    name = name.strip(BLANK_OR_QUOTE)
    if name[:1] in tuple(SINGLE_QUOTES):
        name = name.strip(BLANK_OR_QUOTE + SINGLE_QUOTES)
    return name.translate(DASHES)


def date_symbols(name: str) -> tuple[str, ...]:
    """Return the symbols from which a spreadsheet may have made this date, or nothing if it is none.

    >>> date_symbols("1-Mar")
    ('MARCHF1', 'MARCH1', 'MARC1')
    >>> date_symbols("2023-10-04"), date_symbols("TP53")
    (('OCT4',), ())
    """
    match = DATE.fullmatch(name)
    if not match:
        return ()
    month = match["month"] or match["month2"] or ""
    if match["month3"]:
        number = int(match["month3"])
        month = MONTHS[number - 1] if 1 <= number <= 12 else ""
    if month.upper() not in MONTHS:
        return ()
    day = int(match["day"] or match["day2"] or match["day3"])
    return tuple(f"{stem}{day}" for stem in DATE_STEMS.get(month.upper(), (month.upper(),)))


def foreign_species(name: str) -> str:
    """Return the species of an identifier that is another species' gene ("non-human" if unlisted), or ""."""
    match = FOREIGN.fullmatch(name)
    if match:
        return SPECIES.get(match[1].upper(), "non-human")
    return next((species for prefix, species in OTHER_FOREIGN.items() if re.fullmatch(prefix + r"\d+", name)), "")


def transcript_of(name: str) -> str:
    """Return ``"transcript"`` or ``"protein"`` for such a human Ensembl id, or ""."""
    match = TRANSCRIPT.fullmatch(name)
    return {"T": "transcript", "P": "protein"}[match[1].upper()] if match else ""


def species_note(names: Sequence[str], known: Callable[[str], bool]) -> str:
    """Return a sentence, without its full stop, if names look like another species' genes, or "".

    Names that are human as they stand do not count as mouse (C10orf62, the alias Oct4). The sentence says "mixed
    species" where others are symbols in upper case, or where there are several other species.

    Args:
        names: cleaned names, as given.
        known: whether a name is a human gene's symbol, previous symbol or alias exactly as written.
    """
    foreign = Counter(species for species in map(foreign_species, names) if species)
    styled = [name for name in names if MOUSE.fullmatch(name) and not known(name)]
    parts = [
        f"{count} of {len(names)} names look like identifiers of {species} genes" for species, count in foreign.items()
    ]
    if styled:
        told = f"{len(styled)} of {len(names)} names are written as mouse genes are (such as {styled[0]})"
        parts.append(f"{told} and were looked up as human genes of the same name")
    human = any((name.isupper() and known(name)) or ENSEMBL.fullmatch(name) for name in names)
    mixed = len(foreign) + (bool(styled) and "mouse" not in foreign) + (bool(parts) and human) > 1
    return f"{'mixed species: ' if mixed else ''}{'; '.join(parts)}"
