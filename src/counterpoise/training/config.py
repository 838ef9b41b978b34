"""The run config, in the order of a run: model, data, objective, adapter, training, evaluation, output.

Every section is a pydantic model that refuses unknown keys. A section that is mostly one word may be given as that
word: ``objective: bft``, ``model: smollm2-135m``, ``data: facts.jsonl``, ``adapter: lora``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from counterpoise import objectives
from counterpoise.models.adapters import AdapterConfig


class Section(BaseModel):
    """A part of the run config: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", validate_default=True)


def _word(key: str) -> BeforeValidator:
    """Let a section be given as the one word that is its ``key``."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


class ModelConfig(Section):
    name: str = Field("smollm2-135m", description="alias, hub id, folder or .gguf file")
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    trust_remote_code: bool = Field(False, description="run code that comes with the model; off unless you type it")


class DataConfig(Section):
    source: str = Field(description="file, catalogue name or hub id to train on")
    split: str | None = Field(None, description="split of a catalogue or hub data set; default: its training split")
    format: Literal["auto", "alpaca", "sharegpt", "messages", "prompt-completion"] = "auto"
    columns: dict[str, str] | None = Field(None, description="your column names, e.g. {prompt: question}")
    skip_bad: bool = Field(False, description="drop unreadable records and count them, instead of stopping")
    limit: int | None = Field(None, ge=1, description="use the first N examples")
    held_out: float = Field(0.0, ge=0.0, lt=1.0, description="share of examples kept from training to measure NLL on")
    max_length: int = Field(1024, ge=8, description="longest sequence, in tokens")
    template: Literal["chat", "plain"] = Field("chat", description="the tokenizer's chat template, or plain text")


class ObjectiveConfig(BaseModel):
    """``name`` and the options of that objective; which ones there are depends on the name."""

    model_config = ConfigDict(extra="allow")
    name: str = "bft"

    @model_validator(mode="after")
    def _known(self) -> ObjectiveConfig:
        self.build()
        return self

    def build(self) -> objectives.Objective:
        """Make the objective. Raises ValueError for an unknown name or option, or a value that does not fit."""
        return objectives.get(self.name, **(self.model_extra or {}))


class TrainingConfig(Section):
    epochs: float = Field(1.0, gt=0)
    max_steps: int | None = Field(None, ge=1, description="stop after this many optimiser steps, whatever epochs says")
    batch_size: int = Field(16, ge=1, description="samples an optimiser step, over all ranks and micro-batches")
    micro_batch_size: int | None = Field(
        None,
        ge=1,
        description="samples a forward pass on one rank; default: batch_size over ranks. Leaves the loss as is",
    )
    learning_rate: float = Field(1e-4, gt=0)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_share: float = Field(0.05, ge=0, lt=1, description="share of steps over which the rate rises from 0")
    weight_decay: float = Field(0.0, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float = Field(1.0, ge=0, description="clip the gradient's norm; 0 switches clipping off")
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        "auto", description="compute precision; auto: bfloat16 where the processor has it. Master weights stay float32"
    )
    gradient_checkpointing: bool = False
    group_by_length: bool = Field(True, description="batches of like length: less padding, same samples an epoch")
    checkpoint_every: int | None = Field(100, ge=1, description="optimiser steps between checkpoints; null: none")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> TrainingConfig:
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size is {self.batch_size}, micro_batch_size {self.micro_batch_size}; "
                "expected a batch_size that is a multiple of it"
            )
        return self


class EvaluationConfig(Section):
    every: int | None = Field(None, ge=1, description="optimiser steps between NLL measurements on held-out examples")
    tasks: list[Literal["gene-process", "general-sentences"]] = Field(
        default_factory=list, description="tasks run once at the end, beside the model before training"
    )
    split: Literal["dev", "test"] = "test"


class OutputConfig(Section):
    folder: Path = Path("runs/run")
    save_model: bool = Field(True, description="write the trained model or adapter to <folder>/model")


class RunConfig(Section):
    """A whole run. ``counterpoise train run.yaml`` reads one; the resolved one is saved in the run folder."""

    model: Annotated[ModelConfig, _word("name")] = Field(default_factory=ModelConfig)
    data: Annotated[DataConfig, _word("source")]
    objective: Annotated[ObjectiveConfig, _word("name")] = Field(default_factory=ObjectiveConfig)
    adapter: Annotated[AdapterConfig, _word("kind")] = Field(default_factory=AdapterConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    output: Annotated[OutputConfig, _word("folder")] = Field(default_factory=OutputConfig)

    def plain(self) -> dict[str, Any]:
        """Return the resolved config as plain data, in run order."""
        return self.model_dump(mode="json")
