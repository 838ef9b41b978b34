"""Inspect a data set with a model: score it once, weigh it under every objective, and say where the weight goes.

    outcome = inspect("smollm2-135m", DataRequest("medquad", limit=500, data_dir="biomedical"), folder="runs/inspect")
    outcome["diagnostic"]["texts"], outcome["suspects"], outcome["heat"]["hardest"][0]
    outcome = load_inspection("runs/inspect")              # the same, later

The folder gets ``inspection.json``, ``inspection.parquet`` (`inspection.table`) and ``parts/``, from which the same
command goes on after an interruption; other objectives and thresholds are tried on the same scores.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.disk import writing
from counterpoise.errors import UserError
from counterpoise.evaluation.local import LocalBackend
from counterpoise.evaluation.results import write_json
from counterpoise.evaluation.subjects import LocalModel, Precision
from counterpoise.inspection.diagnostic import Thresholds, diagnose, groups, sample_groups, slide_text
from counterpoise.inspection.encoding import EncodedRecords
from counterpoise.inspection.enrichment import enrichment
from counterpoise.inspection.forcing import BATCH_TOKENS
from counterpoise.inspection.heat import heat_samples
from counterpoise.inspection.lexicon import Lexicon, embedded_lexicon, read_lexicon
from counterpoise.inspection.objective_text import parse_objectives
from counterpoise.inspection.reading import DataRequest, Records, general_text, read_records_of
from counterpoise.inspection.scored_text import OnProgress, ScoredText, TextScorer
from counterpoise.inspection.summary import confidence_numbers, listed_suspects, objective_numbers
from counterpoise.inspection.suspects import Suspicion, suspects
from counterpoise.inspection.table import SampleColumns, read_samples, write_table
from counterpoise.inspection.weighing import Weighing, weakest_windows, weigh
from counterpoise.inspection.windows import longest_runs
from counterpoise.models.load import LoadedModel
from counterpoise.objectives import Objective
from counterpoise.objectives.bft import BalancedFineTuning
from counterpoise.training.environment import environment

OBJECTIVES = ("sft", "dft", "bft")
OUTCOME, TABLE = "inspection.json", "inspection.parquet"


@dataclass(frozen=True)
class Options:
    """How data are looked at; none of it changes what the model says."""

    objectives: tuple[str, ...] = OBJECTIVES
    """As text: `bft(variant=v1, window=8)`."""
    thresholds: Thresholds = field(default_factory=Thresholds)
    suspicion: Suspicion = field(default_factory=Suspicion)
    terms: Path | None = None
    """File of biomedical terms; None: the embedded lexicon."""


def default_folder(model: str, source: str) -> Path:
    """Return ``runs/inspect-MODEL-DATA``, of the last parts of both names."""
    words = [re.sub(r"[^\w.-]+", "-", Path(name).name.split(".jsonl")[0]).strip("-.") for name in (model, source)]
    return Path("runs") / "-".join(["inspect", *words])


def inspect(
    model: str,
    data: DataRequest | str,
    *,
    options: Options | None = None,
    against: str | None = None,
    folder: str | Path | None = None,
    max_length: int = 1024,
    precision: Precision = "auto",
    batch_tokens: int = BATCH_TOKENS,
    overwrite: bool = False,
    command: str = "",
    say: Callable[[str], None] = lambda _: None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Inspect data with a model, and write what was found to a folder.

    Args:
        model: as `counterpoise evaluate` takes it: an alias, hub id, folder, run folder, MODEL+ADAPTER.
        data: what is inspected.
        options: objectives, thresholds, terms.
        against: text to compare the diagnostic with, a source like ``data``; None: embedded general sentences.
        folder: where results go; None: see :func:`default_folder`.
        max_length: longest sample in tokens; what is longer is cut as in training.
        precision: of the frozen weights: auto, float32 or bfloat16.
        batch_tokens: tokens of a batch, padding included.
        overwrite: forget what an earlier inspection left in the folder.
        command: what made this, for the record.
        say: told what is happening.
        on_progress: told of tokens scored.

    Returns:
        the outcome: what ``inspection.json`` holds, and ``samples``, the columns of the table without their tokens.

    Raises:
        UserError: whatever of the user's is wrong, in one sentence.
        Stopped: Ctrl-C; the same call goes on.
    """
    started = time.perf_counter()
    options = options or Options()
    data = DataRequest(data) if isinstance(data, str) else data
    objectives = parse_objectives(options.objectives)
    if not objectives:
        raise UserError("no objective is named; expected at least one, such as bft")
    lexicon = embedded_lexicon() if options.terms is None else read_lexicon(options.terms)
    place = Path(folder) if folder is not None else default_folder(model, data.source)
    with writing(place, "choose another --folder"):
        place.mkdir(parents=True, exist_ok=True)
    read = read_records_of(data)
    other = _comparison(against, data)
    subject = LocalModel(model, precision=precision, truncate=True, say=say)
    identity = subject.identity()
    loaded, longest = _load(subject, max_length)
    needs = sorted({need for objective in objectives.values() for need in objective.needs})
    settings = {"model": f"{model} {identity.fingerprint}", "precision": precision, "max_length": longest}
    scorer = TextScorer(place / "parts", settings, loaded, batch_tokens, overwrite, on_progress)
    texts = [scorer.scored("data", read, data.template, needs)]
    if against is None and loaded.architecture == "encoder-decoder":
        texts[0].encoded.warnings.append("No comparison text: running text is for decoder-only models.")
    else:
        texts.append(scorer.scored("against", other, "chat", ()))
    say("weighing")
    outcome = _outcome(texts, objectives, options, lexicon, loaded, place)
    outcome = {
        "command": command,
        "model": {"name": model, "detail": identity.detail},
        "data": _data(data, texts[0].encoded),
        "environment": environment(data_fingerprint=read.fingerprint, model_fingerprint=identity.fingerprint),
        "seconds": round(time.perf_counter() - started, 2),
        "settings": {"max_length": longest, "precision": str(next(loaded.model.parameters()).dtype)},
        **outcome,
    }
    with writing(place / OUTCOME, "free some space; the same command then goes on"):
        write_json(place / OUTCOME, outcome)
    return load_inspection(place)


def load_inspection(folder: str | Path) -> dict[str, Any]:
    """Return the outcome of an inspection from its folder; UserError where there is none."""
    place = Path(folder)
    if not (place / OUTCOME).is_file() or not (place / TABLE).is_file():
        raise UserError(f"{place}: there is no {OUTCOME} with its {TABLE}; expected the folder of an inspection")
    outcome: dict[str, Any] = json.loads((place / OUTCOME).read_text(encoding="utf-8"))
    return {**outcome, "samples": read_samples(place / TABLE)}


def _comparison(against: str | None, data: DataRequest) -> Records:
    if against is None:
        return general_text()
    return read_records_of(DataRequest(against, skip_bad=data.skip_bad, data_dir=data.data_dir))


def _load(subject: LocalModel, max_length: int) -> tuple[LoadedModel, int]:
    if max_length < 8:
        raise UserError(f"max_length is {max_length}; expected at least 8 tokens")
    backend = subject.backend()
    if not isinstance(backend, LocalBackend):
        raise UserError(f"{subject.name}: an encoder does not write text; inspect data with a language model")
    return backend.loaded, min(max_length, backend.form.max_length or max_length)


def _outcome(
    texts: list[ScoredText],
    objectives: Mapping[str, Objective],
    options: Options,
    lexicon: Lexicon,
    loaded: LoadedModel,
    folder: Path,
) -> dict[str, Any]:
    """Weigh, diagnose, suspect; write the table."""
    data, thresholds = texts[0], options.thresholds
    encoded, log_probs, confidence = data.encoded, data.scores["log_probs"], data.confidence
    weighings = {label: weigh(objective, data.scores, encoded.lengths) for label, objective in objectives.items()}
    windows = slide_text((confidence, encoded.lengths), thresholds)
    found = groups(windows, thresholds.share, thresholds.run)
    columns = _columns(data, objectives, weighings, options, sample_groups(windows, found, len(encoded.lengths)))
    write_table(folder / TABLE, encoded, confidence, columns, weighings)
    names = {text.name if i else "data": (text.confidence, text.encoded.lengths) for i, text in enumerate(texts)}
    diagnostic = diagnose(names, thresholds)
    diagnostic["enrichment"] = enrichment(windows, found, encoded.token_ids, encoded.lengths, loaded.tokenizer, lexicon)
    if diagnostic["enrichment"] is None:
        counts = ", ".join(f"{int((found == group).sum()):,} of group {group}" for group in "AB")
        diagnostic["notes"].append(f"Terms are not compared: of the data's {len(found):,} windows there are {counts}.")
    for text in texts[1:]:
        diagnostic["notes"] += [f"{text.name}: {warning}" for warning in text.encoded.warnings]
    batch = [label for label, objective in objectives.items() if objective.batch_statistics]
    if batch:
        encoded.warnings.append(
            f"{', '.join(batch)}: its weights depend on the batch; samples were weighed 16 at a time, in the order of "
            "the data."
        )
    return {
        "objectives": {
            label: objective_numbers(weighing, confidence, thresholds.low) for label, weighing in weighings.items()
        },
        "confidence": confidence_numbers(log_probs, thresholds.low),
        "diagnostic": diagnostic,
        "suspects": listed_suspects(encoded, columns.flags, columns.confidence),
        "suspect_count": sum(bool(reasons) for reasons in columns.flags),
        "suspect_reasons": dict(Counter(reason for reasons in columns.flags for reason in reasons)),
        "suspicion": asdict(options.suspicion),
        "heat": heat_samples(encoded, confidence, columns, weighings, loaded.tokenizer),
    }


def _columns(
    data: ScoredText,
    objectives: Mapping[str, Objective],
    weighings: Mapping[str, Weighing],
    options: Options,
    sample_group: NDArray[np.str_],
) -> SampleColumns:
    encoded, log_probs, low = data.encoded, data.scores["log_probs"], options.thresholds.low
    lengths, confidence = encoded.lengths, data.confidence
    starts = encoded.ends - lengths

    def means(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(np.add.reduceat(values.astype(np.float64), starts) / lengths)

    nll = means(-log_probs)
    bft = next((o for o in objectives.values() if isinstance(o, BalancedFineTuning)), None)
    p_conf = next((weighing.p_conf for weighing in weighings.values() if weighing.p_conf is not None), None)
    return SampleColumns(
        nll=nll,
        confidence=means(confidence),
        low_share=means(confidence < low),
        longest_run=longest_runs(confidence, lengths, low),
        group=sample_group,
        window=None if bft is None else weakest_windows(bft, log_probs, lengths),
        flags=suspects(encoded, nll, p_conf, options.suspicion),
    )


def _data(request: DataRequest, encoded: EncodedRecords) -> dict[str, Any]:
    return {
        "source": request.source,
        "split": request.split,
        "template": request.template,
        "samples": len(encoded.records),
        "tokens": sum(len(item.input_ids) + len(item.encoder_ids) for item in encoded.items),
        "supervised_tokens": int(encoded.lengths.sum()),
        "warnings": encoded.warnings,
        "left_out": encoded.left_out,
    }
