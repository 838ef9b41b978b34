"""Turn a GGUF file into a plain safetensors folder that can be fine-tuned.

    from counterpoise.models.gguf import dequantise
    dequantise(Path("model.Q4_1.gguf"), Path("model-folder"))

The weights are de-quantised in float32 and stored in bfloat16. The rounding that this adds is far below what the 4-bit
file has already lost (on SmolLM2-135M Q4_1: 0.0001 nats of Kullback-Leibler divergence per token), it halves the
folder, and bfloat16 is also what the hub ships.
"""

import contextlib
import copy
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from counterpoise.errors import UserError


def dequantise(gguf: Path, folder: Path) -> None:
    """Write the model and the tokenizer of a GGUF file into ``folder``, which is made.

    Memory: about six bytes a parameter at the peak. Raises UserError for a file that transformers cannot read.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # `dequantize=True`, because with the optional `kernels` package weights would stay packed and untrainable.
    source: dict[str, Any] = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    try:
        with _quiet():
            packed = AutoModelForCausalLM.from_pretrained(
                **source, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
            )
            tokenizer = AutoTokenizer.from_pretrained(**source)
    except OSError as error:
        if error.errno is not None:  # the disk's error, such as no space left: not the file's
            raise
        raise UserError(f"{gguf.name}: transformers cannot read this GGUF file ({_first_line(error)}).") from error
    except Exception as error:  # the GGUF reader raises whatever its parser meets
        raise UserError(f"{gguf.name}: transformers cannot read this GGUF file ({_first_line(error)}).") from error

    config = copy.deepcopy(packed.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.dtype = torch.bfloat16
    config.__dict__.pop("_model_name_or_path", None)  # a GGUF's internal title, which is no hub id
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    plain.load_state_dict({k: v.to(torch.bfloat16) for k, v in packed.state_dict().items()}, assign=True)
    plain.tie_weights()
    plain.generation_config = packed.generation_config
    del packed

    _mend_pre_tokenizer(tokenizer, gguf)
    tokenizer.model_max_length = config.max_position_embeddings
    with _quiet():
        plain.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _mend_pre_tokenizer(tokenizer: Any, gguf: Path) -> None:
    """Split text before the merges as the model was trained; transformers always takes GPT-2's rule.

    SmolLM splits every digit off first, which changes the tokens of white space before a number.
    """
    from gguf import GGUFReader
    from tokenizers import pre_tokenizers

    field = GGUFReader(str(gguf)).get_field("tokenizer.ggml.pre")
    if field is not None and field.contents() == "smollm":
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )


@contextlib.contextmanager
def no_progress_bars() -> Iterator[None]:
    """Hide the progress bars of transformers; the command line draws its own."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide the GGUF reader's bar as well, which heeds no setting; logging handlers keep their own stream."""
    with no_progress_bars(), Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
