"""What methods reach that understand nothing, or know the answer's source: to be read before any score.

    candidates = floor_candidates(spec, items, data_dir)         # floor -> for each set its names, best first
    rouge_floors(candidates, references), similarity_floors(candidates, ranker)

``constant``: the string "regulation of process" everywhere. ``permuted names``: every set gets the true name of another
one, the expected value over permutations. ``enrichment top-1``: the most significant term of the embedded libraries
(GO and WikiPathways), with every library, and masked: without those that hold the benchmark's answers. ``g:Profiler
top-1``: of the service, where the task has a file of its results. ``best of top-5``: an oracle that chooses among the
five best terms, each metric for itself, by looking at the true name. ``own names, permuted``: the model's own names,
dealt out anew: what its style is worth without the genes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counterpoise.data.catalog import split_file
from counterpoise.data.records import Problem, read_records
from counterpoise.evaluation.gene_sets.names import Array, permuted_pairs, rouge_of_names
from counterpoise.evaluation.gene_sets.ranking import TOP, Ranker
from counterpoise.evaluation.tasks.item import Item
from counterpoise.evaluation.tasks.spec import TaskSpec, TaskSplit

Floors = dict[str, dict[str, float]]
Candidates = dict[str, list[tuple[str, ...]]]
"""Floor -> for each set one name, or several to choose from."""
CONSTANT = "regulation of process"
PERMUTED, OWN_PERMUTED = "permuted names", "own names, permuted"


def floor_candidates(spec: TaskSpec, items: Sequence[Item], data_dir: str | Path | None = None) -> Candidates:
    """Return the names that trivial methods give to the sets of a task, but for permutations."""
    assert spec.gene_sets is not None
    from counterpoise.biology.enrichment import LIBRARIES

    sets = tuple(item.words for item in items)
    found: Candidates = {"constant": [(CONSTANT,)] * len(items)}
    masked = tuple(name for name in LIBRARIES if name not in spec.gene_sets.masked_sources)
    ranked = {"enrichment": best_terms(sets, LIBRARIES)}
    if masked and masked != LIBRARIES:
        ranked[f"enrichment, masked ({', '.join(masked)})"] = best_terms(sets, masked)
    if (shipped := _shipped_terms(spec, data_dir)) and all(item.id in shipped for item in items):
        ranked[spec.gene_sets.ranked_by] = [shipped[item.id] for item in items]
    for method, terms in ranked.items():
        found[f"{method}: top-1"] = [row[:1] for row in terms]
        found[f"{method}: best of top-{TOP}"] = terms
    return found


@lru_cache(maxsize=8)
def best_terms(sets: tuple[tuple[str, ...], ...], libraries: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the names of the `TOP` most significant terms of each gene set over several embedded libraries.

    Symbols are brought to approved ones first. Terms of different libraries are ordered by p, as g:Profiler does. Where
    none is significant (q of .05 in its library), the best that are not are taken, since a floor always guesses.
    """
    from counterpoise.biology.enrichment import load_library
    from counterpoise.biology.identifiers import load_genes

    table, loaded = load_genes(), [load_library(name) for name in libraries]
    found = []
    for genes in sets:
        symbols = table.resolve(genes).symbols
        for cutoff in (0.05, None):
            terms = [term for library in loaded for term in library.enrich(symbols, cutoff=cutoff)[:TOP]]
            if terms:
                break
        best = sorted(terms, key=lambda term: term.p)[:TOP]
        found.append(tuple(term.name for term in best))
    return found


def _shipped_terms(spec: TaskSpec, data_dir: str | Path | None) -> dict[str, tuple[str, ...]]:
    """Read a file of another tool's terms (``id`` and ``terms``, each with ``term``, best first); empty if not here."""
    assert spec.gene_sets is not None
    path = split_file(TaskSplit(file=spec.gene_sets.ranked_terms), data_dir)
    if path is None or not path.is_file():
        return {}
    rows = [row.record for row in read_records(path) if not isinstance(row, Problem)]
    return {str(row["id"]): tuple(term["term"] for term in row["terms"])[:TOP] for row in rows}


def rouge_floors(candidates: Candidates, references: Sequence[str]) -> Floors:
    """Return ROUGE of every floor, that of permuted names among them where there are two sets or more."""
    floors = {floor: _best_rouge(names, references) for floor, names in candidates.items()}
    return floors | permuted_rouge(PERMUTED, references, references)


def permuted_rouge(floor: str, names: Sequence[str], references: Sequence[str]) -> Floors:
    """Return, as a floor of that name, the ROUGE that names have with the references of other sets, on average."""
    pairs = permuted_pairs(len(references))
    if not pairs:
        return {}
    found = rouge_of_names([names[i] for i, _ in pairs], [references[j] for _, j in pairs])
    return {floor: {metric: float(values.mean()) for metric, values in found.items()}}


def similarity_floors(
    candidates: Candidates, references: Sequence[str], names: Sequence[str], ranker: Ranker
) -> Floors:
    """Return similarity, percentile and hits of every floor, and of true and own names permuted (exactly expected).

    Args:
        candidates: of `floor_candidates`, for the ranker's sets.
        references: their true names.
        names: those that the model gave.
        ranker: its encoder's name is put behind every metric.
    """
    ranker.remember([name for rows in candidates.values() for row in rows for name in row])
    floors: Floors = {}
    for floor, rows in candidates.items():
        flat, sets = _flat(rows)
        floors[floor] = {m: _best_mean(values, sets) for m, values in ranker.rank_some(flat, sets).values().items()}
    floors[PERMUTED] = ranker.expected(references)
    floors[OWN_PERMUTED] = ranker.expected(names)
    label = ranker.encoder.name
    return {floor: {f"{m} ({label})": value for m, value in row.items()} for floor, row in floors.items() if row}


def _best_rouge(rows: Sequence[tuple[str, ...]], references: Sequence[str]) -> dict[str, float]:
    names, sets = _flat(rows)
    found = rouge_of_names(names, [references[i] for i in sets])
    return {metric: _best_mean(values, sets) for metric, values in found.items()}


def _flat(rows: Sequence[tuple[str, ...]]) -> tuple[list[str], NDArray[np.int64]]:
    """Return all candidates, an empty one for a set that has none, and which set each is of."""
    names = [name for row in rows for name in (row or ("",))]
    return names, np.repeat(np.arange(len(rows)), [max(len(row), 1) for row in rows])


def _best_mean(values: Array, sets: NDArray[np.int64]) -> float:
    """[candidates], whose set -> the mean over sets of each set's best."""
    best = np.full(int(sets[-1]) + 1, -np.inf)
    np.maximum.at(best, sets, values)
    return float(best.mean())
