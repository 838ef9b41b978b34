"""The byte-level tokenizer of the tiny models with a few merges, as a GGUF file needs them."""

from tiny_models import byte_alphabet, tiny_tokenizer

MERGES = [("i", "n"), ("in", "g"), ("Ġ", "p"), ("1", "2")]


def merging_tokenizer():
    """263 tokens: those of ``tiny_tokenizer`` and one for each of ``MERGES``."""
    from tokenizers import models

    tokens = byte_alphabet() + ["".join(pair) for pair in MERGES]
    tokenizer = tiny_tokenizer()
    specials = {token: tokenizer.backend_tokenizer.get_added_tokens_decoder()[i] for i, token in enumerate(tokens[:3])}
    tokenizer.backend_tokenizer.model = models.BPE({token: i for i, token in enumerate(tokens)}, MERGES)
    tokenizer.backend_tokenizer.add_special_tokens(list(specials.values()))
    return tokenizer
