"""Training instructions from GO and WikiPathways: naming gene sets and reasoning about genes, without the benchmarks.

    made = instructions.build("train", data_dir="biomedical")     # benchmarks are read from there and kept out
    for row in made:                                              # one at a time; the same arguments, the same rows
        row.prompt, row.completion, row.kind, row.genes, row.terms
    print(made.report())                                          # rows by kind, terms, genes, what was left out

    held = instructions.benchmark_sets(("gene-sets-go",), "biomedical")
    assert not instructions.leaks(made, held)

A run config names them as ``data.source: biology:gene-sets`` (see `source` for the options). Nothing a row says comes
from a model: names, annotations and their evidence are those of the tables in ``biology/tables`` (GO, CC BY 4.0;
WikiPathways, CC0). A row is of one split in two ways at once: its genes are those of the split of `data.facts`, and
its terms are of the split that `material` gives them, so neither a gene nor a term of test is met in training.
"""

from .benchmarks import BENCHMARKS, benchmark_sets
from .builder import KINDS, InstructionSet, build
from .exclusion import Exclusion, excluded_terms
from .leaks import Leak, leaks
from .material import GENERAL, Material, Term
from .row import Row

__all__ = [
    "BENCHMARKS",
    "GENERAL",
    "KINDS",
    "Exclusion",
    "InstructionSet",
    "Leak",
    "Material",
    "Row",
    "Term",
    "benchmark_sets",
    "build",
    "excluded_terms",
    "leaks",
]
