"""What verification decided, and whether the name that it changed became a better one.

    for part in decision_parts("gene-sets-go", answers, references): part.measurement.estimate()

A decision is the share of claims, with sets as the unit that is resampled: the claims of one set are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from counterpoise.evaluation.gene_sets.measured import Part, part_of
from counterpoise.evaluation.gene_sets.names import Answer, rouge_of_names, same_name
from counterpoise.evaluation.gene_sets.ranking import Ranker

DECISIONS = ("supported", "partly", "refuted", "not checked")


def decision_parts(task: str, answers: Sequence[Answer], references: Sequence[str]) -> list[Part]:
    """Measure verification over the sets in which it took place; none where it took place in no set.

    ``claims a set``; ``claims supported``, ``partly``, ``refuted``, ``not checked`` (shares of all claims); ``name
    changed`` (share of sets), and ``ROUGE-L gained`` where it was: after minus before, over the changed names only.
    """
    verified = [i for i, answer in enumerate(answers) if answer.verified]
    claimed = [i for i, answer in enumerate(answers) if answer.decisions]
    parts = []
    if verified:
        parts.append(part_of(task, "claims a set", [len(answers[i].decisions) for i in verified], verified))
    for decision in DECISIONS if claimed else ():
        found = [sum(said == decision for said in answers[i].decisions) for i in claimed]
        counts = [len(answers[i].decisions) for i in claimed]
        better = decision == "supported"
        parts.append(part_of(task, f"claims {decision}", found, claimed, counts, higher_is_better=better))
    changed = changed_names(answers)
    if verified:
        parts.append(part_of(task, "name changed", [float(i in set(changed)) for i in verified], verified))
    if changed:
        truth = [references[i] for i in changed]
        after = rouge_of_names([answers[i].name for i in changed], truth)["ROUGE-L"]
        before = rouge_of_names([answers[i].first_name for i in changed], truth)["ROUGE-L"]
        parts.append(part_of(task, "ROUGE-L gained by verification", after - before, changed))
    return parts


def gained_similarity(task: str, answers: Sequence[Answer], ranker: Ranker) -> list[Part]:
    """Measure what changed names gained in similarity; empty where none was changed."""
    changed = changed_names(answers)
    if not changed:
        return []
    after = ranker.rank_some([answers[i].name for i in changed], changed).similarity
    before = ranker.rank_some([answers[i].first_name for i in changed], changed).similarity
    name = f"similarity gained by verification ({ranker.encoder.name})"
    return [part_of(task, name, np.asarray(after - before), changed)]


def changed_names(answers: Sequence[Answer]) -> list[int]:
    """Return the places of the sets whose name is another after verification."""
    return [i for i, answer in enumerate(answers) if answer.verified and not same_name(answer.first_name, answer.name)]
