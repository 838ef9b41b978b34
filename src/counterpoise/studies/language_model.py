"""A run that teaches a language model, decoder-only or encoder-decoder, to write its training answers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from counterpoise.data.reading import ReadResult, iter_examples, read_examples
from counterpoise.data.records import Problem
from counterpoise.data.rendering import Renderer, encode_all
from counterpoise.data.streaming import StepStream
from counterpoise.errors import UserError
from counterpoise.evaluation.nll import sequence_nll
from counterpoise.evaluation.tasks import HELD_OUT, Measurement, Measurements, run_task
from counterpoise.models.load import LoadedModel, load_model
from counterpoise.models.renderer import renderer_of
from counterpoise.models.save import save_model
from counterpoise.studies.job import Job, Prepared, split_held_out
from counterpoise.training.ranks import own_device
from counterpoise.training.scored_model import ScoredModel

DECODER_ONLY = ("general-sentences",)
"""Tasks on running text, which an encoder-decoder does not model."""


class LanguageModelJob(Job):
    """Examples in, an adapter or a model that answers like them out."""

    _read: ReadResult | None = None
    _test: ReadResult | None = None
    _skipped: frozenset[str] = frozenset()
    """Places of records dropped while streaming."""

    def read(self) -> None:
        data = self.config.data
        if data.test is not None:
            self._test = self._examples(data.test)
        if data.streaming:
            if next(iter(self._stream()), None) is None:
                raise UserError(f"{data.source}: is empty")
            return
        self._read = self._examples(data.source, split=data.split, limit=data.limit)

    def load(self) -> LoadedModel:
        config = self.config
        torch.manual_seed(config.training.seed)  # an adapter's first weights are random
        loaded = load_model(
            config.model.name,
            dtype=config.training.precision,
            device=own_device(),
            adapter=config.adapter,
            attention=config.model.attention,
            trust_remote_code=config.model.trust_remote_code,
            on_progress=self.say,
        )
        wrong = [task for task in config.evaluation.tasks if task in DECODER_ONLY]
        if loaded.architecture == "encoder-decoder" and wrong:
            raise UserError(f"evaluation.tasks: {wrong[0]} is for decoder-only models; {config.model.name} is not one")
        return loaded

    def prepare(self, loaded: LoadedModel) -> Prepared:
        config, renderer = self.config, self._renderer(loaded)
        test = [] if self._test is None else encode_all(self._test.examples, renderer).items
        if self._read is None:
            training = config.training
            stream = StepStream(
                self._stream,
                renderer,
                batch_size=training.batch_size,
                seed=training.seed,
                buffer=config.data.shuffle_buffer,
                group_by_length=training.group_by_length,
            )
            described = {"source": config.data.source, "streamed": True, "fingerprint": "", "examples": 0}
            return Prepared(stream, test, described)
        encoded = encode_all(self._read.examples, renderer)
        self.say(f"data: {encoded.report}")
        for warning in encoded.report.warnings():
            self.say(f"warning: {warning}")
        training_items, held_out = split_held_out(encoded.items, config.data.held_out, config.training.seed)
        described = {
            "source": config.data.source,
            "fingerprint": self._read.fingerprint,
            "examples": len(self._read.examples),
            "dropped": len(self._read.dropped),
            "report": asdict(encoded.report),
            "held_out": len(test or held_out),
            "test": config.data.test,
        }
        return Prepared(training_items, test or held_out, described)

    def scored(self, loaded: LoadedModel) -> nn.Module:
        return ScoredModel(loaded.model, self.config.objective.build().needs)

    def measure(self, loaded: LoadedModel, data: Prepared) -> dict[str, Measurements]:
        found: dict[str, Measurements] = {}
        if data.held_out:
            nll = sequence_nll(loaded.model, data.held_out, loaded.tokenizer.pad_token_id)
            counts = nll.tokens.astype(np.float64)
            found[HELD_OUT] = {"NLL": Measurement(HELD_OUT, "NLL", nll.total, counts, False)}
        for task in self.config.evaluation.tasks:
            found[task] = run_task(task, loaded.model, self._renderer(loaded), split=self.config.evaluation.split)
        return found

    def save(self, loaded: LoadedModel, folder: Path) -> None:
        save_model(loaded.model, loaded.tokenizer, folder)

    def _renderer(self, loaded: LoadedModel) -> Renderer:
        data = self.config.data
        template = "plain" if data.template == "plain" else None
        return renderer_of(loaded, max_length=data.max_length, chat_template=template)

    def _examples(self, source: str, split: str | None = None, limit: int | None = None) -> ReadResult:
        data = self.config.data
        found = read_examples(
            source,
            format=data.format,
            columns=data.columns,
            skip_bad=data.skip_bad,
            limit=limit,
            split=split,
            data_dir=self.data_dir,
        )
        if found.dropped:
            self.say(found.summary())
        return found

    def _stream(self) -> Any:
        data = self.config.data
        return iter_examples(
            data.source,
            format=data.format,
            columns=data.columns,
            on_bad=self._skip if data.skip_bad else None,
            limit=data.limit,
            split=data.split,
            data_dir=self.data_dir,
        )

    def _skip(self, problem: Problem) -> None:
        if str(problem) not in self._skipped and len(self._skipped) < 5:
            self._skipped |= {str(problem)}
            self.say(f"warning: dropped {problem}" + (" (more are not told)" if len(self._skipped) == 5 else ""))
