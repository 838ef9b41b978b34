"""The wordings that turn facts into instructions, all in this one place.

A question has several wordings, so that a model is not tied to one; half of the sets are asked about in the very words
of `naming`'s mode ``direct``, which is what models are measured by. The answers to one kind of question have one form,
which `naming.parsing` reads: ``Process: <name> (<confidence>)``, or ``Decision:`` and ``Reason:``.
"""

from collections.abc import Mapping, Sequence
from random import Random

from counterpoise.biology.naming.parsing import UNRELATED
from counterpoise.biology.naming.prompt import direct_prompt

EVIDENCE = {
    "IDA": "direct assay",
    "IMP": "mutant phenotype",
    "IGI": "genetic interaction",
    "IPI": "physical interaction",
    "IEP": "expression pattern",
    "EXP": "experiment",
    "HDA": "high-throughput assay",
    "HMP": "high-throughput mutant phenotype",
    "HGI": "high-throughput genetic interaction",
    "HEP": "high-throughput expression pattern",
    "HTP": "high-throughput experiment",
    "TAS": "a traceable author statement",
    "IC": "a curator's inference",
    "IBA": "descent from an annotated ancestor gene",
    "ISS": "sequence or structural similarity",
    "ISO": "orthology",
    "ISA": "sequence alignment",
    "ISM": "a sequence model",
    "IGC": "genomic context",
    "RCA": "computational analysis",
    "NAS": "an author statement without source",
    "IEA": "electronic annotation",
}
"""Evidence codes of GO in words, the strongest first."""
STRENGTH = {code: rank for rank, code in enumerate(EVIDENCE)}

NAMING = (
    "These human genes were found together: {genes}.\n"
    "Name the biological process or pathway that most of them share. Put it in the first line as "
    "`Process: <name> (<confidence>)`, the confidence being the share of the genes that take part, from 0.00 to 1.00; "
    "then say which genes support the name and on what evidence. If nothing joins them, the first line is "
    "`Process: " + UNRELATED + " (0.00)`.",
    "What do the human genes {genes} do together?\n"
    "First line: `Process: <name> (<confidence>)`, where confidence is the share of genes in that process, or "
    "`Process: " + UNRELATED + " (0.00)` if they share none. After it, a short analysis.",
    "Give this gene set a name: {genes}. Answer with `Process: <name> (<confidence 0.00-1.00>)` and explain it gene by "
    "gene in a few lines. A set without a common process is called " + UNRELATED + " (0.00).",
)
ODD = (
    "All but one of the human genes {genes} take part in one process. Which gene does not belong, and why?",
    "One of these human genes is a stranger to the process that the others share: {genes}. Find it and say why.",
)
PROCESSES = (
    "In which biological processes does the human gene {gene} take part, and what do these belong to?",
    "List biological processes of the human gene {gene} with the evidence, and the wider processes above each.",
)
CLAIM = (
    "Check this claim on the human gene {gene} against its Gene Ontology annotation.\nClaim: {claim}\n"
    'Write two lines, "Decision:" with supported, partly or refuted, and "Reason:" with the annotation that shows it.',
    'Claim: {claim}\nThe gene is {gene}. Write "Decision:" (supported, partly or refuted by what is annotated), and in '
    'a second line "Reason:".',
)
CLAIM_TEXTS = ("{symbol} takes part in {processes}.", "The human gene {symbol} acts in {processes}.")


def naming_prompt(genes: Sequence[str], draw: Random) -> str:
    """Return a question about a set: in half of the draws that of `naming`, else one of ``NAMING``."""
    if draw.random() < 0.5:
        return direct_prompt(genes)
    return draw.choice(NAMING).format(genes=", ".join(genes))


def evidence_words(codes: Sequence[str]) -> str:
    """Return the strongest of some evidence codes in words.

    >>> evidence_words(["IEA", "IMP"])
    'mutant phenotype'
    """
    code = min(codes, key=lambda code: (STRENGTH.get(code, len(STRENGTH)), code))
    return EVIDENCE.get(code, f"evidence of code {code}")


def first_line(name: str, confidence: float) -> str:
    """Return the line that names a set.

    >>> first_line("keratinization", 5 / 6)
    'Process: keratinization (0.83)'
    """
    return f"Process: {name} ({confidence:.2f})"


def by_evidence(words: Mapping[str, str]) -> list[str]:
    """Return a line for each kind of evidence with its genes; ``words`` is gene -> evidence in words, in order.

    >>> by_evidence({"KRT5": "direct assay", "DSP": "direct assay"})
    ['By direct assay: KRT5, DSP.']
    """
    groups: dict[str, list[str]] = {}
    for gene, how in words.items():
        groups.setdefault(how, []).append(gene)
    return [f"By {how}: {', '.join(groups[how])}." for how in sorted(groups, key=_rank)]


def _rank(how: str) -> tuple[int, str]:
    order = list(EVIDENCE.values())
    return (order.index(how) if how in order else len(order), how)
