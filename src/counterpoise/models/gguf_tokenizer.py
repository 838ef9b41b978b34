"""Write a byte-level BPE tokenizer and its chat template into the metadata of a GGUF file.

    write_tokenizer(writer, tokenizer, vocab_size)

Most decoders of today (Llama 3, Qwen, SmolLM, GPT-2) have such a tokenizer. What differs between them is how text is
split before the merges; GGUF names each such rule, and a rule that it is not told of would silently change tokens.
"""

import json
from typing import Any

from counterpoise.errors import UserError

_WORDS_AND_DIGITS = (  # of tiktoken's cl100k; families differ in how many digits stay together
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_BYTES = "bytes"
_GPT2_BYTES = "bytes after GPT-2's split"

SPLITS: dict[tuple[str, ...], str] = {
    (_GPT2_BYTES,): "gpt-2",
    ("single digits", _GPT2_BYTES): "smollm",
    (_WORDS_AND_DIGITS % r"\p{N}{1,3}", _BYTES): "llama-bpe",
    (_WORDS_AND_DIGITS % r"\p{N}", _BYTES): "qwen2",
}
"""How text is split before the merges, step by step, and what GGUF calls it."""


def write_tokenizer(writer: Any, tokenizer: Any, vocab_size: int) -> None:
    """Add tokens, merges, special tokens and the chat template to a ``gguf.GGUFWriter``.

    Args:
        tokenizer: a fast tokenizer of transformers.
        vocab_size: rows of the model's embedding; those without a token get a placeholder.

    Raises UserError for a tokenizer that is not byte-level BPE or whose split GGUF has no known name for.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    data = {} if backend is None else json.loads(backend.to_str())
    split = _split_name(data)
    if split is None:
        raise UserError(
            f"{tokenizer.name_or_path}: its tokenizer is not one of the byte-level ones that are written as GGUF here "
            f"({', '.join(SPLITS.values())}); use llama.cpp's convert_hf_to_gguf.py on the model folder."
        )
    tokens, types = _tokens(backend, vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in data["model"]["merges"]])
    for name, add in (
        ("bos", writer.add_bos_token_id),
        ("eos", writer.add_eos_token_id),
        ("unk", writer.add_unk_token_id),
        ("pad", writer.add_pad_token_id),
    ):
        if (token := getattr(tokenizer, f"{name}_token_id")) is not None:
            add(token)
    ids = tokenizer("a").input_ids
    writer.add_add_bos_token(tokenizer.bos_token_id is not None and ids[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(tokenizer.eos_token_id is not None and ids[-1] == tokenizer.eos_token_id)
    if template := tokenizer.chat_template:
        if isinstance(template, dict):  # several by name
            template = [{"name": name, "template": text} for name, text in template.items()]
        writer.add_chat_template(template)


def _split_name(data: dict[str, Any]) -> str | None:
    """What GGUF calls the way in which a tokenizers JSON splits text; None if it is not byte-level BPE or not known."""
    model, normalizer = data.get("model") or {}, data.get("normalizer")
    if model.get("type") != "BPE" or model.get("byte_fallback") or not model.get("merges"):
        return None
    if normalizer and normalizer["type"] != "NFC":  # Qwen's; llama.cpp leaves it out, and composed text is NFC already
        return None
    top = data.get("pre_tokenizer") or {}
    steps = top["pretokenizers"] if top.get("type") == "Sequence" else [top]
    return SPLITS.get(tuple(map(_step, steps)))


def _step(step: dict[str, Any]) -> str:
    match step:
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": regex}:
            return _GPT2_BYTES if regex else _BYTES
        case {"type": "Digits", "individual_digits": True}:
            return "single digits"
        case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}:
            return str(pattern)
    return "another"


def _tokens(backend: Any, vocab_size: int) -> tuple[list[str], list[int]]:
    from gguf import TokenType

    added = backend.get_added_tokens_decoder()
    tokens, types = [], []
    for index in range(vocab_size):
        token = backend.id_to_token(index)
        if token is None:
            kind = TokenType.UNUSED
        elif index not in added:
            kind = TokenType.NORMAL
        else:
            kind = TokenType.CONTROL if added[index].special else TokenType.USER_DEFINED
        tokens.append(f"[PAD{index}]" if token is None else token)
        types.append(kind)
    return tokens, types
