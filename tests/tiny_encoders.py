"""Tiny random encoders with a WordPiece tokenizer, and toy data that they learn in seconds.

folder = write_encoder("bert", tmp_path / "bert")      # as it comes from pretraining: no head for a task
"""

import random

from counterpoise.data.labelled_reading import LabelledExample, LabelSpace

WORDS = ["the", "a", "of", "and", "in", "patient", "gene", "level"]
WORDS += ["was", "is", "high", "low", "rises", "falls", "mouse", "tissue", "binds", "acts", "cell", "protein"]
GENES = ["gfap", "tp", "##53", "##1", "brca", "il", "##6", "kinase", "alpha"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *GENES]
ENCODERS = ("bert", "roberta", "electra", "distilbert", "deberta-v2", "modernbert")


def wordpiece_tokenizer(max_length=64):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {word: i for i, word in enumerate(VOCABULARY)}
    backend = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=max_length,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def encoder_config(family, **changes):
    import transformers as tf

    common = {"vocab_size": len(VOCABULARY), "pad_token_id": 0, "max_position_embeddings": 66}
    bert = common | {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "type_vocab_size": 2,
        "initializer_range": 0.15,  # so narrow a model would learn nothing from the usual 0.02 in a few hundred steps
    }
    if family == "bert":
        return tf.BertConfig(**(bert | changes))
    if family == "roberta":
        return tf.RobertaConfig(**(bert | changes))
    if family == "electra":
        return tf.ElectraConfig(**(bert | {"embedding_size": 32} | changes))
    if family == "deberta-v2":
        relative = {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False}
        return tf.DebertaV2Config(**(bert | relative | changes))
    if family == "distilbert":
        shape = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "dropout": 0.0, "attention_dropout": 0.0}
        return tf.DistilBertConfig(**(common | shape | changes))
    modern = {"cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
    plain = {k: v for k, v in bert.items() if "prob" not in k and k != "type_vocab_size"}
    return tf.ModernBertConfig(**(plain | modern | changes))


def write_encoder(family, folder, **changes):
    """Save a random encoder as pretraining leaves it: with its masked-word head (BERT: body and pooler alone)."""
    import torch
    from transformers import AutoModel, AutoModelForMaskedLM

    torch.manual_seed(0)
    kind = AutoModel if family == "bert" else AutoModelForMaskedLM
    kind.from_config(encoder_config(family, **changes)).save_pretrained(folder)
    wordpiece_tokenizer().save_pretrained(folder)
    return folder


def toy_tagged(count, seed=0):
    """Sentences with gene names, which after ``mouse`` are none: what a dictionary cannot tell."""
    draw = random.Random(seed)
    examples = []
    for number in range(count):
        pieces = [([word], ["O"]) for word in draw.choices(WORDS[:8], k=draw.randint(2, 6))]
        for _ in range(draw.randint(0, 2)):
            name = [draw.choice(["GFAP", "TP53", "BRCA1", "IL6"]), *draw.choice([[], ["kinase"], ["kinase", "alpha"]])]
            tags = ["B-Gene", *["I-Gene"] * (len(name) - 1)]
            mouse = draw.random() < 0.4
            pieces.append((["mouse" if mouse else "patient", *name], ["O", *(["O"] * len(name) if mouse else tags)]))
        draw.shuffle(pieces)
        words, tags = (tuple(x for piece in pieces for x in piece[side]) for side in (0, 1))
        examples.append(LabelledExample(words=words, tags=tags, source=f"toy:{number + 1}"))
    return examples, LabelSpace("token-classification", ("O", "B-Gene", "I-Gene"))


def toy_texts(count, seed=0):
    """Texts labelled by what they say of the level; the pair of a text is noise."""
    draw = random.Random(seed)
    examples = []
    for number in range(count):
        words = draw.choices([w for w in WORDS if w not in ("high", "low")], k=draw.randint(3, 9))
        label = draw.choice(["down", "none", "none", "up"])
        if label != "none":
            words.insert(draw.randrange(len(words)), {"up": "high", "down": "low"}[label])
        pair = " ".join(draw.choices(WORDS[:5], k=3))
        examples.append(LabelledExample(" ".join(words), pair, label=label, source=f"toy:{number + 1}"))
    return examples, LabelSpace("sequence-classification", ("down", "none", "up"))


def toy_scores(count, seed=0):
    """Texts whose value, far from 0 and in a large unit, grows with the times that they say ``high``."""
    draw = random.Random(seed)
    examples = []
    for number in range(count):
        times = draw.randint(0, 4)
        words = draw.choices(WORDS[:8], k=6 - times) + ["high"] * times
        draw.shuffle(words)
        value = 100.0 + 20.0 * times
        examples.append(LabelledExample(" ".join(words), value=value, source=f"toy:{number + 1}"))
    return examples, LabelSpace("regression", (), 140.0, 28.0)
