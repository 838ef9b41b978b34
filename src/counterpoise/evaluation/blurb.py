"""The BLURB score: 13 data sets in 6 task types, and what published models reach on them.

    score = blurb_score({"bc5cdr-chem": 93.33, "bc5cdr-disease": 85.62, ...})
    score.overall              # 81.16, or None where a data set is missing
    print(score)               # BLURB 81.16 (all 13 data sets)

The score is a macro average: the mean over data sets inside each task type, then the mean over the six types, so that
the five sets of entities weigh as much as the one set of sentence pairs (Gu et al. 2021, arXiv 2007.15779). A mean over
fewer data sets is no BLURB score: it is kept apart under the name ``partial``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from counterpoise.errors import UserError, nearest

TaskType = Literal["NER", "PICO", "RE", "STS", "DC", "QA"]


@dataclass(frozen=True)
class BlurbSet:
    """One data set.

    Attributes:
        metric: its name in `evaluation.labels` (accuracy of questions: in the question tasks).
        sizes: of training, development and test, counted in ``unit``.
        origin: where it can be had, and what differs there.
        negative: the label that `measure_labels` leaves out of positive micro F1.
    """

    name: str
    metric: str
    unit: str
    sizes: tuple[int, int, int]
    origin: str
    negative: str | None = None


_MTL = "github.com/cambridgeltl/MTL-Bioinformatics-2016, data/"
_COPY = "github.com/hieunguyen7337/KeBioLM, data/"

TASK_TYPES: Mapping[TaskType, tuple[BlurbSet, ...]] = {
    "NER": (
        BlurbSet("bc5cdr-chem", "entity F1", "mentions", (5_203, 5_347, 5_385), f"{_MTL}BC5CDR-chem-IOB"),
        BlurbSet(
            "bc5cdr-disease",
            "entity F1",
            "mentions",
            (4_182, 4_246, 4_424),
            f"{_MTL}BC5CDR-disease-IOB; some papers print 4,244 for development, the files hold 4,246",
        ),
        BlurbSet("ncbi-disease", "entity F1", "mentions", (5_134, 787, 960), f"{_MTL}NCBI-disease-IOB"),
        BlurbSet("bc2gm", "entity F1", "mentions", (15_197, 3_061, 6_325), f"{_MTL}BC2GM-IOB"),
        BlurbSet("jnlpba", "entity F1", "mentions", (46_750, 4_551, 8_662), f"{_COPY}JNLPBA (types merged)"),
    ),
    "PICO": (
        BlurbSet(
            "ebm-pico",
            "word macro F1",
            "labelled words",
            (339_167, 85_321, 16_364),
            f"{_COPY}ebmnlp (development, which holds 87,308, and test), to be read with one_word_entities=True",
        ),
    ),
    "RE": (
        BlurbSet(
            "chemprot",
            "positive micro F1",
            "pairs",
            (18_035, 11_268, 15_745),
            "BioCreative VI (five grouped classes and a negative one; the 13-class form of SciBERT is another task)",
            negative="false",
        ),
        BlurbSet(
            "ddi",
            "positive micro F1",
            "pairs",
            (25_296, 2_496, 5_716),
            f"{_COPY}DDI (development and test); training from the XML of github.com/isegura/DDICorpus",
            negative="DDI-false",
        ),
        BlurbSet("gad", "positive micro F1", "sentences", (4_261, 535, 534), f"{_COPY}GAD", negative="0"),
    ),
    "STS": (BlurbSet("biosses", "Pearson", "sentence pairs", (64, 16, 20), f"{_COPY}BIOSSES"),),
    "DC": (
        BlurbSet(
            "hoc",
            "micro F1",
            "abstracts",
            (1_295, 186, 371),
            "github.com/sb895/Hallmarks-of-Cancer; the split of 1,108/157/315 abstracts (BLUE) is another one",
        ),
    ),
    "QA": (
        BlurbSet("pubmedqa", "accuracy", "questions", (450, 50, 500), "github.com/pubmedqa/pubmedqa, fold 0"),
        BlurbSet("bioasq", "accuracy", "questions", (670, 75, 140), "bioasq.org, after registration"),
    ),
}
"""The data sets of each task type, with the sizes that BLURB gives. Counted again in the files that are named: entities
of all five sets (JNLPBA's test split apart), labelled words of EBM PICO's test split, DDI's development and test split,
GAD, BIOSSES, PubMedQA; the others stand as recalled from the paper. `evaluation.labels` defines the metrics."""

DATA_SETS: Mapping[str, BlurbSet] = {found.name: found for sets in TASK_TYPES.values() for found in sets}


@dataclass(frozen=True)
class BlurbScore:
    """Means of scores, in the unit that they came in.

    Attributes:
        by_type: of the task types whose data sets are all there.
        overall: the BLURB score; None unless all 13 data sets are there.
        missing: the data sets that are not there, in BLURB's order.
        partial_by_type: of the data sets that are there, for each type that has any.
        partial: the mean of ``partial_by_type``; comparable only with a mean over the same data sets.
    """

    by_type: dict[TaskType, float]
    overall: float | None
    missing: tuple[str, ...]
    partial_by_type: dict[TaskType, float]
    partial: float

    def __str__(self) -> str:
        if self.overall is not None:
            return f"BLURB {self.overall:.2f} (all {len(DATA_SETS)} data sets)"
        there = len(DATA_SETS) - len(self.missing)
        return (
            f"no BLURB score: {', '.join(self.missing)} missing; mean over the {len(self.partial_by_type)} task types "
            f"of the {there} data sets that are there: {self.partial:.2f}"
        )


def blurb_score(scores: Mapping[str, float]) -> BlurbScore:
    """Average the scores of data sets, by the names in `DATA_SETS`, all in one unit (shares or percentages).

    Raises:
        UserError: no score, one of an unknown data set, or one that is no finite number.
    """
    if not scores:
        raise UserError(f"there are no scores; expected some of {', '.join(DATA_SETS)}")
    for name, value in scores.items():
        if name not in DATA_SETS:
            raise UserError(
                f"{name!r} is no data set of BLURB{nearest(name, tuple(DATA_SETS))}; expected {', '.join(DATA_SETS)}"
            )
        if not math.isfinite(value):
            raise UserError(f"the score of {name} is {value}; expected a finite number")
    missing = tuple(name for name in DATA_SETS if name not in scores)
    partial: dict[TaskType, float] = {}
    for kind, sets in TASK_TYPES.items():
        if there := [scores[found.name] for found in sets if found.name in scores]:
            partial[kind] = math.fsum(there) / len(there)
    whole = {
        kind: mean for kind, mean in partial.items() if not any(found.name in missing for found in TASK_TYPES[kind])
    }
    mean = math.fsum(partial.values()) / len(partial)
    return BlurbScore(whole, None if missing else mean, missing, partial, mean)


@dataclass(frozen=True)
class PublishedRow:
    """What a model reached: percentages by data set, the published BLURB score, and where it stands."""

    scores: Mapping[str, float]
    total: float
    source: str


def _row(total: float, source: str, *scores: float) -> PublishedRow:
    return PublishedRow(dict(zip(DATA_SETS, scores, strict=True)), total, source)


_GU = "Gu et al. 2021, arXiv 2007.15779, first version"
_LINK = "Yasunaga et al. 2022 (LinkBERT), ACL, and the README of github.com/michiyasunaga/LinkBERT"

# fmt: off
PUBLISHED: Mapping[str, PublishedRow] = {
    "PubMedBERT": _row(
        81.16, _GU,
        93.33, 85.62, 87.82, 84.52, 79.10, 73.38, 77.24, 82.36, 83.96, 92.30, 82.32, 55.84, 87.56,
    ),
    "PubMedBERT (LinkBERT paper)": _row(
        81.10, _LINK,
        93.33, 85.62, 87.82, 84.52, 80.06, 73.38, 77.24, 82.36, 82.34, 92.30, 82.32, 55.84, 87.56,
    ),
    "BioLinkBERT-base": _row(
        83.39, _LINK,
        93.75, 86.10, 88.18, 84.90, 79.03, 73.97, 77.57, 82.72, 84.39, 93.25, 84.35, 70.20, 91.43,
    ),
    "BioLinkBERT-large": _row(
        84.30, _LINK,
        94.04, 86.39, 88.76, 85.18, 80.06, 74.19, 79.98, 83.35, 84.90, 93.63, 84.87, 72.18, 94.82,
    ),
}
# fmt: on
"""Published rows. Two totals of PubMedBERT exist: JNLPBA and GAD differ. Totals and the question sets were read at the
source; of the other cells some were read in summaries and some recalled, and each row averages to its total."""
