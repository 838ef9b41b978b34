"""Does this model keep samples apart that are packed into one row?

    verify_packing(model)              # UserError if they see each other, or count positions from the row's start

Called before a packed training run: the answer depends on the family and on the attention kernel.
"""

from typing import Any

import torch
from torch import Tensor, nn

from counterpoise.errors import UserError
from counterpoise.models.hidden import base_of, final_hidden, model_name, relative_difference

_LENGTHS = (5, 7)  # of the two samples that share a row
_APART = {torch.float64: 1e-9, torch.float32: 1e-6}  # root mean square, relative; 0 but for mixtures of experts
_APART_16_BIT = 2e-3
_ALONE = {torch.float64: 1e-6, torch.float32: 1e-4}
_ALONE_16_BIT = 3e-2  # rows of another length are rounded in another way


@torch.no_grad()
def verify_packing(model: nn.Module, *, name: str | None = None) -> None:
    """Check that samples packed into one row have the hidden states that they have alone.

    Two short random samples share a row; neither may change with the other, nor differ from itself alone. Raises
    UserError that names the model and its attention when one does: models whose state runs on from sample to sample
    (Mamba), kernels and families that do not look at position_ids, absolute positions with an encoder.
    """
    base, name = base_of(model), name or model_name(model)
    was_training = model.training
    model.eval()
    try:
        trouble = _trouble(model)
    except (UserError, torch.OutOfMemoryError):
        raise
    except (TypeError, ValueError, RuntimeError) as error:  # takes no position_ids, or no mask made for packed rows
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"{name}: {type(base).__name__} cannot be run on packed rows ({reason}).") from error
    finally:
        model.train(was_training)
    if trouble:
        what, difference = trouble
        raise UserError(
            f"{name}: samples packed into one row {what} in {type(base).__name__} with its attention "
            f"{base.config._attn_implementation} (relative difference {difference:.2g}); train it without packing, or "
            "with another attention."
        )


def _trouble(model: nn.Module) -> tuple[str, float] | None:
    vocabulary = base_of(model).get_input_embeddings().weight.shape[0]
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(0)

    def sample(length: int) -> Tensor:
        return torch.randint(vocabulary, (1, length), generator=generator).to(device)

    first, second, changed = sample(_LENGTHS[0]), sample(_LENGTHS[1]), [sample(n) for n in _LENGTHS]
    packed, boundary = _packed(model, first, second), _LENGTHS[0]
    for part, other in (
        (slice(boundary, None), _packed(model, changed[0], second)),
        (slice(0, boundary), _packed(model, first, changed[1])),
    ):
        difference = relative_difference(other[part], packed[part])
        if not difference <= _APART.get(packed.dtype, _APART_16_BIT):
            return "see each other", difference
    difference = relative_difference(packed, torch.cat([_alone(model, first), _alone(model, second)]))
    if not difference <= _ALONE.get(packed.dtype, _ALONE_16_BIT):
        return "are not computed as each is alone", difference
    return None


def _packed(model: nn.Module, first: Tensor, second: Tensor) -> Tensor:
    """[12, H]: the hidden states of two samples in one row; an encoder reads them backwards."""
    inputs: dict[str, Any] = {"input_ids": torch.cat([first, second], dim=1)}
    if base_of(model).config.is_encoder_decoder:
        inputs["encoder_input_ids"] = torch.cat([first.flip(1), second.flip(1)], dim=1)
        numbers = [torch.full_like(first, 1), torch.full_like(second, 2)]
        inputs["segments"] = inputs["encoder_segments"] = torch.cat(numbers, dim=1)
    else:
        counts = [torch.arange(row.shape[1], device=row.device) for row in (first, second)]
        inputs["position_ids"] = torch.cat(counts)[None]
    return final_hidden(model, **inputs)[0]


def _alone(model: nn.Module, ids: Tensor) -> Tensor:
    """[T, H]: the hidden states of one sample in a row of its own."""
    inputs = {"input_ids": ids}
    if base_of(model).config.is_encoder_decoder:
        inputs["encoder_input_ids"] = ids.flip(1)
    return final_hidden(model, **inputs)[0]
