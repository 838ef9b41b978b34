"""What kind of model a config.json describes, and which attention kernel computes it rightly.

architecture = text_architecture(name, config)         # "causal" or "encoder-decoder"; UserError for the others
kernel = attention_kernel(name, config, "auto")        # what from_pretrained takes as attn_implementation
"""

from typing import Any, Literal

from counterpoise.errors import UserError

Architecture = Literal["causal", "encoder-decoder", "encoder"]


def text_architecture(name: str, config: Any) -> Literal["causal", "encoder-decoder"]:
    """Return how the model writes text.

    Raises UserError for those that do not, many of which transformers would load with a random or a wrong head:
    encoders, bodies without a head, classifiers.
    """
    from transformers.models.auto import modeling_auto as auto

    own_code = getattr(config, "auto_map", None) or {}
    if config.is_encoder_decoder:
        known = auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
        if "AutoModelForSeq2SeqLM" in own_code or _has_class(config, known):
            return "encoder-decoder"
    else:
        known = auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
        causal = "AutoModelForCausalLM" in own_code or _has_class(config, known)
        if causal and getattr(config, "is_decoder", None) is not False:
            return "causal"
    shown = ", ".join(getattr(config, "architectures", None) or []) or config.model_type
    expected = (
        "expected a causal language model or an encoder-decoder, such as one whose config.json says ...ForCausalLM"
    )
    if config.model_type in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.is_encoder_decoder:
        expected = (
            "an encoder is trained with model.task: token-classification, sequence-classification, multi-label or "
            "regression, and "
            "to write text a causal language model or an encoder-decoder is needed"
        )
    raise UserError(f"{name}: {shown} has no language-model head that writes text; {expected}.")


def _has_class(config: Any, known: str | tuple[str, ...] | None) -> bool:
    """Whether the model was saved as the class that transformers has for the purpose, or does not say as what."""
    if not known:
        return False
    classes = set(getattr(config, "architectures", None) or [])
    return not classes or bool(classes & ({known} if isinstance(known, str) else set(known)))


def attention_kernel(name: str, config: Any, attention: str) -> str | None:
    """Return transformers' name of the attention kernel; None leaves the choice to it (sdpa where the family has it).

    "auto" is None, but eager for models that cap their attention scores (Gemma 2): sdpa cannot, and would either fail
    or leave the cap out without a word. Raises UserError where sdpa is asked for such a model.
    """
    sides = [config.get_text_config(), getattr(config, "encoder", None), getattr(config, "decoder", None)]
    caps = [getattr(side, "attn_logit_softcapping", None) for side in sides]
    cap = next((float(cap) for cap in caps if cap), None)
    if attention == "auto":
        return None if cap is None else "eager"
    if attention == "sdpa" and cap is not None:
        raise UserError(
            f"{name}: attention is sdpa, which cannot cap attention scores as this model does (at {cap:g}); expected "
            "auto, eager or flash_attention_2."
        )
    return attention
