"""Virtual tokens (P-tuning, prompt tuning): trained vectors that a model reads in front of every sample.

    virtual = virtual_tokens(model)                    # None without such an adapter, or with the adapter disabled
    place = virtual.in_front_of(starts)                # starts [R, T] bool: where a sample begins
    hidden = body(inputs_embeds=place.embed(embedded), attention_mask=place.spread(mask))[0]
    hidden = place.take(hidden)                        # [R, T, H]: aligned with the ids again

PEFT puts them at the start of a row. Here they stand in front of the sample itself: the same for rows padded on the
right, independent of the side of the padding, and in a packed row every sample has its own.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from counterpoise.errors import UserError

_SUPPORTED = ("P_TUNING", "PROMPT_TUNING")


def virtual_tokens(model: Any) -> "VirtualTokens | None":
    """The virtual tokens of the active adapter, with gradients; None where there are none or the adapter is disabled.

    Raises UserError for adapters that are neither weights nor virtual tokens, such as prefix tuning.
    """
    if not hasattr(model, "active_peft_config") or not model.active_peft_config.is_prompt_learning:
        return None
    if model._adapters_disabled:  # what PEFT sets in disable_adapter()
        return None
    config = model.active_peft_config
    kind = getattr(config.peft_type, "value", config.peft_type)
    if kind not in _SUPPORTED:
        raise UserError(f"this model carries a {kind} adapter; expected LoRA, P_TUNING or PROMPT_TUNING.")
    return VirtualTokens(model.get_prompt(batch_size=1)[0, : config.num_virtual_tokens])


@dataclass(frozen=True)
class VirtualTokens:
    """``vectors`` [V, H]."""

    vectors: Tensor

    def in_front_of(self, starts: Tensor) -> "Placement":
        """Put them in front of every sample; ``starts`` [R, T] bool marks the first token of each."""
        return Placement(self.vectors, starts)


class Placement:
    """Rows of T tokens that grow to ``width`` by V virtual tokens a sample; shorter rows end in zeros."""

    def __init__(self, vectors: Tensor, starts: Tensor) -> None:
        number = len(vectors)
        before = starts.cumsum(1)  # samples begun so far
        self._vectors = vectors
        self._to = torch.arange(starts.shape[1], device=starts.device) + number * before  # [R, T], new columns
        self._rows, self._starts = starts.nonzero(as_tuple=True)  # [M]: the samples
        self.width = starts.shape[1] + number * int(before[:, -1].max())

    @cached_property
    def _columns(self) -> Tensor:
        """[M, V]: where the virtual tokens of each sample go."""
        number = len(self._vectors)
        first = self._to[self._rows, self._starts] - number
        return first[:, None] + torch.arange(number, device=first.device)

    def embed(self, embedded: Tensor) -> Tensor:
        """[R, T, H] -> [R, width, H], the virtual tokens among them."""
        shape = (embedded.shape[0], self.width, embedded.shape[2])
        wide = embedded.new_zeros(shape).scatter(1, self._to[..., None].expand_as(embedded), embedded)
        vectors = self._vectors.to(embedded.dtype).expand(len(self._rows), -1, -1)
        return wide.index_put((self._rows[:, None], self._columns), vectors)

    def spread(self, values: Tensor) -> Tensor:
        """[R, T] -> [R, width]: virtual tokens have the value of their sample's first token, what is new has 0."""
        wide = values.new_zeros(values.shape[0], self.width).scatter(1, self._to, values)
        wide[self._rows[:, None], self._columns] = values[self._rows, self._starts][:, None]
        return wide

    def positions(self, position_ids: Tensor) -> Tensor:
        """[R, T] -> [R, width]: positions that count the virtual tokens too; the end of a shorter row restarts at 0."""
        number = len(self._vectors)
        wide = torch.arange(self.width, device=position_ids.device) - self._to[:, -1:] - 1
        wide = wide.scatter(1, self._to, position_ids + number)
        wide[self._rows[:, None], self._columns] = torch.arange(number, device=position_ids.device)
        return wide

    def take(self, hidden: Tensor) -> Tensor:
        """[R, width, H] -> [R, T, H], the virtual positions removed."""
        return hidden.gather(1, self._to[..., None].expand(-1, -1, hidden.shape[2]))
