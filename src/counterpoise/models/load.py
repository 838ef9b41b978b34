"""Load a model ready for scoring and training: weights, tokenizer, adapter, and an LM head that was checked.

    loaded = load_model("smollm2-135m")                                       # to evaluate
    loaded = load_model("smollm2-135m", adapter=AdapterConfig(kind="lora"))   # to train
    loaded.model, loaded.tokenizer, loaded.head, loaded.architecture, loaded.resolved.detail

Only safetensors are opened, and no code that comes with a model runs unless ``trust_remote_code`` is typed.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

from counterpoise.errors import UserError
from counterpoise.models.adapters import AdapterConfig, apply_adapter, quiet_peft
from counterpoise.models.architecture import Architecture, attention_kernel, text_architecture
from counterpoise.models.fetch import Progress, ResolvedModel, resolve
from counterpoise.models.gguf import no_progress_bars
from counterpoise.models.head import LMHead, find_head, verify_head
from counterpoise.models.quantization import four_bit_config, keep_trainable

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt")

DType = Literal["auto", "float32", "bfloat16"]
Quantization = Literal["nf4"]


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode on its device, its tokenizer (which has a pad token) and its checked LM head.

    ``head`` is None for an encoder, whose classification or regression head is a part of the model.
    Without an adapter all weights are frozen; to train them, ask for ``AdapterConfig(kind="full")``. An
    encoder-decoder's ``model.config.decoder_start_token_id`` is what its decoder reads first.
    """

    model: Any
    tokenizer: Any
    resolved: ResolvedModel
    head: LMHead | None
    architecture: Architecture = "causal"


def load_model(
    name: str | Path | ResolvedModel,
    *,
    dtype: DType = "auto",
    device: str | torch.device | None = None,
    adapter: AdapterConfig | None = None,
    attention: str = "auto",
    quantization: Quantization | None = None,
    trust_remote_code: bool = False,
    offline: bool = False,
    base: str | Path | None = None,
    on_progress: Progress | None = None,
) -> LoadedModel:
    """Load a causal language model or an encoder-decoder by alias, hub id, folder (a model or a PEFT adapter) or GGUF.

    An adapter's base model is the one that it names, unless ``base`` says where else it is.

    ``dtype`` is that of the frozen weights; "auto" is bfloat16 where the device computes in it (CUDA, CPUs with AVX-512
    BF16 or AMX), else float32. Trained weights are always float32. ``device`` None is CUDA where there is one.
    ``attention`` is "auto" (see :func:`~counterpoise.models.architecture.attention_kernel`) or transformers' name of
    the kernel: sdpa, eager, flash_attention_2 ... ``quantization`` "nf4" keeps linear layers, but not the LM head, in 4
    bits and computes in ``dtype`` (QLoRA, Dettmers et al. 2023, arXiv 2305.14314); an adapter of kind qlora implies it.

    Raises UserError as :func:`resolve` does, and for pickled weights, an encoder or a model without an LM head, weights
    that the files lack, an LM head that :func:`verify_head` does not understand, an attention kernel that computes
    another model than this one, and quantisation without bitsandbytes.
    """
    if adapter is not None and adapter.kind == "qlora":
        quantization = "nf4"
    resolved = name if isinstance(name, ResolvedModel) else resolve(name, offline=offline, on_progress=on_progress)
    place = torch.device(device) if device is not None else default_device()
    tokenizer = load_tokenizer(resolved, trust_remote_code=trust_remote_code, offline=offline)
    if resolved.is_adapter:
        if adapter is not None:
            raise UserError(f"{resolved.name}: this is an adapter already; merge it into a model to train another.")
        whole = resolve(base or base_name(resolved), offline=offline, on_progress=on_progress)
    elif base is not None:
        raise UserError(
            f"{resolved.name}: this is no adapter, so {base} cannot be its base model; name one of the two."
        )
    else:
        whole = resolved
    model, architecture = _load_base(
        whole, choose_dtype(dtype, place), attention, trust_remote_code, quantization=quantization, place=place
    )
    _agree(model, tokenizer, whole)
    model.requires_grad_(False)
    verify_head(model, name=whole.name)
    if resolved.is_adapter:
        from peft import PeftModel

        with quiet_peft():
            model = PeftModel.from_pretrained(model, str(resolved.path)).eval()
    elif adapter is not None:
        model = apply_adapter(model, adapter)
    return LoadedModel(model, tokenizer, resolved, find_head(model), architecture)


def load_tokenizer(
    name: str | Path | ResolvedModel, *, trust_remote_code: bool = False, offline: bool = False
) -> PreTrainedTokenizerBase:
    """Load a model's tokenizer and make sure that it has a pad token.

    Where it has none, a token made for padding is taken if the vocabulary holds one, else the end-of-text token;
    labels are masked by position here, never by comparison with the pad token.
    """
    resolved = name if isinstance(name, ResolvedModel) else resolve(name, offline=offline)
    path = resolved.path
    if resolved.is_adapter and not (path / "tokenizer_config.json").is_file():
        path = resolve(base_name(resolved), offline=offline).path
    if not any((path / file).is_file() for file in _TOKENIZER_FILES):
        raise UserError(f"{resolved.name}: there is no tokenizer in {path}; expected tokenizer.json.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=trust_remote_code)
    except Exception as error:  # whatever the tokenizer's own library raises
        raise cannot_load(resolved, "its tokenizer", error) from error
    if tokenizer.pad_token is None:
        vocabulary = tokenizer.get_vocab()
        pads = ("<|pad|>", "<pad>", "[PAD]", "<|finetune_right_pad_id|>", "<|padding|>")
        tokenizer.pad_token = next((p for p in pads if p in vocabulary), tokenizer.eos_token)
    if tokenizer.pad_token is None:
        raise UserError(f"{resolved.name}: its tokenizer has neither a pad token nor an end-of-text token.")
    return tokenizer


def choose_dtype(dtype: DType, device: torch.device) -> torch.dtype:
    """Return the dtype of the frozen weights on a device; see :func:`load_model`."""
    if dtype not in ("auto", "float32", "bfloat16"):
        raise UserError(f"dtype is {dtype!r}; expected auto, float32 or bfloat16.")
    if dtype != "auto":
        return torch.float32 if dtype == "float32" else torch.bfloat16
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device.type == "cpu" and cpu_has_bfloat16()
    return torch.bfloat16 if fast else torch.float32


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices itself; emulated, it is slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def default_device() -> torch.device:
    """Return the GPU if there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _load_base(
    resolved: ResolvedModel,
    dtype: torch.dtype,
    attention: str,
    trust: bool,
    *,
    quantization: Quantization | None,
    place: torch.device,
) -> tuple[Any, Architecture]:
    name = resolved.name
    try:
        config = AutoConfig.from_pretrained(resolved.path, trust_remote_code=trust)
    except Exception as error:  # unknown architecture, broken JSON, code that was not trusted
        raise cannot_load(resolved, "its config.json", error) from error
    architecture = text_architecture(name, config)
    loader = AutoModelForCausalLM if architecture == "causal" else AutoModelForSeq2SeqLM
    options: dict[str, Any] = {"attn_implementation": attention_kernel(name, config, attention)}
    if quantization is not None:
        options |= {"quantization_config": four_bit_config(dtype), "device_map": {"": place}}
    try:
        with no_progress_bars():
            model, report = loader.from_pretrained(
                resolved.path,
                config=config,
                dtype=dtype,
                trust_remote_code=trust,
                use_safetensors=True,
                output_loading_info=True,
                **options,
            )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # transformers raises ValueError, OSError, RuntimeError, ImportError ...
        raise cannot_load(resolved, "the model", error) from error
    if missing := sorted(report["missing_keys"]):
        raise UserError(
            f"{name}: its files lack {len(missing)} weights that {type(model).__name__} needs (first: {missing[0]}), "
            "so it would predict at random; expected a language model with its LM head."
        )
    model.name_or_path = resolved.portable_name  # PEFT writes it into adapters as the base model
    if quantization is None:
        return model.to(place).eval(), architecture
    keep_trainable(model)
    return model.eval(), architecture


def _agree(model: Any, tokenizer: Any, resolved: ResolvedModel) -> None:
    """Check that every token has an embedding; tell the model which token pads and which one a decoder begins with."""
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise UserError(
            f"{resolved.name}: its tokenizer has {len(tokenizer):,} tokens but the model knows {rows:,}; "
            "the tokenizer belongs to another model."
        )
    for settings in (model.config, getattr(model, "generation_config", None)):
        if settings is not None and getattr(settings, "pad_token_id", None) is None:
            settings.pad_token_id = tokenizer.pad_token_id
    if model.config.is_encoder_decoder and model.config.decoder_start_token_id is None:
        start = model.generation_config.decoder_start_token_id
        if start is None:
            raise UserError(
                f"{resolved.name}: its config.json has no decoder_start_token_id; T5's is the pad token's id."
            )
        model.config.decoder_start_token_id = start


def base_name(resolved: ResolvedModel) -> str:
    """Return the model that an adapter is for, as its config names it; UserError if it names none."""
    import json

    try:
        config = json.loads((resolved.path / "adapter_config.json").read_text(encoding="utf-8"))
        base = config["base_model_name_or_path"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{resolved.name}: adapter_config.json names no base model.") from error
    if not isinstance(base, str):
        raise UserError(f"{resolved.name}: adapter_config.json names no base model.")
    return base


def cannot_load(resolved: ResolvedModel, what: str, error: Exception) -> UserError:
    """Return what to tell the user when transformers could not load ``what`` ("the model", "its tokenizer")."""
    text = str(error)
    if "trust_remote_code" in text:
        return UserError(
            f"{resolved.name}: this model brings its own code, which is not run; read that code, and set "
            "trust_remote_code: true if you want it to run."
        )
    reason = (text.strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return UserError(f"{resolved.name}: {what} cannot be loaded ({reason}).")
