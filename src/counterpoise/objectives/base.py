"""What every objective shares: the loss, its denominator, and what is reported beside it.

An objective is a weighting. With ``l_t = -log c_t`` the negative log-probability of supervised token ``t``, ``w_t`` a
detached weight on each token and ``s_b`` a detached weight on each sample of ``T_b`` supervised tokens:

    average = "token":   loss = sum_b s_b sum_t w_t l_t          / (number of supervised tokens)
    average = "sample":  loss = sum_b s_b (sum_t w_t l_t) / T_b  / (number of samples)

The denominators are those of the *whole optimiser step*: all micro-batches on all ranks. Whoever calls passes them as
``denominator``, so that gradient accumulation, packing and a short last batch leave the gradient unchanged.

An objective is pure: tensors in, tensors out. No model, no trainer, no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from counterpoise.objectives.measures import means_of, sums_of

EPS = 1e-8
"""Keeps a mean over no tokens, and a ratio of vanishing confidences, finite."""

#: What an objective may ask for beyond log-probabilities, and what each of them is.
EXTRAS: dict[str, str] = {
    "entropy": "[N] entropy, in nats, of the 20 most likely tokens, renormalised",
    "collision": "[N] sum over the vocabulary of squared probabilities",
    "reference_log_probs": "[N] log-probability of the target token under the frozen starting model",
    "reference_kl": "[N] KL(reference || policy) over the vocabulary, in nats, differentiable",
}


@dataclass(frozen=True)
class Schedule:
    """A number that moves in a straight line from ``start`` to ``end`` over the first ``over`` of training, then stays.

    >>> half = Schedule(start=1.0, end=0.0, over=0.5)
    >>> half.at(0.0), half.at(0.25), half.at(0.5), half.at(1.0)
    (1.0, 0.5, 0.0, 0.0)
    """

    start: float
    end: float
    over: float = 1.0

    def at(self, progress: float) -> float:
        """Return the value at ``progress``, the share (0 to 1) of optimiser steps done."""
        done = 1.0 if self.over <= 0 else min(max(progress / self.over, 0.0), 1.0)
        return self.start + (self.end - self.start) * done


@dataclass(frozen=True)
class ObjectiveOutput:
    """What :meth:`Objective.loss` returns."""

    loss: Tensor
    """Scalar, differentiable; already divided by the denominator."""
    token_weights: Tensor
    """[N] float, detached: ``w_t`` after floor and SFT share."""
    sample_weights: Tensor
    """[B] float, detached: ``s_b`` after SFT share; 0 for a sample without supervised tokens."""
    p_conf: Tensor | None
    """[B] confidence of each sample's weakest window, detached, where the objective has one."""
    sums: Tensor
    """[measures.WIDTH] float64, detached: what the metrics are made of; adds up over micro-batches and ranks."""

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Plain floats: means over this call's tokens (or samples), and their counts. One transfer, when asked for."""
        return means_of(self.sums.tolist())


@dataclass(frozen=True)
class Tokens:
    """The supervised tokens of one call, as the equations of an objective see them."""

    log_probs: Tensor
    """[N] float32 or float64, differentiable."""
    samples: Tensor
    """[N] int64, non-decreasing: the sample that each token belongs to."""
    num_samples: int
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    @cached_property
    def confidence(self) -> Tensor:
        """[N] the model's own probability of each target token, detached."""
        return self.log_probs.detach().exp()

    @cached_property
    def lengths(self) -> Tensor:
        """[B] int64: supervised tokens of each sample (``T_b``)."""
        # Not bincount, which makes a GPU wait to learn how long its result is.
        return self.samples.new_zeros(self.num_samples).index_add_(0, self.samples, torch.ones_like(self.samples))

    @cached_property
    def ends(self) -> Tensor:
        """[B] int64: one past the last token of each sample."""
        return self.lengths.cumsum(0)

    def per_sample_mean(self, values: Tensor) -> Tensor:
        """[N] -> [B]: the mean over each sample's tokens; 0 for a sample that has none."""
        total = values.new_zeros(self.num_samples).index_add(0, self.samples, values)
        return total / self.lengths.clamp(min=1)


class Weights(NamedTuple):
    """What an objective says of its tokens and samples; None stands for all ones."""

    token: Tensor | None = None
    """[N] float, detached."""
    sample: Tensor | None = None
    """[B] float, detached."""
    p_conf: Tensor | None = None
    """[B] confidence of each sample's weakest window, where the objective has one."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Base of all objectives. A subclass states its weights; the loss below is the same for all.

    Options of every objective:
        floor: least token weight, ``w = max(w, floor)``; 0 switches it off.
        sft_share: blend with plain SFT, ``w = a + (1 - a) w`` and ``s`` likewise; a number in [0, 1] or a
            :class:`Schedule` (in YAML ``{start: 1, end: 0, over: 0.33}``).
    """

    name: ClassVar[str]
    average: ClassVar[Literal["token", "sample"]] = "token"
    """What the loss is divided by, and so what ``denominator`` counts."""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Keys of :data:`EXTRAS` without which :meth:`loss` cannot be computed."""
    batch_statistics: ClassVar[bool] = False
    """True where a weight depends on the other samples of the call: then accumulation changes the result."""

    floor: float = 0.0
    sft_share: float | Schedule = 0.0

    def __post_init__(self) -> None:
        check_number(self, "floor", 0.0, 1.0)
        share: Any = self.sft_share
        if isinstance(share, Mapping):
            try:
                share = Schedule(**share)
            except TypeError:
                raise ValueError(
                    f"objective {self.name}: sft_share is {dict(share)!r}; expected a number from 0 to 1, "
                    "or start, end and over"
                ) from None
            object.__setattr__(self, "sft_share", share)
        if isinstance(share, Schedule):
            for part in ("start", "end", "over"):
                check_number(share, part, 0.0, 1.0, owner=f"objective {self.name}: sft_share")
        else:
            check_number(self, "sft_share", 0.0, 1.0)

    # -- what a subclass states ---------------------------------------------------------------------------------

    def weigh(self, tokens: Tokens) -> Weights:
        """Return the detached weights of these tokens and samples, before floor and SFT share."""
        return Weights()

    def token_losses(self, tokens: Tokens, weights: Tensor, share: float) -> Tensor:
        """[N] differentiable loss of each token, whose gradient is ``weights`` times that of ``l_t``."""
        return weights * -tokens.log_probs

    # -- what all share -----------------------------------------------------------------------------------------

    def loss(
        self,
        log_probs: Tensor,
        samples: Tensor,
        denominator: float | Tensor | None = None,
        *,
        num_samples: int | None = None,
        progress: float = 0.0,
        check: bool = True,
        **extras: Tensor | None,
    ) -> ObjectiveOutput:
        """Weigh the supervised tokens of one micro-batch and return its share of the optimiser step's loss.

        Args:
            log_probs: [N] float, differentiable: log-probability of each supervised target token, compacted (no
                prompt, no padding). Computed with in float32, whatever the dtype given (float64 stays).
            samples: [N] int, non-decreasing from 0: which sample each token belongs to. A skipped number is a sample
                without supervised tokens: it adds nothing but counts in the default denominator.
            denominator: samples (``average == "sample"``) or supervised tokens (``"token"``) of the whole optimiser
                step. Default: those of this call.
            num_samples: B; default ``samples.max() + 1``.
            progress: share (0 to 1) of optimiser steps done, for scheduled options.
            check: look at the numbers in ``log_probs`` and ``samples`` before using them, which makes a GPU wait. A
                trainer that gives ``num_samples`` and looks at the loss of the whole step switches it off.
            extras: what :attr:`needs` names; see :data:`EXTRAS`.

        Raises:
            ValueError: shapes that do not fit, a NaN or infinite log-probability (names its sample), a missing extra.
        """
        tokens = self._checked(log_probs, samples, num_samples, extras, check or num_samples is None)
        share = self.sft_share.at(progress) if isinstance(self.sft_share, Schedule) else float(self.sft_share)

        weights = self.weigh(tokens)
        token_weights, sample_weights = weights.token, weights.sample
        if token_weights is None:
            token_weights = torch.ones_like(tokens.confidence)
        if sample_weights is None:
            sample_weights = tokens.confidence.new_ones(tokens.num_samples)
        token_weights = share + (1.0 - share) * token_weights.clamp(min=self.floor)
        sample_weights = share + (1.0 - share) * sample_weights
        sample_weights = sample_weights.masked_fill(tokens.lengths == 0, 0.0)

        coefficients = sample_weights
        if self.average == "sample":
            coefficients = coefficients / (tokens.lengths.to(coefficients.dtype) + EPS)
        if denominator is None:
            denominator = max(tokens.num_samples if self.average == "sample" else tokens.samples.numel(), 1)
        token_losses = self.token_losses(tokens, token_weights, share)
        loss = (coefficients[tokens.samples] * token_losses).sum() / denominator
        return ObjectiveOutput(
            loss=loss,
            token_weights=token_weights,
            sample_weights=sample_weights,
            p_conf=weights.p_conf,
            sums=sums_of(tokens, token_weights, sample_weights, coefficients, weights.p_conf),
        )

    def _checked(
        self,
        log_probs: Tensor,
        samples: Tensor,
        num_samples: int | None,
        extras: Mapping[str, Tensor | None],
        look: bool,
    ) -> Tokens:
        if log_probs.dim() != 1 or samples.shape != log_probs.shape:
            raise ValueError(
                "log_probs and samples must both be [N], one entry per supervised token; "
                f"got {tuple(log_probs.shape)} and {tuple(samples.shape)}"
            )
        if samples.is_floating_point() or samples.dtype == torch.bool:
            raise ValueError(f"samples must be integers, the sample of each token; got {samples.dtype}")
        unknown = set(extras) - set(EXTRAS)
        if unknown:
            raise ValueError(f"loss() got {sorted(unknown)}; it takes {sorted(EXTRAS)}")
        given = {key: value for key, value in extras.items() if value is not None}
        for key in sorted(self.needs - set(given)):
            raise ValueError(f"objective {self.name} needs {key}: {EXTRAS[key]}")
        for key, value in given.items():
            if value.shape != log_probs.shape:
                raise ValueError(f"{key} must be [N] like log_probs {tuple(log_probs.shape)}; got {tuple(value.shape)}")

        count = 0
        if look and samples.numel():
            wrong = ~log_probs.detach().isfinite()
            # One transfer for all checks: on a GPU each would otherwise stall the queue.
            not_finite, unsorted, first, last = torch.stack(
                [
                    wrong.any().long(),
                    (samples[1:] < samples[:-1]).any().long(),
                    samples[0].long(),
                    samples[-1].long(),
                ]
            ).tolist()
            if unsorted or first < 0:
                raise ValueError(
                    "samples must be non-decreasing and start at 0 or above: tokens of a sample lie together"
                )
            if not_finite:
                at = int(wrong.nonzero()[0])
                raise ValueError(
                    f"the log-probability of supervised token {at} is {log_probs[at].item()} "
                    f"(sample {samples[at].item()} of this batch); expected finite numbers"
                )
            count = last + 1
        if num_samples is None:
            num_samples = count
        elif num_samples < count:
            raise ValueError(f"num_samples is {num_samples}, but samples names sample {count - 1}")
        precision = torch.promote_types(log_probs.dtype, torch.float32)
        return Tokens(
            log_probs=log_probs.to(precision),
            samples=samples.long(),
            num_samples=num_samples,
            extras={key: value.to(precision) for key, value in given.items()},
        )

    def options(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, as plain data: ``{"window": 8}``."""
        changed = {}
        for option in fields(self):
            value = getattr(self, option.name)
            if value != option.default:
                changed[option.name] = dict(vars(value)) if isinstance(value, Schedule) else value
        return changed

    def label(self) -> str:
        """Return a short name that tells this objective from its siblings: ``bft(variant=v1, window=8)``."""
        inside = ", ".join(f"{key}={value}" for key, value in self.options().items())
        return f"{self.name}({inside})" if inside else self.name


def check_number(
    holder: object,
    option: str,
    low: float,
    high: float = float("inf"),
    *,
    above: bool = False,
    owner: str = "",
) -> None:
    """Raise ValueError unless ``holder.option`` is a number in [low, high] (in (low, high] with ``above``)."""
    value = getattr(holder, option)
    owner = owner or f"objective {getattr(holder, 'name', '')}"
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not (low < value <= high if above else low <= value <= high):
        bounds = f"{'above' if above else 'of at least'} {low:g}"
        if high != float("inf"):
            bounds = f"from {low:g} to {high:g}"
        raise ValueError(f"{owner}: {option} is {value!r}; expected a number {bounds}")
