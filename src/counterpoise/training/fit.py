"""Fit a loaded model to encoded examples under an objective: the one place where training happens.

    result = fit(loaded, items, objective, TrainingConfig(max_steps=60), folder)

Resumes by itself from the newest whole checkpoint in ``folder``. The model is trained in place.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, ProgressCallback, TrainerCallback, TrainingArguments

from counterpoise.data.batching import collate
from counterpoise.data.encoded import Encoded
from counterpoise.errors import UserError
from counterpoise.models.load import LoadedModel, cpu_has_bfloat16
from counterpoise.objectives import Objective
from counterpoise.training.callbacks import HeldOut, MetricsLog, ProgressLine
from counterpoise.training.checkpoints import cut_log, newest_complete, remove_incomplete, step_of
from counterpoise.training.config import TrainingConfig
from counterpoise.training.scored_model import ScoredModel
from counterpoise.training.trainer import ObjectiveTrainer


@dataclass(frozen=True)
class FitResult:
    """What training did."""

    steps: int
    resumed_from: int
    """Optimiser steps already done by an earlier call in the same folder."""
    seconds: float
    """Of training in this call, data loading included."""
    tokens: int
    """Input tokens of this call, without padding."""
    samples: int


def fit(
    loaded: LoadedModel,
    items: Sequence[Encoded],
    objective: Objective,
    config: TrainingConfig,
    folder: Path,
    *,
    label: str = "training",
    every: int | None = None,
    measure: Callable[[], dict[str, float]] | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    show_progress: bool = True,
) -> FitResult:
    """Train ``loaded.model`` in place.

    Args:
        loaded: a model whose trained parameters require gradients (an adapter was applied).
        items: encoded examples, each with a supervised token.
        objective: what each token and sample counts.
        config: batch sizes, rate, schedule, precision, seed.
        folder: where ``metrics.jsonl``, ``timing.jsonl`` and checkpoints go.
        label: what the progress line calls this run.
        every, measure: call ``measure`` every so many steps and log what it returns.
        callbacks: more of transformers' callbacks.

    Raises:
        UserError: nothing to train on or with, or a loss that is not finite.
    """
    if not items:
        raise UserError("there are no examples to train on")
    if not any(p.requires_grad for p in loaded.model.parameters()):
        raise UserError("the model has no trained parameters; choose adapter.kind: full or lora")
    folder.mkdir(parents=True, exist_ok=True)
    remove_incomplete(folder)
    checkpoint = newest_complete(folder)
    cut_log(folder / "metrics.jsonl", step_of(checkpoint))
    cut_log(folder / "timing.jsonl", step_of(checkpoint))

    torch.manual_seed(config.seed)
    if config.gradient_checkpointing:
        model = loaded.model  # transformers renamed the method on the way to version 6
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    scored = ScoredModel(loaded.model, objective.needs)
    arguments = _arguments(config, len(items), folder, loaded.model)
    listeners: list[Any] = [MetricsLog(folder), *callbacks]
    if every is not None and measure is not None:
        listeners.append(HeldOut(folder, every, measure))
    progress = ProgressLine(label) if show_progress else None
    if progress is not None:
        listeners.append(progress)
    padding = loaded.tokenizer.pad_token_id
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*pin_memory.*")
        trainer = ObjectiveTrainer(
            model=scored,
            args=arguments,
            train_dataset=list(items),
            data_collator=lambda batch: collate_with_sources(batch, padding),
            callbacks=listeners,
            objective=objective,
            step_batch_size=config.batch_size,
            group_by_length=config.group_by_length,
        )
        for default in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(default)
        try:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        finally:
            if progress is not None:
                progress.close()
            loaded.model.eval()
    return _result(folder, step_of(checkpoint))


def collate_with_sources(batch: list[Encoded], padding: int) -> dict[str, Any]:
    """Collate, and keep where each example came from, for messages."""
    tensors: dict[str, Tensor] = collate(batch, padding)
    return {**tensors, "sources": [item.source for item in batch]}


def micro_batches(config: TrainingConfig, world_size: int) -> tuple[int, int]:
    """Return (samples a forward pass on one rank, accumulation steps) for ``config.batch_size`` over all ranks."""
    if config.batch_size % world_size:
        raise UserError(
            f"training.batch_size is {config.batch_size}; expected a multiple of the {world_size} processes"
        )
    each = config.batch_size // world_size
    micro = min(config.micro_batch_size or each, each)
    if each % micro:
        raise UserError(
            f"training.micro_batch_size is {micro}; expected a divisor of batch_size over processes, {each}"
        )
    return micro, each // micro


def computes_in_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether products run in bfloat16 on this device under ``training.precision``."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and cpu_has_bfloat16()


def _arguments(config: TrainingConfig, count: int, folder: Path, model: Any) -> TrainingArguments:
    device = next(model.parameters()).device
    bfloat16 = computes_in_bfloat16(config.precision, device)
    plain: dict[str, Any] = {
        "output_dir": str(folder),
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps or -1,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.schedule,
        "weight_decay": config.weight_decay,
        "adam_beta1": config.betas[0],
        "adam_beta2": config.betas[1],
        "max_grad_norm": config.max_grad_norm,
        "optim": "adamw_torch_fused" if device.type in ("cpu", "cuda") else "adamw_torch",
        "bf16": bfloat16,
        "use_cpu": device.type == "cpu",
        "seed": config.seed,
        "data_seed": config.seed,
        "logging_steps": 1,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps" if config.checkpoint_every else "no",
        "save_steps": config.checkpoint_every or 500,
        "save_total_limit": 2,
        "remove_unused_columns": False,
        "dataloader_drop_last": False,
        "dataloader_pin_memory": device.type == "cuda",
        "report_to": "none",
        "disable_tqdm": True,
        "log_level": "error",
    }
    arguments = TrainingArguments(**plain)
    micro, accumulation = micro_batches(config, arguments.world_size)
    arguments.per_device_train_batch_size = micro
    arguments.gradient_accumulation_steps = accumulation
    steps_an_epoch = math.ceil(count / config.batch_size)
    steps = config.max_steps or math.ceil(steps_an_epoch * config.epochs)
    arguments.warmup_steps = round(config.warmup_share * steps)
    return arguments


def _result(folder: Path, resumed_from: int) -> FitResult:
    steps = samples = tokens = 0
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if "loss" in row:
            steps = row["step"]
            if steps > resumed_from:
                samples += int(row["samples"])
                tokens += int(row["input_tokens"])
    seconds = 0.0
    for line in (folder / "timing.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        seconds += row["seconds"] if row["step"] > resumed_from else 0.0
    return FitResult(steps, resumed_from, seconds, tokens, samples)
