"""A drop-in for ``trl.SFTTrainer`` that trains under any of this package's objectives.

    from counterpoise.training import BalancedSFTConfig, BalancedSFTTrainer
    args = BalancedSFTConfig("out", objective="bft", objective_options={"window": 128})
    BalancedSFTTrainer("Qwen/Qwen3-0.6B", args, train_dataset=dataset).train()

Data sets, chat templates, masks, packing, PEFT, saving and the command line are TRL's. What differs:

- the loss is the objective's, and its denominator is that of the whole optimiser step: samples (BFT) or supervised
  tokens (SFT, DFT) of all micro-batches on all ranks;
- samples keep their own windows and weights inside packed and padding-free rows, under every attention kernel that
  honours restarting positions;
- no telemetry is sent.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath
from types import MethodType
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ProcessorMixin
from transformers.integrations import is_deepspeed_zero3_enabled
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from counterpoise import objectives
from counterpoise.errors import UserError
from counterpoise.models.head import base_of, verify_head
from counterpoise.models.packing import verify_packing
from counterpoise.objectives.measures import means_of
from counterpoise.training.scored_model import ScoredModel

_NO_IMAGES = "images are not supported; expected a text data set and a tokenizer as processing_class"


@dataclass
class BalancedSFTConfig(SFTConfig):
    """``trl.SFTConfig`` with an objective. ``HfArgumentParser`` reads it as it reads SFTConfig.

    Raises:
        UserError: an unknown objective or option, or one of TRL's options that would contradict the objective
            (``loss_type``, ``label_smoothing_factor``, ``use_liger_kernel``, ``packing_strategy="wrapped"``,
            ``eval_packing`` alone).
    """

    _VALID_DICT_FIELDS: ClassVar[list[str]] = [*SFTConfig._VALID_DICT_FIELDS, "objective_options"]

    objective: str = field(
        default="bft",
        metadata={"help": "What each token and sample weighs in the loss.", "choices": objectives.names()},
    )
    objective_options: dict[str, Any] | str | None = field(
        default=None,
        metadata={"help": 'Options of the objective, as in `{"variant": "v3", "window": 128}`.'},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.build_objective()
        if self.loss_type != "nll":
            raise UserError(
                f"loss_type is {self.loss_type!r}; leave it out and choose the objective instead, as in objective='dft'"
            )
        if self.label_smoothing_factor:
            raise UserError(
                f"label_smoothing_factor is {self.label_smoothing_factor}; objectives take none, expected 0"
            )
        if self.use_liger_kernel:
            raise UserError("use_liger_kernel is True; the LM head is never run as a layer here, expected False")
        if self.packing_strategy == "wrapped" and (self.packing or self.eval_packing):
            raise UserError(
                "packing_strategy is 'wrapped', which forgets where samples begin; expected 'bfd' or 'bfd_split'"
            )
        if self.eval_packing and not (self.packing or self.padding_free):
            raise UserError(
                "eval_packing is True without packing, so that TRL would read a packed row as one sample; expected "
                "packing=True, or no eval_packing"
            )

    def build_objective(self) -> objectives.Objective:
        """Return the objective. Raises UserError for an unknown name or option, or a value that does not fit."""
        options = {} if self.objective_options is None else self.objective_options
        if not isinstance(options, dict):
            raise UserError(f"objective_options is {options!r}; expected a mapping such as {{'window': 128}}")
        try:
            return objectives.get(self.objective, **options)
        except ValueError as error:
            raise UserError(str(error)) from None


class BalancedSFTTrainer(SFTTrainer):
    """``trl.SFTTrainer`` under an objective: same arguments, same data sets, another weighting.

    What counts:

    - A *sample* is a row of the data set. Packing with ``"bfd"`` keeps it whole; a row that ``"bfd_split"`` cuts counts
      as several samples. A sample without supervised tokens counts as none.
    - The loss does not change with ``gradient_accumulation_steps``, packing or the number of ranks
      (``average_tokens_across_devices`` is always as if True). Where ranks share the last batch of an epoch
      unevenly, accelerate repeats samples to fill it: the repeats weigh nothing, except in streaming data sets, whose
      length is not known. Only objectives whose weights look at the batch (``talr``) see micro-batches.
    - ``eval_loss`` is the plain negative log-likelihood whatever the objective, averaged as SFTTrainer does (over the
      tokens of a batch, then over batches), so that runs compare. ``eval_nll`` is the mean over all tokens.

    Logged beside TRL's ``loss``, ``grad_norm`` and ``num_tokens``: ``nll``, ``confidence``, ``token_weight``,
    ``sample_weight``, ``effective_share``, ``tokens``, ``samples`` and, where the objective has it, ``p_conf``
    (:func:`counterpoise.objectives.measures.means_of`). TRL's ``entropy`` and ``mean_token_accuracy`` are not: they
    would need more than the target's log-probability.

    An objective that looks back at the starting model (``asft``, ``prift``, ``iw-sft``) uses the model with its adapter
    off, or without PEFT a frozen copy, which takes as much memory again.

    Args:
        model, args, ...: as for ``trl.SFTTrainer``; ``args`` is a :class:`BalancedSFTConfig`.

    Raises:
        UserError: ``args`` of another type, images, ``compute_loss_func``, an encoder-decoder, a mixture-of-experts
            model whose router has a loss of its own, tensor, context or sequence parallelism, a model whose LM head is
            not understood, packing with a model or an attention kernel that lets packed samples see each other.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from datasets import Dataset
        >>> from tokenizers import Tokenizer, models, pre_tokenizers
        >>> from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed
        >>> from counterpoise.training import BalancedSFTConfig, BalancedSFTTrainer
        >>> words = "<pad> <eos> TP53 INS SOX2 guards lowers keeps the genome glucose pluripotency".split()
        >>> backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<pad>"))
        >>> backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")
        >>> facts = {"TP53": "guards the genome", "INS": "lowers glucose", "SOX2": "keeps pluripotency"}
        >>> data = Dataset.from_dict({"prompt": list(facts), "completion": [" " + fact for fact in facts.values()]})
        >>> set_seed(0)
        >>> shape = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2)
        >>> model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), eos_token_id=1, pad_token_id=0, **shape))
        >>> folder = TemporaryDirectory()
        >>> args = BalancedSFTConfig(
        ...     folder.name, objective="bft", objective_options={"window": 8}, max_steps=40, logging_steps=20,
        ...     per_device_train_batch_size=3, learning_rate=0.03, bf16=False, use_cpu=True, save_strategy="no",
        ... )
        >>> trainer = BalancedSFTTrainer(model, args, train_dataset=data, processing_class=tokenizer)
        >>> trainer.train()  # doctest: +ELLIPSIS
        {'loss': ...
        >>> [(row["step"], row["samples"], row["tokens"]) for row in trainer.state.log_history if "nll" in row]
        [(20, 60.0, 200.0), (40, 60.0, 200.0)]
        >>> first, last = (row["nll"] for row in trainer.state.log_history if "nll" in row)
        >>> first > 2 * last
        True
    """

    loss_is_scaled_for_ga = True
    """The denominator is that of the whole optimiser step already."""
    _tag_names: ClassVar[list[str]] = ["trl", "sft", "bft"]
    data_collator: Any

    def __init__(
        self,
        model: Any,
        args: BalancedSFTConfig | None = None,
        data_collator: Any = None,
        train_dataset: Any = None,
        eval_dataset: Any = None,
        processing_class: Any = None,
        compute_loss_func: None = None,
        *others: Any,
        **named: Any,
    ) -> None:
        if args is None:
            name = model if isinstance(model, str) else getattr(model.config, "_name_or_path", "")
            args = BalancedSFTConfig(f"{PurePath(name).name or 'model'}-BFT")
        if not isinstance(args, BalancedSFTConfig):
            raise UserError(f"args is a {type(args).__name__}; expected a BalancedSFTConfig, which names the objective")
        if compute_loss_func is not None:
            raise UserError("compute_loss_func is given; expected none, since the objective is the loss")
        columns = getattr(train_dataset, "column_names", None) or []
        if isinstance(processing_class, ProcessorMixin) or {"image", "images"} & set(columns):
            raise UserError(_NO_IMAGES)
        super().__init__(
            model, args, data_collator, train_dataset, eval_dataset, processing_class, None, *others, **named
        )
        self._refuse_what_cannot_work()
        self.objective = args.build_objective()
        self._name = f"SFT under the objective {self.objective.label()}"  # what the model card says
        # Weights that are sharded from the start cannot be run before training prepares them.
        if not (is_deepspeed_zero3_enabled() or self.is_fsdp_enabled):
            verify_head(base_of(self.model))
            if self.padding_free:
                verify_packing(self.model)
        answer_scores(self.model, self.objective.needs)
        if type(self.data_collator) is DataCollatorForLanguageModeling:
            self.data_collator = _Collator(**vars(self.data_collator))
        self._sums: dict[str, Tensor | None] = {"train": None, "eval": None}

    def _refuse_what_cannot_work(self) -> None:
        if self._is_vlm:
            raise UserError(_NO_IMAGES)
        if self.model.config.is_encoder_decoder:
            raise UserError(f"{type(base_of(self.model)).__name__} has an encoder; expected a causal language model")
        if self.aux_loss_enabled:
            raise UserError(
                f"the router of this mixture-of-experts model has a loss of its own (weight "
                f"{self.router_aux_loss_coef:g}), which no objective adds; set router_aux_loss_coef=0.0"
            )
        parallelism = self.accelerator.parallelism_config
        if parallelism is not None and parallelism.non_data_parallel_size > 1:
            raise UserError("tensor, context and sequence parallelism are not supported; expected data parallelism")

    def _send_telemetry(self) -> None:
        """TRL would report the model and the machine here; nothing is sent."""

    # -- the denominator ------------------------------------------------------------------------------------------

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Tensor]:
        """Fetch the micro-batches of one optimiser step and count what its loss is divided by."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        if batches:
            batches[-1] = self._without_repeats(batches[-1])
        count = 0
        for batch in batches:
            _, samples, num_samples = supervised(batch)
            count += num_samples if self.objective.average == "sample" else samples.numel()
        total = self.accelerator.reduce(torch.tensor(float(count), device=device), "sum")
        return batches, total.clamp(min=1)

    def _without_repeats(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Take the labels off rows that accelerate repeats so that every rank's last batch is full.

        In the last round rank r holds rows r * R to (r + 1) * R; the first ``remainder`` of them are new.
        """
        state = self.accelerator.gradient_state
        if not state.end_of_dataloader or state.remainder <= 0:
            return batch
        labels = batch["labels"]
        rows = batch.get("rows")
        if rows is None:
            rows = torch.arange(len(labels), device=labels.device)[:, None].expand_as(labels)
        place = self.accelerator.process_index * (rows.max() + 1) + rows
        return {**batch, "labels": labels.masked_fill(place >= state.remainder, -100)}

    # -- the loss -------------------------------------------------------------------------------------------------

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | float | None = None,
    ) -> Any:
        """Return a micro-batch's share of the step's loss in training, its mean negative log-likelihood in evaluation.

        ``num_items_in_batch`` is the objective's denominator (default: that of this micro-batch). ``return_outputs``
        costs a second forward pass, with logits.
        """
        mode = "train" if self.model.training else "eval"
        if mode == "eval":
            inputs = self._without_repeats(inputs)
        targets, samples, num_samples = supervised(inputs)
        body = {name: inputs[name] for name in ("input_ids", "attention_mask", "position_ids") if name in inputs}
        scores = model(score_targets=targets, **body)
        log_probs = scores.pop("log_probs")
        out = self.objective.loss(
            log_probs,
            samples,
            num_items_in_batch,
            num_samples=num_samples,
            progress=self.state.global_step / max(self.state.max_steps, 1),
            **scores,
        )
        self._add(mode, out.sums, inputs)
        if mode == "eval":
            loss = -log_probs.sum() / max(log_probs.numel(), 1)
        else:  # ranks average their gradients; the denominator is already that of all ranks together
            loss = out.loss * (1 if num_items_in_batch is None else self.accelerator.num_processes)
        if not return_outputs:
            return loss
        with torch.no_grad():
            return loss, model(**body)

    def evaluation_loop(
        self,
        dataloader: Any,
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> Any:
        """Evaluate, and add what the objective says of the held-out tokens to the metrics."""
        self._sums["eval"] = None
        output = super().evaluation_loop(dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix)
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in self._means("eval").items()})
        return output

    # -- metrics --------------------------------------------------------------------------------------------------

    def _add(self, mode: str, sums: Tensor, inputs: dict[str, Any]) -> None:
        mask = inputs.get("attention_mask")
        read = inputs["input_ids"].numel() if mask is None else mask.sum()
        sums = torch.cat([sums, (sums.new_zeros(()) + read)[None]])
        before = self._sums[mode]
        self._sums[mode] = sums if before is None else before + sums

    def _means(self, mode: str) -> dict[str, float]:
        """The metrics of all ranks since the last call; the number of tokens read in training adds up."""
        sums, self._sums[mode] = self._sums[mode], None
        if sums is None:
            return {}
        *total, read = self.accelerator.reduce(sums, "sum").tolist()
        if mode == "train":
            self._total_train_tokens += read
        return {**means_of(total), "num_tokens": self._total_train_tokens}

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with the objective's metrics of all micro-batches and ranks since the last log."""
        if "loss" in logs:
            logs.update(self._means("train"))
        super().log(logs, start_time)


def supervised(batch: dict[str, Any]) -> tuple[Tensor, Tensor, int]:
    """Return which tokens of TRL's batch are to be predicted, and which sample each belongs to.

    Args:
        batch: ``labels`` [R, T] int64, not shifted, -100 where not supervised. Without an ``attention_mask``,
            ``position_ids`` [R, T] restart at 0 where a sample begins; otherwise each row is a sample.

    Returns:
        ``targets`` [R, T] int64, shifted: the token each position is to predict, or -100; ``samples`` [N] int64, the
        sample of each of the N supervised tokens; the number of samples that have any.
    """
    if batch.get("labels") is None:
        raise UserError("the data collator gives no labels; expected labels, with -100 on unsupervised tokens")
    labels = batch["labels"]
    starts = torch.zeros_like(labels, dtype=torch.bool)
    if "attention_mask" not in batch and "position_ids" in batch:
        starts = batch["position_ids"].expand_as(labels) == 0
        labels = labels.masked_fill(starts, -100)
    starts[:, 0] = True
    targets = F.pad(labels[:, 1:], (0, 1), value=-100)
    samples = starts.reshape(-1).cumsum(0)[targets.reshape(-1) != -100]
    _, samples = samples.unique_consecutive(return_inverse=True)
    return targets, samples, int(samples[-1]) + 1 if samples.numel() else 0


def answer_scores(model: nn.Module, needs: frozenset[str]) -> None:
    """Let ``model(score_targets=targets, ...)`` return what :class:`ScoredModel` does; other calls stay as they are.

    Scores have to come out of the model's own ``forward``, since DDP, FSDP, DeepSpeed and autocast act around it, and
    the model has to stay itself, since it is saved and generates.
    """
    scored = ScoredModel(model, needs)
    plain = model.forward

    @functools.wraps(type(model).forward)  # `generate` checks its arguments against the signature
    def forward(_self: nn.Module, *args: Any, score_targets: Tensor | None = None, **inputs: Any) -> Any:
        if score_targets is None:
            return plain(*args, **inputs)
        return scored(score_targets, **inputs)

    model.forward = MethodType(forward, model)


@dataclass
class _Collator(DataCollatorForLanguageModeling):
    """TRL's collator; a flattened batch also says which row of the data set each token comes from (``rows`` [1, T])."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch = super().torch_call(examples)
        if self.padding_free:
            lengths = torch.tensor([len(example["input_ids"]) for example in examples])
            lengths[-1] += batch["input_ids"].numel() - lengths.sum()  # padding goes with the last row
            batch["rows"] = torch.arange(len(examples)).repeat_interleave(lengths)[None]
        return batch
