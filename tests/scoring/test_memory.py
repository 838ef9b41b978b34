"""Nothing of size [N, V] is ever allocated: every tensor that any operator returns is watched."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from counterpoise import scoring
from counterpoise.scoring import Head, reference

N, H, V = 4096, 16, 32768


class Watch(TorchDispatchMode):
    """Keeps the number of elements of the largest tensor made."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                self.largest = max(self.largest, leaf.untyped_storage().nbytes() // leaf.element_size())
        return out


def largest(score, trained):
    g = torch.Generator().manual_seed(0)
    hidden = torch.randn(N, H, generator=g).requires_grad_()
    weight = torch.randn(V, H, generator=g).requires_grad_(trained)
    targets = torch.randint(V, (N,), generator=g)
    with Watch() as watch:
        score(hidden, weight, targets).sum().backward()
    return watch.largest


@pytest.mark.parametrize("trained", [False, True])
def test_nothing_of_size_tokens_by_vocabulary(trained):
    assert largest(scoring.token_log_probs, trained) <= N * V / 16


def test_the_watch_sees_full_logits():
    """The same watch on the reference: the test above can fail."""
    assert largest(reference.reference_token_log_probs, False) >= N * V


def test_nor_with_all_extras():
    def score(hidden, weight, targets):
        scores = scoring.score_tokens(
            hidden,
            Head(weight),
            targets,
            needs=["entropy", "collision", "reference_kl"],
            reference_hidden=torch.zeros(N, H),
        )
        return scores.log_probs + scores.reference_kl

    assert largest(score, False) <= N * V / 16
