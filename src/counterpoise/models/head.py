"""The LM head of a model and the hidden states that go into it, so that scoring never needs the logits.

    head = find_head(model)                                  # weight, bias, softcap, scale
    hidden = final_hidden(model, input_ids=ids)              # [R, T, H]
    scoring.score_tokens(hidden[rows, positions], head, targets)
    verify_head(model)                                       # done by load_model: UserError if the two do not agree

Families differ in what lies between hidden states and logits: Gemma caps them, Cohere multiplies, Granite divides, Phi
and GPT-J add a bias. `find_head` reads what it knows from the config; `verify_head` compares with the model's own
logits, so that what it does not know is refused instead of making every confidence silently wrong.
"""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from counterpoise.errors import UserError
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


def base_of(model: Any) -> Any:
    """Return the transformers model inside a PEFT wrapper (whose LoRA layers stay active), or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def body_of(model: nn.Module) -> Any:
    """Return the decoder body: everything before the LM head."""
    base = base_of(model)
    body = base.get_decoder() if hasattr(base, "get_decoder") else None
    return base.base_model if body is None or body is base else body


def model_name(model: nn.Module) -> str:
    """Return what to call this model in a message."""
    base = base_of(model)
    return getattr(base.config, "_name_or_path", "") or type(base).__name__


def find_head(model: nn.Module) -> LMHead:
    """Return the LM head of a causal language model, PEFT-wrapped or not.

    Raises UserError when there is none, or when an adapter sits on it, since the head's weight is then not all of it.
    """
    base, name = base_of(model), model_name(model)
    module = base.get_output_embeddings() if hasattr(base, "get_output_embeddings") else None
    if module is None:
        raise UserError(f"{name}: {type(base).__name__} has no LM head; expected a causal language model.")
    if type(module).__module__.startswith("peft."):
        raise UserError(
            f"{name}: an adapter sits on the LM head; leave the head out of the adapter's targets and of "
            "modules_to_save."
        )
    weight = getattr(module, "weight", None)
    if not isinstance(module, nn.Linear) or not isinstance(weight, Tensor) or not weight.is_floating_point():
        raise UserError(f"{name}: its LM head is a {type(module).__name__}; expected a plain linear layer.")
    config = base.config.get_text_config()
    return LMHead(weight=weight, bias=module.bias, softcap=_softcap(config), scale=_scale(config))


def _softcap(config: Any) -> float | None:
    names = ("final_logit_softcapping", "logits_soft_cap")  # Gemma 2, 3, 3n, 4; RecurrentGemma
    cap = next((getattr(config, name) for name in names if getattr(config, name, None)), None)
    return None if cap is None else float(cap)


def _scale(config: Any) -> float:
    scale = float(getattr(config, "logit_scale", None) or 1.0)  # Cohere
    scale *= float(getattr(config, "lm_head_multiplier", None) or 1.0)  # Falcon-H1
    scaling = float(getattr(config, "logits_scaling", None) or 1.0)
    if "hyperclovax" in config.model_type:  # takes Granite's name for the opposite
        return scale * scaling
    return scale / scaling  # Granite


def final_hidden(model: nn.Module, **inputs: Any) -> Tensor:
    """Return [R, T, H]: the hidden states that the LM head reads, final norm included; no logits are made.

    ``inputs`` go to the decoder body: ``input_ids`` [R, T], ``attention_mask``, ``position_ids`` ...; LoRA layers are
    active and gradients flow. Runs in :func:`compute_context`.
    """
    inputs.setdefault("use_cache", False)
    with compute_context(model):
        return body_of(model)(**inputs)[0]


def compute_context(model: nn.Module) -> AbstractContextManager[Any]:
    """Autocast for a model whose trained weights are float32 and whose frozen ones are 16-bit; else nothing.

    Call such a model inside this context (or the trainer's own autocast): its layers cannot be mixed otherwise.
    LoRA weights do not count, since PEFT casts around them.
    """
    dtypes = {p.dtype for n, p in model.named_parameters() if p.is_floating_point() and ".lora_" not in n}
    low = dtypes & {torch.bfloat16, torch.float16}
    device = next(model.parameters()).device.type
    if not low or len(dtypes) == 1 or torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, dtype=low.pop())


@torch.no_grad()
def verify_head(model: nn.Module, *, name: str | None = None) -> LMHead:
    """Return the LM head after checking it against the model's own logits on 2 x 8 random tokens.

    The hidden states are amplified on the way, so that a softcap shows even where logits are small. The same pass
    shows whether the model is causal. Raises UserError that names the model when either is not so.
    """
    name = name or model_name(model)
    head = find_head(model)
    was_training = model.training
    model.eval()
    try:
        ids = _two_rows(head.weight)
        quiet = _project(model, head, final_hidden(model, input_ids=ids), softcap=False).abs().max().item()
        with _amplified(body_of(model), _LOUD / max(quiet, 1e-12)), compute_context(model):
            own = model(input_ids=ids, use_cache=False).logits
            ours = _project(model, head, final_hidden(model, input_ids=ids))
    finally:
        model.train(was_training)
    tolerance = _TOLERANCE.get(own.dtype, _TOLERANCE_16_BIT)
    if own.shape != ours.shape or not (difference := _relative(ours, own)) <= tolerance:
        shown = "shapes differ" if own.shape != ours.shape else f"relative difference {difference:.2g}"
        raise UserError(
            f"{name}: its logits are not its LM head applied to its last hidden states ({shown}), so "
            f"{type(base_of(model)).__name__} has a cap, a scale or a layer there that Counterpoise does not know, "
            "and every confidence would be wrong; choose another model."
        )
    if not _relative(own[1, :-1], own[0, :-1]) <= tolerance:
        raise UserError(
            f"{name}: its predictions depend on later tokens, so it is an encoder ({type(base_of(model)).__name__}); "
            "expected a causal language model."
        )
    return head


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


def _relative(found: Tensor, expected: Tensor) -> float:
    """Root mean square of the difference, relative to that of ``expected``; NaN if either holds one."""
    expected = expected.float()
    size = expected.square().mean().sqrt().clamp(min=1e-12)
    return float((found.float() - expected).square().mean().sqrt() / size)
