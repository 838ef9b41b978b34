"""Four-bit weights for QLoRA (Dettmers et al. 2023, arXiv 2305.14314), by bitsandbytes.

    model = AutoModelForCausalLM.from_pretrained(path, quantization_config=four_bit_config(torch.bfloat16), ...)
    keep_trainable(model)

The linear layers are kept in nf4 with double quantisation; embeddings, norms and the LM head stay as they are.
"""

from typing import Any

import torch

from counterpoise.errors import UserError


def four_bit_config(dtype: torch.dtype) -> Any:
    """What ``from_pretrained`` takes; products are computed in ``dtype``. UserError without bitsandbytes."""
    from transformers import BitsAndBytesConfig
    from transformers.utils import is_bitsandbytes_available

    if not is_bitsandbytes_available():
        raise UserError(
            '4-bit weights (QLoRA) need bitsandbytes; install it with: pip install "counterpoise[quantize]".'
        )
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def keep_trainable(model: Any) -> None:
    """Stop bitsandbytes from re-packing 4-bit weights at their first evaluation on a CPU with AVX-512 BF16.

    The packed ones have scales rounded to bfloat16, and their product has no gradient: the model that is evaluated
    would not be the one that is trained, and could not be trained any more.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
