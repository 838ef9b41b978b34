"""Write a model as one GGUF file, for llama.cpp and the programs built on it.

    from counterpoise.models.export import export_gguf
    export_gguf("merged", "merged.Q8_0.gguf", quantization="q8_0")
    counterpoise export merged --gguf merged.gguf --type q8_0          # the same on the command line

Llama, Qwen 2 and Qwen 3 models with a byte-level tokenizer; for the rest there is llama.cpp's own converter. Vectors
(norms, biases) stay float32, as llama.cpp wants them. `load_model("merged.gguf")` reads such a file back.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from counterpoise.errors import UserError
from counterpoise.models.fetch import Progress, ResolvedModel, resolve
from counterpoise.models.gguf_tokenizer import write_tokenizer
from counterpoise.models.load import load_model

Quantization = Literal["f32", "f16", "bf16", "q8_0"]

FAMILIES = ("llama", "qwen2", "qwen3")
_ELSEWHERE = "use llama.cpp's convert_hf_to_gguf.py on the model folder"


@dataclass(frozen=True)
class Exported:
    """The file that was written; ``wider`` names the matrices whose rows do not fill Q8_0's blocks and are F16."""

    path: Path
    quantization: Quantization
    size: int
    tensors: int
    wider: tuple[str, ...]


def export_gguf(
    name: str | Path,
    path: str | Path,
    *,
    quantization: Quantization = "bf16",
    offline: bool = False,
    on_progress: Progress | None = None,
) -> Exported:
    """Write a model and its tokenizer into one GGUF file.

    Args:
        name: alias, hub id, folder or GGUF file of a whole model; an adapter has to be merged first.
        path: the file to write; must not exist.
        quantization: of the matrices. bf16 keeps what most models ship, bit by bit; q8_0 halves that, with one scale
            for each 32 weights; f16 and f32 are the alternatives.

    Memory: the model in its own dtype, and one matrix more. Raises UserError for an adapter, for an architecture, a
    setting or a tokenizer that this writer does not know, and for weights beyond the range of F16.
    """
    path = Path(path)
    if quantization not in get_args(Quantization):
        raise UserError(f"GGUF type is {quantization!r}; expected {', '.join(get_args(Quantization))}.")
    if path.exists():
        raise UserError(f"{path}: this file exists; give a new name, or delete it first.")
    resolved = resolve(name, offline=offline, on_progress=on_progress)
    if resolved.is_adapter:
        raise UserError(f"{name}: this is an adapter; merge it first (counterpoise merge {name} --out merged).")
    config = _require_known(resolved)
    dtype: Any = "bfloat16" if str(config.dtype) == "torch.bfloat16" else "float32"
    loaded = load_model(resolved, dtype=dtype, device="cpu", offline=offline, on_progress=on_progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    try:
        tensors, wider = _write(draft, loaded.model, loaded.tokenizer, Path(resolved.portable_name).name, quantization)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Exported(path, quantization, path.stat().st_size, tensors, tuple(wider))


def _require_known(resolved: ResolvedModel) -> Any:
    """Return the model's config; UserError for what the metadata below could not say."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(resolved.path)
    if config.model_type not in FAMILIES:
        raise UserError(
            f"{resolved.name}: a {config.model_type} model cannot be written as GGUF here, only {', '.join(FAMILIES)}; "
            f"{_ELSEWHERE}."
        )
    rope = getattr(config, "rope_parameters", None) or {}
    layers = set(getattr(config, "layer_types", None) or ["full_attention"])
    strange = {
        "rope_type": rope.get("rope_type", "default") != "default",
        "hidden_act": config.hidden_act != "silu",
        "attention_bias": config.model_type != "qwen2" and getattr(config, "attention_bias", False),
        "mlp_bias": getattr(config, "mlp_bias", False),
        "layer_types": layers != {"full_attention"},
    }
    if found := [setting for setting, is_strange in strange.items() if is_strange]:
        raise UserError(
            f"{resolved.name}: its config.json sets {found[0]} to something that is not written as GGUF here; "
            f"{_ELSEWHERE}."
        )
    return config


def _write(path: Path, model: Any, tokenizer: Any, title: str, quantization: Quantization) -> tuple[int, list[str]]:
    """Write the file, tensor by tensor; return how many, and which were written as F16 instead of Q8_0."""
    import numpy as np
    from gguf import GGUFWriter
    from gguf.quants import quant_shape_to_byte_shape

    config = model.config
    writer = GGUFWriter(path, config.model_type)
    writer.add_name(title)
    _write_config(writer, config, quantization)
    write_tokenizer(writer, tokenizer, config.vocab_size)
    types = {name: _type_of(tensor, quantization) for name, tensor in _tensors(model)}
    for name, tensor in _tensors(model):
        shape = quant_shape_to_byte_shape(tensor.shape, types[name])
        writer.add_tensor_info(name, shape, np.dtype(np.uint8), math.prod(shape), raw_dtype=types[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, tensor in _tensors(model):
        writer.write_tensor_data(_packed(name, tensor, types[name]))
    writer.close()
    wider = [name for name, kind in types.items() if quantization == "q8_0" and kind.name == "F16"]
    return len(types), wider


def _write_config(writer: Any, config: Any, quantization: Quantization) -> None:
    from gguf import GGML_QUANT_VERSION, LlamaFileType

    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    file_types = {"f32": LlamaFileType.ALL_F32} | {
        kind: LlamaFileType[f"MOSTLY_{kind.upper()}"] for kind in ("f16", "bf16", "q8_0")
    }
    writer.add_file_type(file_types[quantization])
    writer.add_quantization_version(GGML_QUANT_VERSION)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(float(config.rope_parameters["rope_theta"]))


def _tensors(model: Any) -> Iterator[tuple[str, Any]]:
    """Each weight under its GGUF name, in llama.cpp's order of rows; a tied LM head is the embedding and left out."""
    from gguf import MODEL_ARCH, get_tensor_name_map

    config = model.config
    names = get_tensor_name_map(MODEL_ARCH[config.model_type.upper()], config.num_hidden_layers)
    heads = {".attn_q.": config.num_attention_heads, ".attn_k.": config.num_key_value_heads}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        translated = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if translated is None:
            raise UserError(f"{name}: GGUF has no name for this weight of a {config.model_type} model; {_ELSEWHERE}.")
        count = next((heads[part] for part in heads if part in translated), None)
        if config.model_type == "llama" and count is not None:
            tensor = _interleaved(tensor, count)
        yield translated, tensor


def _interleaved(weight: Any, heads: int) -> Any:
    """Reorder the rows of q or k [heads * D, H]: llama.cpp rotates neighbours (2i, 2i+1), transformers (i, i + D/2)."""
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).reshape(weight.shape)


def _type_of(tensor: Any, quantization: Quantization) -> Any:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if tensor.dim() < 2:
        return GGMLQuantizationType.F32
    wanted = GGMLQuantizationType[quantization.upper()]
    block, _ = GGML_QUANT_SIZES[wanted]
    return wanted if tensor.shape[-1] % block == 0 else GGMLQuantizationType.F16


def _packed(name: str, tensor: Any, kind: Any) -> Any:
    """The bytes of a tensor as a NumPy array of the GGUF type's own layout."""
    import numpy as np
    from gguf.quants import quantize

    values = tensor.float().contiguous().numpy()
    if kind.name == "F16" and np.abs(values).max(initial=0) > np.finfo(np.float16).max:
        raise UserError(f"{name}: a weight lies beyond the range of F16; choose bf16 or f32.")
    return quantize(values, kind)
