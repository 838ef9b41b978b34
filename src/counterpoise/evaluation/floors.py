"""What trivial and classical methods reach on multiple-choice items: the floors beside every accuracy.

    lexical_overlap(items).mean()                              # share of items right, ties at their expected value
    naive_bayes(items, named_facts(training_rows)).mean()      # from exactly the rows that the model saw

Each returns float64 [len(items)]: 1 right, 0 wrong, 1/k where the right option ties with k - 1 others for the best.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from counterpoise.data.facts import load
from counterpoise.evaluation.choice import ChoiceItem

Correct = NDArray[np.float64]


def chance(items: Sequence[ChoiceItem]) -> Correct:
    """Guess evenly: one over the number of options."""
    return np.array([1 / len(item.options) for item in items])


def most_frequent_option(items: Sequence[ChoiceItem], answers: Iterable[str] | None = None) -> Correct:
    """Take the option that is most often the answer in training, blind to the gene.

    Args:
        answers: the completions of the training rows; by default every (training gene, demo process) fact.
    """
    if answers is None:
        facts = load()
        answers = (
            facts.demo_processes[go_id].name
            for symbol in facts.symbols("train")
            for go_id in facts.experimental[symbol]
        )
    frequency = Counter(answers)
    return _correct(items, [[frequency[option] for option in item.options] for item in items])


def lexical_overlap(items: Sequence[ChoiceItem], length: int = 4) -> Correct:
    """Take the option that shares most letters with the question.

    Text is lower-cased and cut into words of letters and digits; a word gives all its runs of ``length`` characters
    (itself, where it is shorter). The question's runs are those that ``prior_prompt`` lacks, so its fixed wording does
    not count. An option's score is the share of its own different runs that the question has.
    """

    def runs(text: str) -> set[str]:
        words = re.findall(r"[a-z0-9]+", text.lower())
        return {word[i : i + length] for word in words for i in range(max(1, len(word) - length + 1))}

    scores = []
    for item in items:
        question = runs(item.prompt) - runs(item.prior_prompt)
        scores.append([len(question & runs(option)) / max(1, len(runs(option))) for option in item.options])
    return _correct(items, scores)


def naive_bayes(
    items: Sequence[ChoiceItem],
    training_rows: Sequence[tuple[str, str, str]],
    names: Mapping[str, str] | None = None,
    alpha: float = 0.02,
) -> Correct:
    """Take the option that multinomial naive Bayes finds most probable for the gene.

    Features are the words of the gene's name and the prefixes, of two characters and more, of its symbol. An option
    that no training row has as its answer scores below all others.

    On the 500 test genes: about .74 from all training rows and .60 from 1,600 of them (four options, chance .25).

    Args:
        items: each item's ``group`` is the gene's symbol.
        training_rows: (gene symbol, gene name, process name), such as ``named_facts`` gives.
        names: symbol -> name of the items' genes; by default those of the embedded facts.
        alpha: additive smoothing of the word counts; the default did best on the dev genes.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    if names is None:
        names = {symbol: gene.name for symbol, gene in load().genes.items()}
    vectorizer = CountVectorizer(analyzer=_name_features)
    counts = vectorizer.fit_transform([(symbol, name) for symbol, name, _ in training_rows])
    model = MultinomialNB(alpha=alpha).fit(counts, [process for _, _, process in training_rows])
    tested = vectorizer.transform([(item.group, names[item.group]) for item in items])
    log_probability = model.predict_joint_log_proba(tested)
    column = {process: i for i, process in enumerate(model.classes_)}
    scores = [
        [row[column[option]] if option in column else -np.inf for option in item.options]
        for item, row in zip(items, log_probability, strict=True)
    ]
    return _correct(items, scores)


def _name_features(gene: tuple[str, str]) -> list[str]:
    symbol, name = gene
    words = re.findall(r"[a-z0-9]+", name.lower())
    return words + [f"symbol:{symbol[:end]}" for end in range(2, len(symbol) + 1)]


def _correct(items: Sequence[ChoiceItem], scores: Sequence[Sequence[float]]) -> Correct:
    """Return 1/k where the right option is among k with the highest score, else 0."""
    result = np.zeros(len(items))
    for i, (item, row) in enumerate(zip(items, scores, strict=True)):
        best = [j for j, score in enumerate(row) if score == max(row)]
        if item.answer in best:
            result[i] = 1 / len(best)
    return result
