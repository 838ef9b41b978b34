"""The LM head of a model, read and checked, so that scoring never needs the logits.

    head = find_head(model)                                  # weight, bias, softcap, scale
    hidden = final_hidden(model, input_ids=ids)              # [R, T, H]; see models.hidden
    scoring.score_tokens(hidden[rows, positions], head, targets)
    verify_head(model)                                       # done by load_model: UserError if the two do not agree

Families differ in what lies between hidden states and logits: Gemma caps them, Cohere and T5 multiply, Granite divides,
Phi, GPT-J and BART add a bias. `find_head` reads what it knows from the config; `verify_head` compares with the model's
own logits, so that what it does not know is refused instead of making every confidence silently wrong.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from counterpoise.errors import UserError
from counterpoise.models.hidden import base_of as base_of
from counterpoise.models.hidden import body_of as body_of
from counterpoise.models.hidden import compute_context as compute_context
from counterpoise.models.hidden import final_hidden as final_hidden
from counterpoise.models.hidden import model_name as model_name
from counterpoise.models.hidden import relative_difference
from counterpoise.scoring import Head

_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4}  # root mean square, relative; else 16 bits:
_TOLERANCE_16_BIT = 5e-3
_LOUD = 60.0  # the largest logit while verifying: twice the softcaps in use, so that none goes unnoticed


@dataclass(frozen=True)
class LMHead(Head):
    """``logits = softcap(scale * (hidden @ weight.T + bias))``; see :class:`counterpoise.scoring.Head`.

    ``weight`` [V, H] and ``bias`` [V] are the model's own parameters, not copies.
    """

    @property
    def trainable(self) -> bool:
        """Whether fine-tuning changes the head (full fine-tuning), which decides the scoring path."""
        return self.weight.requires_grad or (self.bias is not None and self.bias.requires_grad)


def find_head(model: nn.Module) -> LMHead:
    """Return the LM head of a causal language model or an encoder-decoder, PEFT-wrapped or not.

    Raises UserError when there is none, or when an adapter sits on it, since the head's weight is then not all of it.
    """
    base, name = base_of(model), model_name(model)
    module = base.get_output_embeddings() if hasattr(base, "get_output_embeddings") else None
    if module is None:
        raise UserError(f"{name}: {type(base).__name__} has no LM head; expected a language model.")
    if type(module).__module__.startswith("peft."):
        raise UserError(
            f"{name}: an adapter sits on the LM head; leave the head out of the adapter's targets and of "
            "modules_to_save."
        )
    weight = getattr(module, "weight", None)
    if not isinstance(module, nn.Linear) or not isinstance(weight, Tensor) or not weight.is_floating_point():
        raise UserError(f"{name}: its LM head is a {type(module).__name__}; expected a plain linear layer.")
    config = base.config.get_text_config()
    softcap = _softcap(getattr(config, "decoder", None) or config)  # T5Gemma has a config for each side
    return LMHead(weight=weight, bias=_bias(base, module), softcap=softcap, scale=_scale(config))


def _bias(base: Any, head: nn.Linear) -> Tensor | None:
    """[V] or None. BART and its kin keep one in a buffer of the model's."""
    constant = getattr(base, "final_logits_bias", None)
    if constant is None:
        return head.bias
    return constant[0] if head.bias is None else constant[0] + head.bias


def _softcap(config: Any) -> float | None:
    names = ("final_logit_softcapping", "logits_soft_cap")  # Gemma 2, 3, 3n, 4; RecurrentGemma
    cap = next((getattr(config, name) for name in names if getattr(config, name, None)), None)
    return None if cap is None else float(cap)


def _scale(config: Any) -> float:
    scale = float(getattr(config, "logit_scale", None) or 1.0)  # Cohere
    scale *= float(getattr(config, "lm_head_multiplier", None) or 1.0)  # Falcon-H1
    scaled = getattr(config, "scale_decoder_outputs", False)  # T5, but not T5 1.1 (FLAN-T5, UL2)
    scaled = scaled or (config.model_type in ("umt5", "switch_transformers") and config.tie_word_embeddings)
    scale *= config.d_model**-0.5 if scaled else 1.0
    scaling = float(getattr(config, "logits_scaling", None) or 1.0)
    if "hyperclovax" in config.model_type:  # takes Granite's name for the opposite
        return scale * scaling
    return scale / scaling  # Granite


@torch.no_grad()
def verify_head(model: nn.Module, *, name: str | None = None) -> LMHead:
    """Return the LM head after checking it against the model's own logits on 2 x 8 random tokens.

    The hidden states are amplified on the way, so that a softcap shows even where logits are small. The same pass
    shows whether the model (or its decoder) is causal. Raises UserError that names the model when either is not so.
    """
    name = name or model_name(model)
    head = find_head(model)
    was_training = model.training
    model.eval()
    try:
        ids = _two_rows(head.weight)
        inputs = {"input_ids": ids}
        if base_of(model).config.is_encoder_decoder:
            inputs["encoder_input_ids"] = ids[:1].expand(2, -1)
        quiet = _project(model, head, final_hidden(model, **inputs), softcap=False).abs().max().item()
        with _amplified(body_of(model), _LOUD / max(quiet, 1e-12)), compute_context(model):
            own = _own_logits(model, **inputs)
            ours = _project(model, head, final_hidden(model, **inputs))
    finally:
        model.train(was_training)
    tolerance = _TOLERANCE.get(own.dtype, _TOLERANCE_16_BIT)
    if own.shape != ours.shape or not (difference := relative_difference(ours, own)) <= tolerance:
        shown = "shapes differ" if own.shape != ours.shape else f"relative difference {difference:.2g}"
        raise UserError(
            f"{name}: its logits are not its LM head applied to its last hidden states ({shown}), so "
            f"{type(base_of(model)).__name__} has a cap, a scale or a layer there that Counterpoise does not know, "
            "and every confidence would be wrong; choose another model."
        )
    if not relative_difference(own[1, :-1], own[0, :-1]) <= tolerance:
        raise UserError(
            f"{name}: its predictions depend on later tokens, so it is an encoder ({type(base_of(model)).__name__}); "
            "expected a causal language model or an encoder-decoder."
        )
    return head


def _own_logits(model: nn.Module, input_ids: Tensor, encoder_input_ids: Tensor | None = None) -> Tensor:
    """The logits of the model's own forward pass, those of virtual tokens left out."""
    if encoder_input_ids is None:
        logits = model(input_ids=input_ids, use_cache=False).logits
    else:
        logits = model(input_ids=encoder_input_ids, decoder_input_ids=input_ids, use_cache=False).logits
    return logits[:, -input_ids.shape[1] :]


def _two_rows(weight: Tensor) -> Tensor:
    """[2, 8] token ids, equal but for the last column; the same at each call."""
    vocabulary = weight.shape[0]
    row = torch.randint(vocabulary, (8,), generator=torch.Generator().manual_seed(0))
    other = row.clone()
    other[-1] = (row[-1] + vocabulary // 2) % vocabulary
    return torch.stack([row, other]).to(weight.device)


def _project(model: nn.Module, head: LMHead, hidden: Tensor, *, softcap: bool = True) -> Tensor:
    """The logits in the model's own precision: equal roundings leave room for a tight tolerance."""
    with compute_context(model):
        if not torch.is_autocast_enabled(hidden.device.type):
            hidden = hidden.to(head.weight.dtype)
        logits = F.linear(hidden, head.weight, head.bias) * head.scale
    if softcap and head.softcap is not None:
        logits = torch.tanh(logits / head.softcap) * head.softcap
    return logits


@contextlib.contextmanager
def _amplified(body: nn.Module, factor: float) -> Iterator[None]:
    """Multiply what the body returns by ``factor``."""

    def amplify(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):
            return (output[0] * factor, *output[1:])
        output.last_hidden_state = output.last_hidden_state * factor
        return output

    handle = body.register_forward_hook(amplify)
    try:
        yield
    finally:
        handle.remove()
