"""Ways to make one training step's loss, ours and the peers', on one model, adapter and precision.

    arm = ARMS["counterpoise BFT"](model, samples)      # model: LoRA in float32 on a frozen, bfloat16 base
    arm.step()                                          # forward + backward; the loss, a float
    arm.supervised                                      # targets in the step

Every arm is a whole step over the same samples. A new arm is a subclass with `loss` and a line in ``ARMS``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from counterpoise import objectives
from counterpoise.data.batching import collate
from counterpoise.data.encoded import Encoded
from counterpoise.data.steps import Packing, StepCutter
from counterpoise.models.cpu_attention import enable_cpu_attention
from counterpoise.models.head import body_of
from counterpoise.training.scored_model import ScoredModel

EPS = 1e-8
WINDOW = 256


class Arm:
    """One way to train. Changes ``model`` as its method does (patches, compiled layers), so give each its own."""

    compiled = False
    """Whether the first step at a shape compiles, so that a warm-up must have that shape."""

    def __init__(self, model: nn.Module, samples: Sequence[Encoded]) -> None:
        self.model = self.prepare(model)
        self.device = next(model.parameters()).device
        self.lay_out(samples)

    def prepare(self, model: nn.Module) -> nn.Module:
        """Give a peer LoRA as PEFT makes it, which is what its users have: without `lean_lora`'s hooks."""
        for module in model.modules():
            if hasattr(module, "lora_A"):
                module._forward_pre_hooks.clear()
                module.cast_input_dtype_enabled = True
        return model

    def lay_out(self, samples: Sequence[Encoded]) -> None:
        """Make ``samples`` the ones that the next step sees."""
        self.batch = {name: value.to(self.device) for name, value in self.collate(samples).items()}
        self.supervised = int((self.batch["targets"] != -100).sum())

    def collate(self, samples: Sequence[Encoded]) -> dict[str, Tensor]:
        """Lay the samples out: input_ids, attention_mask, targets (shifted), samples [R, T], and num_samples."""
        return collate(samples, pad_token_id=0)

    def loss(self) -> Tensor:
        """The step's loss, differentiable; runs under autocast."""
        raise NotImplementedError

    def step(self) -> float:
        """Forward and backward of the whole step; leaves the gradients on the parameters."""
        self.model.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = self.loss()
        loss.backward()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return loss.item()

    @property
    def labels(self) -> Tensor:
        """[R, T]: the targets as other libraries want them, not yet shifted."""
        return F.pad(self.batch["targets"][:, :-1], (1, 0), value=-100)

    @property
    def inputs(self) -> dict[str, Tensor]:
        return {name: self.batch[name] for name in ("input_ids", "attention_mask")}


class TransformersSFT(Arm):
    """``model(labels=...)``: mean cross-entropy over full logits."""

    def loss(self) -> Tensor:
        return self.model(**self.inputs, labels=self.labels, use_cache=False).loss


class FullLogitsBFT(Arm):
    """BFT with the formulas of the authors' code (v1-geometric), computed as published: full logits of all rows."""

    def loss(self) -> Tensor:
        targets = self.batch["targets"]
        logits = self.model(**self.inputs, use_cache=False).logits.float()
        nll = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
        total = nll.new_zeros(())
        for row, mask in zip(nll, targets != -100, strict=True):
            own = row[mask]
            if not own.numel():
                continue
            log_c = -own.detach()
            means = log_c.unfold(0, WINDOW, 1).mean(-1) if log_c.numel() >= WINDOW else log_c.mean()
            weight = 1.0 - means.exp().min()
            total = total + weight * (log_c.exp() * own).sum() / (own.numel() + EPS)
        return total / len(targets)


class TRL(Arm):
    """TRL's SFTTrainer itself, ``loss_type="dft"``: its patched model, its `compute_loss`."""

    checkpointing = False

    def __init__(self, model: nn.Module, samples: Sequence[Encoded]) -> None:
        super().__init__(model, samples)
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        self._folder = tempfile.TemporaryDirectory()
        trainer: Any = SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=self._folder.name,
                loss_type="dft",
                bf16=True,
                use_cpu=self.device.type == "cpu",
                gradient_checkpointing=self.checkpointing,  # SFTTrainer's default is True
                dataloader_pin_memory=False,
                report_to="none",
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=Dataset.from_dict({"input_ids": [samples[0].input_ids], "labels": [samples[0].input_ids]}),
            processing_class=_tokenizer(),
        )
        if self.checkpointing:  # Trainer.train() does it at its start
            model.gradient_checkpointing_enable({"use_reentrant": False})
        trainer.model_wrapped = trainer.accelerator.prepare_model(model)
        self.trainer = trainer

    def loss(self) -> Tensor:
        inputs = {**self.inputs, "labels": self.labels}
        return self.trainer.compute_loss(self.trainer.model_wrapped, inputs, num_items_in_batch=self.supervised)


class TRLCheckpointed(TRL):
    """The same with SFTTrainer's default, gradient checkpointing."""

    checkpointing = True


class Counterpoise(Arm):
    """Ours, laid out and run as the trainer does: hidden states to scores without logits, then weights."""

    objective = "bft"
    options: dict[str, Any] = {}  # noqa: RUF012
    packing: Packing = "none"
    micro_batch_size: int | None = None
    """Of the samples (or packed rows) of the step; None: all at once, as the peers do."""
    by_length = False
    """Sort the samples first, as the trainer groups them by default."""

    def __init__(self, model: nn.Module, samples: Sequence[Encoded]) -> None:
        super().__init__(model, samples)
        self.weighting = objectives.get(self.objective, **self.options)
        self.scored = ScoredModel(model, self.weighting.needs)

    def prepare(self, model: nn.Module) -> nn.Module:
        enable_cpu_attention(model)
        return model

    def lay_out(self, samples: Sequence[Encoded]) -> None:
        if self.by_length:
            samples = sorted(samples, key=lambda sample: -len(sample.input_ids))
        longest = max(len(sample.input_ids) for sample in samples)
        size = self.micro_batch_size
        if self.packing == "rows" and size:  # as many tokens at once as the padded arms have
            size = max(1, size * sum(len(s.input_ids) for s in samples) // (longest * len(samples)))
        self.cut = StepCutter(0, micro_batch_size=size, packing=self.packing, row_tokens=longest)(samples)
        self.supervised = self.cut["tokens"]

    def step(self) -> float:
        self.model.zero_grad(set_to_none=True)
        total = 0.0
        for batch in self.cut["micro_batches"]:
            with torch.autocast(self.device.type, torch.bfloat16):
                loss = self.micro_loss({name: value.to(self.device) for name, value in batch.items()})
            loss.backward()
            total += loss.item()
        return total

    def micro_loss(self, batch: dict[str, Tensor]) -> Tensor:
        samples = batch.pop("samples").reshape(-1)[batch["rows"]]
        count = int(batch.pop("num_samples"))
        scores = dict(self.scored(**batch))
        denominator = self.cut["samples" if self.weighting.average == "sample" else "tokens"]
        log_probs = scores.pop("log_probs")
        return self.weighting.loss(log_probs, samples, denominator, num_samples=count, check=False, **scores).loss


class CounterpoiseSFT(Counterpoise):
    objective = "sft"


class CounterpoiseDFT(Counterpoise):
    objective = "dft"


class CounterpoiseGeometric(Counterpoise):
    options = {"variant": "v1-geometric", "window": WINDOW}  # noqa: RUF012


class CounterpoiseCheckpointed(Counterpoise):
    """Ours with gradient checkpointing."""

    def __init__(self, model: nn.Module, samples: Sequence[Encoded]) -> None:
        super().__init__(model, samples)
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})


class CounterpoiseCompiled(Counterpoise):
    """Ours with torch.compile on each decoder layer: one compilation serves all layers and all shapes."""

    compiled = True

    def __init__(self, model: nn.Module, samples: Sequence[Encoded]) -> None:
        super().__init__(model, samples)
        for layer in body_of(model).layers:
            layer.compile(dynamic=True)


class Padded(Counterpoise):
    """Mixed lengths in the order they come, eight at once, padded to the longest of each eight."""

    micro_batch_size = 8


class PaddedByLength(Padded):
    """The same, sorted by length first."""

    by_length = True


class PackedRows(Padded):
    """Best-fit rows."""

    packing = "rows"


class PackedFlat(Padded):
    """Eight samples in one row, no padding at all."""

    packing = "flat"


LAYOUTS: dict[str, type[Arm]] = {
    "padded": Padded,
    "padded, sorted by length": PaddedByLength,
    "packed rows": PackedRows,
    "packed flat": PackedFlat,
}
"""Ways to lay out one step of mixed lengths: the same samples, the same loss."""

ARMS: dict[str, type[Arm]] = {
    "transformers SFT": TransformersSFT,
    "published BFT": FullLogitsBFT,
    "TRL DFT": TRL,
    "TRL DFT, checkpointing": TRLCheckpointed,
    "counterpoise SFT": CounterpoiseSFT,
    "counterpoise DFT": CounterpoiseDFT,
    "counterpoise BFT v1-geometric": CounterpoiseGeometric,
    "counterpoise BFT": Counterpoise,
    "counterpoise BFT, checkpointing": CounterpoiseCheckpointed,
    "counterpoise BFT, compiled": CounterpoiseCompiled,
}
"""Names as the tables show them."""


def _tokenizer() -> Any:
    """SFTTrainer insists on a tokenizer; the samples are tokens already, so this one only has to exist."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"<eos>": 0}, unk_token="<eos>")),
        eos_token="<eos>",
        pad_token="<eos>",
    )
