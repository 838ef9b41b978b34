"""One tiny random model a family, for tests that must hold whatever the architecture.

    model = tiny_family("gemma2")               # seeded weights, eval mode, float32
    folder = write_family("t5", tmp_path)       # the same model with a byte-level tokenizer, as a folder to load

Weights are amplified so that attention, positions and virtual tokens show in the logits: freshly initialised models
hardly look at their context.
"""

from pathlib import Path

from tiny_models import byte_alphabet, tiny_tokenizer

CAUSAL = ("llama", "qwen3", "gemma2", "gpt2")
ENCODER_DECODER = ("t5", "mt5")
FAMILIES = CAUSAL + ENCODER_DECODER

VOCABULARY = 272  # the 259 tokens of the byte-level tokenizer, and a few more as real models have them
PAD, EOS = 0, 2  # <|endoftext|> and <|im_end|>


def family_config(name, **changes):
    """The configuration of a tiny model; ``changes`` replace settings by name."""
    import transformers as tf

    ends = {"vocab_size": VOCABULARY, "bos_token_id": 1, "eos_token_id": EOS, "pad_token_id": PAD}
    modern = ends | {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 256,
    }
    relative = {
        "vocab_size": VOCABULARY,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 48,
        "num_layers": 2,
        "num_heads": 4,
        "dropout_rate": 0.0,
        "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 16,
        "eos_token_id": EOS,
        "pad_token_id": PAD,
        "decoder_start_token_id": PAD,
    }
    if name == "llama":
        return tf.LlamaConfig(**(modern | changes))
    if name == "qwen3":
        return tf.Qwen3Config(**(modern | changes))
    if name == "gemma2":  # one layer slides, the other sees everything
        return tf.Gemma2Config(**(modern | {"sliding_window": 8, "query_pre_attn_scalar": 8} | changes))
    if name == "gpt2":
        shape = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
        silent = {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0}
        return tf.GPT2Config(**(ends | shape | silent | changes))
    if name == "t5":  # tie_word_embeddings=False makes it one of T5 1.1 (FLAN-T5, UL2), whose outputs are not scaled
        return tf.T5Config(**(relative | changes))
    if name == "mt5":
        return tf.MT5Config(**(relative | {"feed_forward_proj": "gated-gelu"} | changes))
    raise ValueError(f"family is {name!r}; expected one of {', '.join(FAMILIES)}")


def tiny_family(name, seed=0, **changes):
    """A model with random weights; the caller's random numbers are left as they were."""
    import torch
    import transformers as tf

    kind = tf.AutoModelForSeq2SeqLM if name in ENCODER_DECODER else tf.AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind.from_config(family_config(name, **changes))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.copy_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def family_tokenizer(name):
    """The byte-level tokenizer; that of an encoder-decoder has a pad token and ends what it encodes with eos."""
    tokenizer = tiny_tokenizer()
    if name not in ENCODER_DECODER:
        return tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    backend = tokenizer.backend_tokenizer
    end = byte_alphabet()[EOS]
    backend.post_processor = TemplateProcessing(single=f"$A {end}", special_tokens=[(end, EOS)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=end, pad_token=byte_alphabet()[PAD])


def write_family(name, folder, seed=0, **changes) -> Path:
    """Save the model and its tokenizer; returns the folder."""
    tiny_family(name, seed, **changes).save_pretrained(folder)
    family_tokenizer(name).save_pretrained(folder)
    return Path(folder)
