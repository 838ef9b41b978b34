"""Rows about one gene: what it takes part in and what that belongs to, and whether a claim on it holds.

Functions are as in `set_rows`; the key is a gene's symbol.
"""

from random import Random

from counterpoise.biology.identifiers import load_genes

from .material import Material
from .set_rows import Draft
from .wording import CLAIM, CLAIM_TEXTS, PROCESSES, evidence_words

MOST_PROCESSES = 3


def processes(material: Material, key: str, draw: Random) -> Draft | None:
    """List up to three processes of a gene, each with its evidence and the wider processes above it."""
    held = material.most_specific(key)
    chosen = sorted(draw.sample(held, min(MOST_PROCESSES, len(held))))
    lines, terms = [], list[str]()
    for term in chosen:
        above = material.chain(term)
        chain = ", and that to ".join(material.name(up) for up in above)
        wider = f" It belongs to {chain}." if chain else ""
        lines.append(f"{_capital(material.name(term))}, by {evidence_words(material.evidence(key, term))}.{wider}")
        terms += [term, *above]
    if not lines:
        return None
    prompt = draw.choice(PROCESSES).format(gene=_full(key))
    return Draft(prompt, "\n".join(lines), tuple(dict.fromkeys(terms)), (key,))


def claim(material: Material, key: str, draw: Random) -> Draft | None:
    """Decide a claim of one or two processes: about a third each supported, partly supported and refuted.

    How many processes a claim names does not tell the decision, and false ones are drawn from what other genes do, so
    that their names do not tell it either. Annotations of every evidence count; the reason tells which it is.
    """
    decision = draw.choice(("supported", "partly", "refuted"))
    known = material.processes_of(key)
    count = draw.choice((1, 2))
    if decision == "partly" and count == 1:
        return _broader(material, key, draw)
    true = {"supported": count, "partly": 1, "refuted": 0}[decision]
    false = _foreign(material, key, count - true, draw)
    if len(known) < true or len(false) < count - true:
        return None
    held = draw.sample(known, true)
    named = [*held, *false]
    draw.shuffle(named)
    reasons = [f"{key} is annotated to {_how(material, key, term)}." for term in held]
    if false:
        subject = "It" if held else key
        reasons.append(f"{subject} is not annotated to {_joined(material, false, ' or ')}, nor to anything near it.")
    if not held:
        held = [draw.choice(material.most_specific(key))]
        reasons.append(f"It is annotated to {_how(material, key, held[0])}.")
    return _claim_row(material, key, decision, named, reasons, [*held, *false], draw)


def _broader(material: Material, key: str, draw: Random) -> Draft | None:
    """A claim of a narrower process than the one that the gene is annotated to."""
    known = {term for term, _ in material.ontology.of_gene(key)}
    linked = known.union(*(material.ontology.ancestors(term, regulates=True) for term in known))
    held = material.processes_of(key)
    for term in draw.sample(held, len(held)):
        below = material.ontology.descendants(term) & material.terms.keys()
        narrower = sorted(below - linked)
        if narrower:
            claimed = draw.choice(narrower)
            reasons = [
                f"{key} is annotated to {_how(material, key, term)}, which {material.name(claimed)} belongs to, but "
                "not to that narrower process itself."
            ]
            return _claim_row(material, key, "partly", [claimed], reasons, [claimed, term], draw)
    return None


def _claim_row(
    material: Material, key: str, decision: str, named: list[str], reasons: list[str], terms: list[str], draw: Random
) -> Draft:
    said = draw.choice(CLAIM_TEXTS).format(symbol=key, processes=_joined(material, named, " and in "))
    prompt = draw.choice(CLAIM).format(gene=_full(key), claim=said)
    return Draft(prompt, f"Decision: {decision}\nReason: {' '.join(reasons)}", tuple(dict.fromkeys(terms)), (key,))


def _foreign(material: Material, key: str, count: int, draw: Random) -> list[str]:
    """Return ``count`` processes of other genes that nothing known links to this one; fewer where none is found."""
    found: list[str] = []
    for _ in range(50 * count):
        others = material.processes_of(draw.choice(material.genes))
        term = draw.choice(others) if others and len(found) < count else ""
        if term and term not in found and material.is_strange_to(key, term):
            found.append(term)
    return found


def _how(material: Material, gene: str, term: str) -> str:
    return f"{material.name(term)} by {evidence_words(material.evidence(gene, term))}"


def _joined(material: Material, terms: list[str], word: str) -> str:
    return word.join(material.name(term) for term in terms)


def _full(symbol: str) -> str:
    table = load_genes()
    return f"{symbol} ({table.name(symbol)})" if symbol in table else symbol


def _capital(text: str) -> str:
    """Begin a sentence, unless its first word is a name such as mRNA or tRNA."""
    return text[0].upper() + text[1:] if text[:2].islower() and text.split("-")[0].split()[0].islower() else text
