"""Rows about gene sets: name one, tell how sure, decline one that shares nothing, find the gene that does not belong.

Each function takes the facts, the key of the row (a term's id, or a number) and a random generator, and returns a
`Draft`, or None where the facts do not give one.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from counterpoise.biology.naming.parsing import UNRELATED

from .material import LEAST, Material
from .wording import ODD, by_evidence, evidence_words, first_line, naming_prompt

MOST_SHOWN = 40
"""Genes of the largest set that is shown."""
MOST_STRAY = 0.3
"""Largest share of strays in a set of kind naming; those of kind contaminated have half."""


class Draft(NamedTuple):
    """What a row will say: see `row.Row`."""

    prompt: str
    completion: str
    terms: tuple[str, ...]
    genes: tuple[str, ...]


def naming(material: Material, key: str, draw: Random) -> Draft | None:
    """Name a set of which most genes, often all, are in one term; confidence is their share."""
    share = 0.0 if draw.random() < 0.5 else draw.uniform(0, MOST_STRAY)
    members = material.members(key)
    size = draw.randint(LEAST, min(MOST_SHOWN, len(members)))
    strays = min(round(size * share / (1 - share)), MOST_SHOWN - size)
    return _named(material, key, draw.sample(members, size), strays, draw)


def contaminated(material: Material, key: str, draw: Random) -> Draft | None:
    """Name a set of which half of the genes are in one term and half are strange to it."""
    members = material.members(key)
    size = draw.randint(LEAST, min(MOST_SHOWN // 2, len(members)))
    return _named(material, key, draw.sample(members, size), size, draw)


def _named(material: Material, term: str, shown: list[str], strays: int, draw: Random) -> Draft | None:
    stray = strangers(material, term, strays, draw)
    if len(stray) < strays:
        return None
    genes = [*shown, *stray]
    draw.shuffle(genes)
    belong = [gene for gene in genes if gene in set(shown)]
    name = material.name(term)
    lines = [first_line(name, len(belong) / len(genes))]
    of = f"{len(belong)} of the {len(genes)} genes" if stray else f"All {len(genes)} genes"
    if material.terms[term].source == "go-bp":
        lines.append(f"{of} are annotated to {name}.")
        lines += by_evidence({gene: evidence_words(material.evidence(gene, term)) for gene in belong})
    else:
        lines.append(f"{of} are part of this pathway: {', '.join(belong)}.")
    if stray:
        lines.append(f"Not known to take part: {', '.join(gene for gene in genes if gene not in belong)}.")
    return Draft(naming_prompt(genes, draw), "\n".join(lines), (term,), tuple(genes))


def unrelated(material: Material, _key: str, draw: Random) -> Draft | None:
    """Decline a set of random genes: no term, excluded or not, holds more than a quarter of them (three: one)."""
    size = draw.randint(LEAST, MOST_SHOWN)
    genes, held = list[str](), Counter[str]()
    most = max(1, size // 4)
    for gene in draw.sample(material.genes, min(len(material.genes), 20 * size)):
        if len(genes) < size and all(held[term] < most for term in material.known_of[gene]):
            genes.append(gene)
            held.update(material.known_of[gene])
    if len(genes) < size:
        return None
    shared = max(held.values())
    told, terms = _told_apart(material, genes, draw)
    what = f"more than {shared} of these {size} genes share" if shared > 1 else "two of these genes share"
    lines = [first_line(UNRELATED, 0.0), f"No {what} a process or pathway of up to 500 genes.", *told]
    return Draft(naming_prompt(genes, draw), "\n".join(lines), terms, tuple(genes))


def _told_apart(material: Material, genes: Sequence[str], draw: Random) -> tuple[list[str], tuple[str, ...]]:
    """Say of up to three genes what they do."""
    known = [gene for gene in genes if material.processes_of(gene)][:3]
    terms = [draw.choice(material.most_specific(gene)) for gene in known]
    said = "; ".join(f"{gene} takes part in {material.name(term)}" for gene, term in zip(known, terms, strict=True))
    return [f"{said}."] if said else [], tuple(dict.fromkeys(terms))


def odd(material: Material, key: str, draw: Random) -> Draft | None:
    """Find the one gene of a set that is strange to the process of the others."""
    known = [gene for gene in draw.sample(material.genes, min(len(material.genes), 20)) if material.processes_of(gene)]
    stray = [gene for gene in known if material.is_strange_to(gene, key)][:1]
    if not stray:
        return None
    members = material.members(key)
    belong = draw.sample(members, draw.randint(LEAST, min(7, len(members))))
    genes = [*belong, *stray]
    draw.shuffle(genes)
    term = material.terms[key]
    others = ", ".join(gene for gene in genes if gene not in stray)
    apart = [one for one in material.most_specific(stray[0]) if material.terms[one].genes.isdisjoint(belong)]
    if not apart:
        return None
    own = draw.choice(apart)
    how = evidence_words(material.evidence(stray[0], own))
    verb = "are annotated to" if term.source == "go-bp" else "are part of the pathway"
    completion = (
        f"{stray[0]} does not belong.\nThe others, {others}, {verb} {term.name}. {stray[0]} is not; it is annotated to "
        f"{material.name(own)}, by {how}."
    )
    prompt = draw.choice(ODD).format(genes=", ".join(genes))
    return Draft(prompt, completion, (key, own), tuple(genes))


def strangers(material: Material, term: str, count: int, draw: Random) -> list[str]:
    """Return ``count`` random genes of the split that nothing known links to a term; fewer where they are hard to find.

    Genes come as often as any other, but for those linked to the term, so that a stray cannot be told by how much is
    known of it.
    """
    pool = draw.sample(material.genes, min(len(material.genes), 20 * count))
    found: list[str] = []
    for gene in pool:
        if len(found) == count:
            break
        if material.is_strange_to(gene, term):
            found.append(gene)
    return found
