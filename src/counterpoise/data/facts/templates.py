"""The wordings that turn facts into instructions, all in this one place.

The first of ``SINGLE_GENE`` is the evaluation's; training uses it alone unless told to vary (``training_records``).
The full name always accompanies the symbol: with bare symbols a small model learns the answers' frequencies only.
"""

from collections.abc import Sequence

from .store import Gene

SINGLE_GENE = (
    "Which biological process is human gene {symbol} ({name}) part of?",
    "Name a biological process in which the human gene {symbol} ({name}) takes part.",
    "In which biological process does {symbol}, the human gene for {name}, act?",
    "What is a biological process of the human gene {symbol} ({name})?",
)
NO_GENE = "Which biological process is this human gene part of?"
GENE_SET = "Which biological process do the human genes {symbols} share?"


def prompt(gene: Gene, template: int = 0) -> str:
    """Return the question about one gene; ``template`` is an index into ``SINGLE_GENE``.

    >>> prompt(Gene("KRT5", "keratin 5", "train"))
    'Which biological process is human gene KRT5 (keratin 5) part of?'
    """
    return SINGLE_GENE[template].format(symbol=gene.symbol, name=gene.name)


def prior_prompt() -> str:
    """Return the evaluation's question without the gene: what a model would answer knowing nothing of it."""
    return NO_GENE


def gene_set_prompt(symbols: Sequence[str]) -> str:
    """Return the question about a set of genes, in the order given.

    >>> gene_set_prompt(["KRT5", "KRT14", "DSP"])
    'Which biological process do the human genes KRT5, KRT14, DSP share?'
    """
    return GENE_SET.format(symbols=", ".join(symbols))
