"""A run that teaches a language model, decoder-only or encoder-decoder, to write its training answers."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from counterpoise.data.reading import ReadResult
from counterpoise.data.records import Problem
from counterpoise.data.rendering import Renderer, encode_all
from counterpoise.data.streaming import StepStream
from counterpoise.errors import UserError
from counterpoise.evaluation.embedded_tasks import TASKS as EMBEDDED
from counterpoise.evaluation.embedded_tasks import run_task
from counterpoise.evaluation.local import LocalBackend
from counterpoise.evaluation.measurement import HELD_OUT, Measurement
from counterpoise.evaluation.nll import sequence_nll
from counterpoise.evaluation.overlap import without_overlap
from counterpoise.evaluation.prompt_format import prompt_format
from counterpoise.evaluation.runner import Ask, check_tasks, run
from counterpoise.evaluation.sources import iter_source, read_source
from counterpoise.evaluation.tasks.source import is_task_source
from counterpoise.evaluation.tasks.spec import TaskSpec
from counterpoise.models.load import LoadedModel, load_model
from counterpoise.models.renderer import renderer_of
from counterpoise.models.save import save_model
from counterpoise.studies.job import Job, Prepared, Say, split_held_out
from counterpoise.training.config import RunConfig
from counterpoise.training.ranks import own_device
from counterpoise.training.scored_model import ScoredModel

DECODER_ONLY = ("general-sentences",)
"""Tasks on running text, which an encoder-decoder does not model."""


class LanguageModelJob(Job):
    """Examples in, an adapter or a model that answers like them out."""

    _specs: list[TaskSpec]
    _read: ReadResult | None = None
    _test: ReadResult | None = None
    _skipped: frozenset[str] = frozenset()
    """Places of records dropped while streaming."""

    def __init__(self, config: RunConfig, data_dir: str | Path | None, say: Say) -> None:
        super().__init__(config, data_dir, say)
        self._floors: dict[str, dict[str, dict[str, float]]] = {}

    def read(self) -> None:
        data = self.config.data
        if data.test is not None:
            self._test = self._examples(data.test, split=self.test_split())
        self._specs = check_tasks(self.config.evaluation.tasks) if self.config.evaluation.tasks else []
        if data.streaming:
            if data.without_overlap:
                raise UserError("data.without_overlap needs the whole data set; set data.streaming to false")
            if is_task_source(data.source):
                raise UserError("data.streaming is for files; a task's data is read whole: set it to false")
            if next(iter(self._stream()), None) is None:
                raise UserError(f"{data.source}: is empty")
            return
        self._read = self._examples(data.source, split=data.split, limit=data.limit)
        if data.without_overlap:
            kept, report = without_overlap(self._read.examples, data.without_overlap, self.data_dir)
            self.say(f"{report}\nleft out for overlap: {len(self._read.examples) - len(kept):,} training examples")
            if not kept:
                raise UserError(f"{data.source}: every example overlaps with the tasks in data.without_overlap")
            self._read = replace(self._read, examples=kept)

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

    def measure(self, loaded: LoadedModel, data: Prepared) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        if data.held_out:
            nll = sequence_nll(loaded.model, data.held_out, loaded.tokenizer.pad_token_id)
            counts = nll.tokens.astype(np.float64)
            found[HELD_OUT] = {"NLL": Measurement(HELD_OUT, "NLL", nll.total, counts, False)}
        asked = self.config.evaluation
        for spec in self._specs:
            if spec.name in EMBEDDED:
                found[spec.name] = run_task(spec.name, loaded.model, self._renderer(loaded), split=asked.split)
                continue
            kind = "plain" if self.config.data.template == "plain" else "auto"
            form = prompt_format(loaded, kind, truncate=True)
            ask = Ask(self.data_dir, asked.split, asked.limit, asked.shots, self.config.training.seed)
            result = run(spec, LocalBackend(loaded, form), ask)
            assert result is not None
            cut = form.cut.prompts + form.cut.examples
            notes = [f"{spec.name}: {cut} prompts were cut to the model's context"] if cut else []
            for note in [*result.notes, *result.problems, *notes]:
                self.say(f"warning: {note}")
            found[spec.name] = result.scored.measurements
            self._floors[spec.name] = {metric: result.floors_of(metric) for metric in result.scored.measurements}
        return found

    def floors(self, data: Prepared) -> dict[str, dict[str, dict[str, float]]]:
        return self._floors

    def save(self, loaded: LoadedModel, folder: Path) -> None:
        save_model(loaded.model, loaded.tokenizer, folder)

    def _renderer(self, loaded: LoadedModel) -> Renderer:
        data = self.config.data
        template = "plain" if data.template == "plain" else None
        return renderer_of(loaded, max_length=data.max_length, chat_template=template)

    def _examples(self, source: str, split: str | None = None, limit: int | None = None) -> ReadResult:
        data = self.config.data
        found = read_source(
            source,
            format=data.format,
            columns=data.columns,
            skip_bad=data.skip_bad,
            limit=limit,
            split=split,
            data_dir=self.data_dir,
            say=self.say,
        )
        if found.dropped:
            self.say(found.summary())
        return found

    def _stream(self) -> Any:
        data = self.config.data
        return iter_source(
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
