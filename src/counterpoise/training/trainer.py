"""The trainer: transformers' Trainer with scoring, an objective, and the exact denominator.

What it changes, and why:

- the loss is the objective's, over log-probabilities that never pass through logits;
- the denominator is that of the whole optimiser step (samples or supervised tokens of all micro-batches on all ranks),
  so the loss is scaled already and Trainer must not divide again (``loss_is_scaled_for_ga``);
- batches of like length in an order that depends on the seed, the epoch and the lengths alone: every objective sees the
  same samples at the same step;
- a loss or gradient that is not finite stops the run before the step is taken;
- checkpoints hold the trained parameters only, and count once they are whole (``COMPLETE``).
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import Sampler
from transformers import Trainer

from counterpoise.data.batching import length_grouped_order
from counterpoise.data.encoded import Encoded
from counterpoise.errors import UserError
from counterpoise.objectives import Objective
from counterpoise.training.checkpoints import COMPLETE, TRAINABLE, newest_complete, step_of

COUNTS = ("tokens", "samples", "input_tokens")
"""Metrics that add up over micro-batches."""
PER_SAMPLE = ("sample_weight", "p_conf")
"""Metrics that are means over samples; the others are means over supervised tokens."""


class EpochOrder(Sampler[int]):
    """The order of samples in each epoch: batches of like length, from the seed and the epoch alone."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, group_by_length: bool) -> None:
        self.lengths = list(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.group_by_length = group_by_length
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        lengths = self.lengths if self.group_by_length else [1] * len(self.lengths)
        return iter(length_grouped_order(lengths, self.batch_size, self.seed, self.epoch))


class ObjectiveTrainer(Trainer):
    """Trains a :class:`~counterpoise.training.scored_model.ScoredModel` under an objective."""

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        *args: Any,
        objective: Objective,
        step_batch_size: int,
        group_by_length: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.objective = objective
        self.step_batch_size = step_batch_size
        self.group_by_length = group_by_length
        self.step_metrics: dict[str, float] = {}
        self._denominator = 1.0
        self._sums: dict[str, float] = {}
        self._sources: list[str] = []

    # -- order and denominator ----------------------------------------------------------------------------------

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        items: Sequence[Encoded] = self.train_dataset if train_dataset is None else train_dataset
        lengths = [len(item.input_ids) for item in items]
        return EpochOrder(lengths, self.step_batch_size, self.args.seed, self.group_by_length)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], int]:
        """Fetch the micro-batches of one optimiser step and count what its loss is divided by."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        if self.objective.average == "sample":
            count = sum(int(batch["num_samples"]) for batch in batches)
        else:
            count = sum(int((batch["targets"] != -100).sum()) for batch in batches)
        total = torch.tensor(float(count), device=device)
        self._denominator = max(self.accelerator.reduce(total, "sum").item(), 1.0)
        self._sums, self._sources = {}, []
        return batches, count

    # -- loss -------------------------------------------------------------------------------------------------------

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Score a micro-batch and return its share of the optimiser step's loss."""
        self._sources += inputs.get("sources", [])
        scores = model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], targets=inputs["targets"]
        )
        samples = inputs["samples"].reshape(-1)[inputs["targets"].reshape(-1) != -100]
        log_probs = scores.pop("log_probs")
        try:
            out = self.objective.loss(
                log_probs,
                samples,
                self._denominator,
                num_samples=int(inputs["num_samples"]),
                progress=self.state.global_step / max(self.state.max_steps, 1),
                **scores,
            )
        except ValueError as error:
            if bool(log_probs.isfinite().all()):
                raise
            raise self._diverged(str(error)) from None
        if not math.isfinite(out.loss.item()):
            raise self._diverged(f"the loss is {out.loss.item()}")
        self._add({**out.metrics, "input_tokens": float(inputs["attention_mask"].sum())})
        # Ranks average their gradients; the denominator is already that of all ranks together.
        loss = out.loss * self.accelerator.num_processes
        return (loss, scores) if return_outputs else loss

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if norm is not None and not math.isfinite(float(norm)):
            raise self._diverged(f"the gradient's norm is {float(norm)}")
        return norm

    def _diverged(self, what: str) -> UserError:
        folder = Path(self.args.output_dir)
        checkpoint = newest_complete(folder)
        if checkpoint is not None and step_of(checkpoint) == self.state.global_step:
            shutil.rmtree(checkpoint)  # it holds these very weights: going on from it would end here again
            checkpoint = newest_complete(folder)
        kept = f"the last good checkpoint is {checkpoint}" if checkpoint else "no checkpoint had been written yet"
        shown = ", ".join(self._sources[:16]) + (" ..." if len(self._sources) > 16 else "")
        return UserError(
            f"training stopped before step {self.state.global_step + 1} was taken: {what}; learning_rate "
            f"{self.args.learning_rate:g} is probably too high, try a tenth of it; {kept}; "
            f"samples in the batch: {shown}"
        )

    # -- metrics ----------------------------------------------------------------------------------------------------

    def _add(self, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            weight = 1.0 if name in COUNTS else metrics["samples" if name in PER_SAMPLE else "tokens"]
            self._sums[name] = self._sums.get(name, 0.0) + value * weight

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the objective's metrics of the step, over all its micro-batches and ranks, to what Trainer logs."""
        if "loss" in logs and self._sums:
            names = sorted(self._sums)
            sums = torch.tensor([self._sums[name] for name in names], dtype=torch.float64, device=self.args.device)
            total = dict(zip(names, self.accelerator.reduce(sums, "sum").tolist(), strict=True))
            for name, value in total.items():
                if name not in COUNTS:
                    count = total["samples" if name in PER_SAMPLE else "tokens"]
                    total[name] = value / count if count else 0.0
            logs = {**logs, **total}
        super().log(logs, start_time)

    # -- checkpoints ------------------------------------------------------------------------------------------------

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        trained = {name: p.detach().contiguous() for name, p in self.model.named_parameters() if p.requires_grad}
        save_file(trained, folder / TRAINABLE)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        if self.args.should_save:
            with (folder / COMPLETE).open("w") as marker:
                marker.write(f"{self.state.global_step}\n")
                marker.flush()
                os.fsync(marker.fileno())

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        target = self.model if model is None else model
        trained = load_file(Path(resume_from_checkpoint) / TRAINABLE)
        parameters = {name: p for name, p in target.named_parameters() if p.requires_grad}
        if trained.keys() != parameters.keys():
            raise UserError(f"{resume_from_checkpoint}: holds other parameters than this run trains")
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(trained[name])
