"""Answers drawn by chance, each by a chance of its own, whatever is answered beside it.

    sampling = Sampling(temperature=0.8, top_p=0.95, seed=1)
    backend = LocalBackend(loaded, prompt_format(loaded), sampling=sampling)

Every query has a stream of uniform numbers of its own, made from the seed and the query's id, and each step takes the
token at which the cumulative probability passes the next of them. So an answer is the same in another batch, another
order or another run, up to rounding of the logits; that is what lets a run go on after a kill as if there had been
none. Several answers to one prompt are several queries: give each an id of its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from counterpoise.errors import UserError

CANDIDATES = 256
"""Likeliest tokens among which one is drawn with top_p; what is beyond them is the tail that it is there to cut off."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn.

    Attributes:
        temperature: above 0; logits are divided by it.
        top_p: the fewest likeliest tokens that have this probability together are drawn from (Holtzman et al., ICLR
            2020); 1: all tokens are.
        seed: with a query's id, of its stream.

    Raises:
        UserError: a temperature that is not above 0, or a top_p outside (0, 1].
    """

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.temperature > 0 or not 0 < self.top_p <= 1:
            raise UserError(
                f"sampling at temperature {self.temperature:g} with top_p {self.top_p:g}; expected a temperature above "
                "0 and a top_p above 0, at most 1"
            )

    def streams(self, ids: Sequence[str]) -> list[random.Random]:
        """Return the stream of each query, by its id."""
        return [random.Random(f"sample/{self.seed}/{name}") for name in ids]

    def draw(self, logits: Tensor, uniforms: Tensor) -> Tensor:
        """Return the token of each row that its number falls on.

        Args:
            logits: [R, V].
            uniforms: [R] float64, from 0 to below 1.

        Returns:
            [R] int64; a token without a share is never taken.
        """
        shares = (logits.double() / self.temperature).softmax(-1)
        if self.top_p < 1:
            likeliest, tokens = shares.topk(min(CANDIDATES, shares.shape[-1]))
            before = likeliest.cumsum(-1) - likeliest
            shares = torch.zeros_like(shares).scatter(-1, tokens, likeliest * (before < self.top_p))
        cumulative = shares.cumsum(-1)
        whole = cumulative[:, -1:]
        passed = (uniforms[:, None] * whole).minimum(whole.nextafter(torch.zeros_like(whole)))
        return torch.searchsorted(cumulative, passed, right=True)[:, 0]
