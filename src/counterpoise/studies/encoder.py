"""A run that teaches an encoder (BERT ...) labels or numbers: the baselines beside language models."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from counterpoise.data.labelled import collate_labels, encode_labels
from counterpoise.data.labelled_reading import LabelledExample, LabelledSet, read_labelled
from counterpoise.errors import UserError
from counterpoise.evaluation.label_floors import label_floors
from counterpoise.evaluation.label_prediction import label_nll, predict_labels
from counterpoise.evaluation.labels import measure_labels
from counterpoise.evaluation.measurement import HELD_OUT
from counterpoise.evaluation.tasks.source import is_task_source, task_labels
from counterpoise.models.encoder import labels_of, load_encoder, longest_input, save_encoder
from counterpoise.models.load import LoadedModel
from counterpoise.studies.job import Job, Prepared, split_held_out
from counterpoise.training.config import RunConfig
from counterpoise.training.ranks import own_device
from counterpoise.training.scored_encoder import ScoredEncoder, check_objective


def check_encoder_run(config: RunConfig) -> None:
    """Raise `UserError` for settings that an encoder run cannot honour."""
    if config.training.packing != "none":
        raise UserError(
            "training.packing is for language models; an encoder's attention looks both ways; set it to none"
        )
    if config.data.without_overlap:
        raise UserError("data.without_overlap is for language models; leave it out")
    if config.data.streaming:
        raise UserError("data.streaming is for language models; labels are collected from the whole data set")
    if config.evaluation.tasks:
        raise UserError(
            "evaluation.tasks are for language models; an encoder is measured on data.test or data.held_out"
        )
    if config.training.compile:
        raise UserError("training.compile is for language models; set it to false")
    if config.data.negative is not None and config.model.task != "sequence-classification":
        raise UserError(f"data.negative is for sequence-classification, not for {config.model.task}; leave it out")
    assert config.model.task != "language-model"
    check_objective(config.model.task, config.objective.build())


class EncoderJob(Job):
    """Labelled texts in, a classifier, tagger or regressor out."""

    _data: LabelledSet
    _test: LabelledSet | None = None
    _kept: list[LabelledExample]
    """The examples that were trained on."""
    _measured: list[LabelledExample]

    def read(self) -> None:
        check_encoder_run(self.config)
        data = self.config.data
        self._data = self._read(data.source, data.split, labels=data.labels, limit=data.limit)
        if data.test is not None:
            self._test = self._read(data.test, self.test_split(), labels=self._data.space.labels)

    def load(self) -> LoadedModel:
        config = self.config
        return load_encoder(
            config.model.name,
            space=self._data.space,
            dtype=config.training.precision,
            device=own_device(),
            adapter=config.adapter,
            attention=config.model.attention,
            seed=config.training.seed,
            trust_remote_code=config.model.trust_remote_code,
            on_progress=self.say,
        )

    def prepare(self, loaded: LoadedModel) -> Prepared:
        config, tokenizer, space = self.config, loaded.tokenizer, labels_of(loaded.model)
        self.collate = lambda items: collate_labels(items, tokenizer.pad_token_id)
        longest = min(config.data.max_length, longest_input(loaded.model) or config.data.max_length)
        encoded = encode_labels(self._data.examples, tokenizer, space, longest)
        self.say(f"data: {encoded.report}")
        for warning in encoded.report.warnings():
            self.say(f"warning: {warning}")
        pairs = list(zip(encoded.items, self._data.examples, strict=True))
        training, held_out = split_held_out(pairs, config.data.held_out, config.training.seed)
        measured = [item for item, _ in held_out]
        self._kept, self._measured = [e for _, e in training], [e for _, e in held_out]
        if self._test is not None:
            measured, self._measured = (
                encode_labels(self._test.examples, tokenizer, space, longest).items,
                self._test.examples,
            )
        described = {
            "source": config.data.source,
            "fingerprint": self._data.fingerprint,
            "examples": len(self._data.examples),
            "dropped": len(self._data.dropped),
            "report": asdict(encoded.report),
            "labels": list(space.labels),
            "held_out": len(measured),
            "test": config.data.test,
        }
        return Prepared([item for item, _ in training], measured, described)

    def scored(self, loaded: LoadedModel) -> nn.Module:
        return ScoredEncoder(loaded.model, self.config.objective.build().needs)

    def measure(self, loaded: LoadedModel, data: Prepared) -> dict[str, dict[str, Any]]:
        if not data.held_out:
            return {}
        padding, space = loaded.tokenizer.pad_token_id, labels_of(loaded.model)
        predicted = predict_labels(loaded.model, data.held_out, padding)
        found: dict[str, Any] = dict(label_nll(loaded.model, data.held_out, padding, task=HELD_OUT))
        found |= measure_labels(HELD_OUT, space, self._measured, predicted, negative=self.config.data.negative)
        return {HELD_OUT: found}

    def floors(self, data: Prepared) -> dict[str, dict[str, dict[str, float]]]:
        if not data.held_out:
            return {}
        space, negative = self._data.space, self.config.data.negative
        found = label_floors(HELD_OUT, space, self._kept, self._measured, negative=negative)
        by_metric: dict[str, dict[str, float]] = {}
        for method, measurements in found.items():
            for metric, measurement in measurements.items():
                by_metric.setdefault(metric, {})[method] = measurement.value
        return {HELD_OUT: by_metric}

    def save(self, loaded: LoadedModel, folder: Path) -> None:
        save_encoder(loaded, folder)

    def _read(self, source: str, split: str | None, **more: Any) -> LabelledSet:
        data, task = self.config.data, self.config.model.task
        assert task != "language-model"
        more |= {"task": task, "skip_bad": data.skip_bad, "split": split, "data_dir": self.data_dir}
        if is_task_source(source):
            found = task_labels(source, **more)
        else:
            found = read_labelled(source, columns=data.columns, **more)
        if found.dropped:
            self.say(found.summary())
        return found
