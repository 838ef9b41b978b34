"""Metrics of generated text: ROUGE, BLEU, exact match, token F1, each with its interval, beside trivial texts.

    metrics = measure_text("meqsum", predictions, references)
    metrics["ROUGE-L"].estimate()
    for name, trivial in text_floors("meqsum", questions, references, training_summaries).items():
        measure_text("meqsum", trivial, references)["ROUGE-L"].value

All have a value an item, or sums over items (BLEU), so items are resampled whole. ROUGE, exact match and token F1 are
between 0 and 1, BLEU between 0 and 100, as sacrebleu has it. An empty prediction scores 0 and is counted.

ROUGE of short texts can be gamed: on 1,000 GO terms the constant "regulation of process" reaches ROUGE-L 0.223, more
than the published names of GPT-4. So no number of this file means anything without its floors (`text_floors`).
"""

from __future__ import annotations

import random
import re
import string
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from counterpoise.errors import UserError
from counterpoise.evaluation.label_measurement import LabelMeasurement
from counterpoise.evaluation.measurement import Measurement

Array = NDArray[np.float64]
ORDERS = 4
"""Longest n-gram of BLEU."""


def measure_text(
    name: str, predictions: Sequence[str], references: Sequence[str]
) -> dict[str, Measurement | LabelMeasurement]:
    """Compare each prediction with its reference.

    Args:
        name: the task's name in results.
        predictions: generated texts [items]; an empty one is allowed.
        references: right texts [items], one each.

    Returns:
        ``ROUGE-1``, ``ROUGE-2``, ``ROUGE-L``, ``exact match``, ``token F1``, ``empty predictions`` (their share) and
        ``BLEU``, by name.

    Raises:
        UserError: no items, another number of predictions than of references, or an empty reference.
    """
    _check(name, predictions, references)
    values: dict[str, Array] = {
        **rouge(predictions, references),
        "exact match": exact_match(predictions, references),
        "token F1": token_f1(predictions, references),
        "empty predictions": np.array([float(not text.strip()) for text in predictions]),
    }
    ones = np.ones(len(references))
    found: dict[str, Measurement | LabelMeasurement] = {
        metric: Measurement(name, metric, row, ones, higher_is_better=metric != "empty predictions")
        for metric, row in values.items()
    }
    return found | {"BLEU": bleu(predictions, references, task=name)}


def rouge(predictions: Sequence[str], references: Sequence[str]) -> dict[str, Array]:
    """Return ROUGE-1, ROUGE-2 and ROUGE-L f-measures [items] (Lin 2004), words stemmed.

    They are those of Google's ``rouge_score`` with ``use_stemmer=True``: words are runs of a-z and 0-9, other letters
    part them; ROUGE-L is over the whole text, not line by line.
    """
    from rouge_score.rouge_scorer import RougeScorer

    names = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
    scorer = RougeScorer(list(names.values()), use_stemmer=True)
    scores = [scorer.score(ours, theirs) for theirs, ours in zip(predictions, references, strict=True)]
    return {name: np.array([score[key].fmeasure for score in scores], dtype=np.float64) for name, key in names.items()}


def bleu(predictions: Sequence[str], references: Sequence[str], *, task: str = "") -> LabelMeasurement:
    """Return corpus BLEU (Papineni et al. 2002), 0 to 100, as ``sacrebleu.corpus_bleu`` gives it (Post 2018).

    Its signature is ``nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp``. It is no mean over items: n-gram counts and
    lengths are summed first, and so they are in every draw of the bootstrap.
    """
    from sacrebleu.metrics import BLEU

    scorer = BLEU(effective_order=True)  # silences a warning on single sentences; the counts are the same
    scores = [scorer.sentence_score(ours, [theirs]) for ours, theirs in zip(predictions, references, strict=True)]
    sums = np.array([[s.sys_len, s.ref_len, *s.counts, *s.totals] for s in scores], dtype=np.float64)
    return LabelMeasurement(task, "BLEU", sums.reshape(-1, 2 + 2 * ORDERS), corpus_bleu)


def corpus_bleu(sums: Array) -> Array:
    """[draws, 10] predicted words, reference words, matches and n-grams of 1 to 4 words -> [draws] BLEU.

    Where an order has n-grams but no match, its precision is 1 / (2^k n-grams) for the k-th such order (Chen and Cherry
    2014, method 3); where it has no n-gram, or nothing matches at all, BLEU is 0.
    """
    ours, theirs, matches, totals = sums[:, 0], sums[:, 1], sums[:, 2 : 2 + ORDERS], sums[:, 2 + ORDERS :]
    unmatched = np.cumsum(matches == 0, axis=1)
    counted = np.where(matches > 0, matches, 0.5**unmatched)
    defined = (totals > 0).all(1) & (matches > 0).any(1)
    log_precision = np.log(counted / np.maximum(totals, 1.0)).mean(1)
    brevity = np.minimum(0.0, 1.0 - theirs / np.maximum(ours, 1.0))
    return np.asarray(np.where(defined, 100.0 * np.exp(brevity + log_precision), 0.0))


def exact_match(predictions: Sequence[str], references: Sequence[str]) -> Array:
    """Return 1 where the texts are equal after `answer_words`, else 0: [items]."""
    pairs = zip(predictions, references, strict=True)
    return np.array([float(bool(a.strip()) and answer_words(a) == answer_words(b)) for a, b in pairs])


def token_f1(predictions: Sequence[str], references: Sequence[str]) -> Array:
    """Return the F1 of the words that prediction and reference share, each as often as both have it: [items].

    As the evaluation of SQuAD does (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1).
    """

    def score(prediction: str, reference: str) -> float:
        ours, theirs = answer_words(prediction), answer_words(reference)
        shared = (Counter(ours) & Counter(theirs)).total()
        return 2 * shared / (len(ours) + len(theirs)) if prediction.strip() and shared else 0.0

    return np.array([score(a, b) for a, b in zip(predictions, references, strict=True)], dtype=np.float64)


def answer_words(text: str) -> list[str]:
    """Return the words of a text in lower case, without ASCII punctuation and without a, an and the (SQuAD).

    A text that has no others keeps them all, so that answers such as "+" or "A" can be told apart.

    >>> answer_words("The p53-pathway, in a cell.")
    ['p53pathway', 'in', 'cell']
    >>> answer_words("A"), answer_words("+")
    (['a'], ['+'])
    """
    lower = text.lower()
    bare = lower.translate(_NO_PUNCTUATION)
    return re.sub(r"\b(a|an|the)\b", " ", bare).split() or bare.split() or lower.split()


_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def text_floors(
    task: str,
    sources: Sequence[str],
    references: Sequence[str],
    training_targets: Sequence[str],
    *,
    seed: int = 0,
    sample: int = 100,
) -> dict[str, list[str]]:
    """Return what methods predict that read nothing, or do not understand what they read.

    ``constant string``: the one text that is best, by mean ROUGE-L, on a sample of the training targets: one of them,
    or their most frequent words in their usual order. ``copy of the source``, and ``lead of the source``: its first
    words, as many as the median training target has. ``permuted references``: each item gets another item's reference
    (what the style alone is worth; left out where there is one item).

    Args:
        task: its name, for messages.
        sources: what the model reads, without the prompt's template [items].
        references: [items]
        training_targets: of the data that the model was tuned on; no test text.
        seed: of the sample and the permutation.
        sample: training targets that are looked at.

    Raises:
        UserError: no items, numbers of texts that differ, an empty reference, or no training target.
    """
    _check(task, sources, references, what="sources")
    targets = [text for text in training_targets if text.strip()]
    if not targets:
        raise UserError(f"{task}: no training target has any text; expected at least one to take the constant from")
    draw = random.Random(seed)
    length = int(np.median([len(text.split()) for text in targets]))
    floors = {
        "constant string": [best_constant(draw.sample(targets, min(sample, len(targets))))] * len(references),
        "copy of the source": list(sources),
        "lead of the source": [" ".join(text.split()[:length]) for text in sources],
    }
    if len(references) > 1:
        order = draw.sample(range(len(references)), len(references))
        permuted = [""] * len(references)
        for place, item in enumerate(order):  # one cycle, so that none keeps its own
            permuted[item] = references[order[place - 1]]
        floors["permuted references"] = permuted
    return floors


def best_constant(targets: Sequence[str], *, words: int = 12) -> str:
    """Return the text with the highest mean ROUGE-L against ``targets``: one of them, or frequent words.

    The latter are the 1, 2, ... ``words`` most frequent words, in the order of their mean place in a target.
    """
    from rouge_score.tokenizers import DefaultTokenizer

    tokenizer = DefaultTokenizer(use_stemmer=True)
    tokens = [tokenizer.tokenize(text) for text in targets]
    places: dict[str, list[float]] = {}
    for text in targets:
        split = text.lower().split()
        for word in dict.fromkeys(split):
            places.setdefault(word, []).append(split.index(word) / len(split))
    frequent = sorted(places, key=lambda word: (-len(places[word]), word))[:words]
    made = [
        " ".join(sorted(frequent[:count], key=lambda word: (np.mean(places[word]), word)))
        for count in range(1, len(frequent) + 1)
    ]
    candidates = list(dict.fromkeys([*made, *targets]))

    def score(candidate: str) -> float:
        ours = tokenizer.tokenize(candidate)
        return sum(2 * common_subsequence(ours, theirs) / max(len(ours) + len(theirs), 1) for theirs in tokens)

    return max(candidates, key=score)


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, a row of the table in one integer (Hyyrö 2004).

    >>> common_subsequence("a b c b d a b".split(), "b d c a b a".split())
    4
    """
    masks: dict[str, int] = {}
    for place, word in enumerate(first):
        masks[word] = masks.get(word, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        matched = row & masks.get(word, 0)
        row = (row + matched | row - matched) & full
    return len(first) - row.bit_count()


def _check(task: str, texts: Sequence[str], references: Sequence[str], what: str = "predictions") -> None:
    if not references or len(texts) != len(references):
        raise UserError(
            f"{task}: there are {len(texts)} {what} for {len(references)} references; expected one each, at least one"
        )
    for number, reference in enumerate(references):
        if not reference.strip():
            raise UserError(f"{task}: reference {number} (from 0) is empty; expected text to compare with")
