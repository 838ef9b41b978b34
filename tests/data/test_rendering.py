"""The supervised tokens are the assistant's words and their end token; the prompt is what generation sees.

The tokenizers are real and small: byte-level BPE with the templates of common model families, and a Unigram with the
dummy prefix of SentencePiece, trained or built here.
"""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from counterpoise.data.encoded import Encoded, EncodingReport
from counterpoise.data.example import Example, Message, Role
from counterpoise.data.rendering import Renderer, encode_all
from counterpoise.errors import UserError
from tiny_families import EOS, PAD, family_tokenizer

SPECIAL = [
    "<s>",
    "</s>",
    "<pad>",
    "<|im_start|>",
    "<|im_end|>",
    "<|header|>",
    "<|/header|>",
    "<|eot|>",
    "<turn>",
    "</turn>",
]
SENTENCES = [
    "The human gene GFAP is part of astrocyte development.\n\nuser assistant system model",
    "Which process?\n" * 3,
]

CHATML = """{%- for message in messages -%}
{%- if loop.first and message['role'] != 'system' -%}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{%- endif -%}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"""

LLAMA3 = """{{- bos_token -}}{%- for message in messages -%}
{{- '<|header|>' + message['role'] + '<|/header|>\\n\\n' + message['content'] | trim + '<|eot|>' -}}
{%- endfor -%}{%- if add_generation_prompt -%}{{ '<|header|>assistant<|/header|>\\n\\n' }}{%- endif -%}"""

GEMMA = """{{- bos_token -}}{%- for message in messages -%}
{%- if message['role'] == 'system' -%}{{ raise_exception('System role not supported') }}{%- endif -%}
{%- set role = 'model' if message['role'] == 'assistant' else 'user' -%}
{{- '<turn>' + role + '\\n' + message['content'] | trim + '</turn>\\n' -}}
{%- endfor -%}{%- if add_generation_prompt -%}{{ '<turn>model\\n' }}{%- endif -%}"""

INST = """{{- bos_token -}}{%- for message in messages -%}
{%- if message['role'] == 'assistant' -%}{{ ' ' + message['content'] + eos_token }}
{%- else -%}{{ '[INST] ' + message['content'] + ' [/INST]' }}{%- endif -%}{%- endfor -%}"""

NO_END = """{%- for message in messages -%}{{ message['role'] + ': ' + message['content'] + '\\n' }}{%- endfor -%}
{%- if add_generation_prompt -%}{{ 'assistant: ' }}{%- endif -%}"""

DROPS_REASONING = """{%- for message in messages -%}{%- set content = message['content'] -%}
{%- if message['role'] == 'assistant' and not loop.last -%}
{%- set content = content.split('</think>')[-1] -%}
{%- endif -%}
{%- if message['role'] == 'assistant' -%}{{ '<|im_start|>assistant\\n' }}
{%- generation -%}{{ content + '<|im_end|>' }}{%- endgeneration -%}{{ '\\n' }}
{%- else -%}{{- '<|im_start|>' + message['role'] + '\\n' + content + '<|im_end|>\\n' -}}{%- endif -%}{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"""
UNMARKED = DROPS_REASONING.replace("\n{%- generation -%}", "").replace("{%- endgeneration -%}", "")

# template, the end token of a turn, does it trim
FAMILIES: dict[str, tuple[str | None, str, bool]] = {
    "chatml": (CHATML, "<|im_end|>", False),
    "llama3": (LLAMA3, "<|eot|>", True),
    "gemma": (GEMMA, "</turn>", True),
    "plain": (None, "</s>", False),
    "no-end": (NO_END, "</s>", False),
}


@cache
def byte_level(template: str | None = None, adds_bos: bool = False, prefix_space: bool = False) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return wrapped(tokenizer, template, adds_bos)


@cache
def dummy_prefix(template: str | None = None) -> Any:
    """As Llama 2 has it: a blank before every text, blanks as '▁', bytes for what is not in the vocabulary."""
    words = ["▁", "▁the", "▁gene", "▁GFAP", "GFAP", "user", "▁user", "\n\n", "ab", "bc", "▁a", "▁b"]
    letters = [chr(code) for code in range(33, 127)]
    pieces = ["<unk>", *SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *words, *letters]
    scores = [(piece, -1.0 if piece in words else -5.0) for piece in pieces]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=0, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(SPECIAL)
    return wrapped(tokenizer, template, adds_bos=True)


def wrapped(tokenizer: Tokenizer, template: str | None, adds_bos: bool) -> Any:
    if adds_bos:
        bos = [("<s>", tokenizer.token_to_id("<s>"))]
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=bos)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    fast.add_special_tokens({"additional_special_tokens": SPECIAL[3:]})
    fast.chat_template = template
    return fast


@cache
def renderer(family: str) -> Renderer:
    return Renderer(byte_level(FAMILIES[family][0], adds_bos=family in ("plain", "llama3")))


def conversation(*turns: str | tuple[str, bool], system: str | None = None, source: str = "rows.jsonl:1") -> Example:
    """Turns by user and assistant in turn; (text, False) is an assistant turn that is not learned."""
    messages = [Message("system", system)] if system is not None else []
    for number, turn in enumerate(turns):
        role: Role = "user" if number % 2 == 0 else "assistant"
        text, train = turn if isinstance(turn, tuple) else (turn, True)
        messages.append(Message(role, text, train))
    return Example(tuple(messages), source)


def decoded(tokenizer: Any, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def spans(tokenizer: Any, encoded: Encoded) -> list[str]:
    """The text of each run of supervised tokens."""
    runs: list[list[int]] = []
    for t, (token, marked) in enumerate(zip(encoded.input_ids, encoded.supervised, strict=True)):
        if marked and (t == 0 or not encoded.supervised[t - 1]):
            runs.append([])
        if marked:
            runs[-1].append(token)
    return [decoded(tokenizer, run) for run in runs]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
LOOSE = st.builds(
    "{}{}{}".format, st.sampled_from(["", " ", "\n", "\n\n ", "\t"]), TEXT, st.sampled_from(["", " ", "\n"])
)
ANSWER = LOOSE.filter(lambda text: text.strip() and not any(token in text for token in SPECIAL))


@pytest.mark.parametrize("family", FAMILIES)
@given(question=ANSWER, answer=ANSWER)
def test_the_supervised_tokens_are_the_answer_and_its_end(family: str, question: str, answer: str) -> None:
    render, (_, end, trims) = renderer(family), FAMILIES[family]
    encoded = render.encode(conversation(question, answer))
    assert spans(render.tokenizer, encoded) == [(answer.strip() if trims else answer) + end]
    start = encoded.supervised.index(True)
    prompt = render.tokenizer.apply_chat_template(
        [{"role": "user", "content": question}],
        tokenize=False,
        add_generation_prompt=True,
        chat_template=render.chat_template,
    )
    as_generated = render.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    assert encoded.input_ids[:start] == as_generated == render.prompt_ids([Message("user", question)])
    whole = decoded(render.tokenizer, encoded.input_ids)
    assert whole.startswith(prompt)
    assert render.tokenizer.bos_token_id not in encoded.input_ids[1:]  # no second bos


@pytest.mark.parametrize("family", FAMILIES)
@given(
    st.lists(st.tuples(ANSWER, ANSWER, st.booleans()), min_size=1, max_size=4).filter(
        lambda rows: any(r[2] for r in rows)
    )
)
@settings(max_examples=50)
def test_each_learned_turn_of_a_conversation_is_supervised(family: str, rows: list[tuple[str, str, bool]]) -> None:
    render, (_, end, trims) = renderer(family), FAMILIES[family]
    example = conversation(*(turn for question, answer, train in rows for turn in (question, (answer, train))))
    encoded = render.encode(example)
    answers = [answer.strip() if trims else answer for _, answer, train in rows if train]
    last = end if family != "no-end" or rows[-1][2] else ""
    ends = [end if family != "no-end" else ""] * (len(answers) - 1) + [last]
    assert spans(render.tokenizer, encoded) == [answer + stop for answer, stop in zip(answers, ends, strict=True)]
    whole = render.tokenizer.apply_chat_template(
        [{"role": message.role, "content": message.content} for message in example.messages],
        tokenize=False,
        chat_template=render.chat_template,
    )
    if family == "no-end" and rows[-1][2]:
        whole = whole[:-1] + "</s>"  # in place of the template's last newline
    assert decoded(render.tokenizer, encoded.input_ids) == whole


def test_a_default_system_prompt_is_context() -> None:
    encoded = renderer("chatml").encode(conversation("Which process?", "astrocyte development"))
    tokenizer = renderer("chatml").tokenizer
    assert decoded(tokenizer, encoded.input_ids).startswith(
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n"
    )
    assert decoded(tokenizer, encoded.input_ids[-1:]) == "\n"
    assert not encoded.supervised[-1]  # the template's newline after the end token
    own = renderer("chatml").encode(conversation("Which process?", "glia", system="Be brief."))
    assert "Be kind." not in decoded(tokenizer, own.input_ids)


def test_an_assistant_who_speaks_first() -> None:
    example = Example((Message("assistant", "Hello"), Message("user", "Hi"), Message("assistant", "Yes?")), "a:1")
    render = renderer("llama3")
    assert spans(render.tokenizer, render.encode(example)) == ["Hello<|eot|>", "Yes?<|eot|>"]
    with pytest.raises(UserError, match="a:1: the chat template does not write this conversation turn by turn"):
        renderer("chatml").encode(example)  # an empty prompt gets no default system turn, the conversation does


def test_a_conversation_that_ends_with_the_user() -> None:
    for family, end in (("chatml", "<|im_end|>"), ("plain", "</s>"), ("no-end", "")):
        example = Example((*conversation("Hi", "Hello ").messages, Message("user", "Bye")), "a:1")
        assert spans(renderer(family).tokenizer, renderer(family).encode(example)) == [f"Hello {end}"]


def test_the_plain_format_is_prompt_newline_answer_eos() -> None:
    for adds_bos in (True, False):
        tokenizer = byte_level(None, adds_bos=adds_bos)
        encoded = Renderer(tokenizer).encode(conversation("Which process?", "glia", system="Be brief."))
        assert decoded(tokenizer, encoded.input_ids) == "<s>" * adds_bos + "Be brief.\nWhich process?\nglia</s>\n"
    chat = Renderer(byte_level(CHATML), chat_template="plain").encode(conversation("Which process?", "glia"))
    assert decoded(byte_level(CHATML), chat.input_ids) == "Which process?\nglia</s>\n"


def test_a_template_without_generation_prompt() -> None:
    render = Renderer(byte_level(INST))
    encoded = render.encode(conversation("Which process?", "glia", "And GFAP?", "astrocyte"))
    assert spans(render.tokenizer, encoded) == [" glia</s>", " astrocyte</s>"]
    text = "<s>[INST] Which process? [/INST] glia</s>[INST] And GFAP? [/INST] astrocyte</s>"
    assert decoded(render.tokenizer, encoded.input_ids) == text


REASONED = conversation("Which process?", "<think>hm</think>glia", "And GFAP?", "<think>oh</think>astrocyte")


def test_a_template_that_rewrites_earlier_turns_needs_marks() -> None:
    with pytest.raises(
        UserError, match=r"rows.jsonl:1: the chat template does not write this conversation turn by turn"
    ):
        Renderer(byte_level(UNMARKED)).encode(REASONED)
    render = Renderer(byte_level(DROPS_REASONING))
    assert spans(render.tokenizer, render.encode(REASONED)) == [
        "glia<|im_end|>",
        "<think>oh</think>astrocyte<|im_end|>",
    ]
    first, second = REASONED.messages[1], REASONED.messages[3]
    messages = (REASONED.messages[0], Message("assistant", first.content, train=False), REASONED.messages[2], second)
    for template in (UNMARKED, DROPS_REASONING):  # the last answer alone has an exact boundary
        render = Renderer(byte_level(template))
        assert spans(render.tokenizer, render.encode(Example(messages, "a:1"))) == [
            "<think>oh</think>astrocyte<|im_end|>"
        ]
    messages = (*REASONED.messages[:3], Message("assistant", second.content, train=False))
    assert spans(render.tokenizer, render.encode(Example(messages, "a:1"))) == ["glia<|im_end|>"]


def test_marks_that_do_not_match_the_turns_are_refused() -> None:
    once = DROPS_REASONING.replace("== 'assistant' -%}{{", "== 'assistant' and loop.last -%}{{")
    messages = (*REASONED.messages[:3], Message("assistant", "astrocyte", train=False))
    with pytest.raises(UserError, match="marks 1 answers where the conversation has 2"):
        Renderer(byte_level(once)).encode(Example(messages, "a:1"))


@given(question=ANSWER, answer=ANSWER, template=st.sampled_from([None, INST, NO_END]))
def test_a_dummy_prefix_is_not_put_before_the_answer(question: str, answer: str, template: str | None) -> None:
    tokenizer = dummy_prefix(template)
    render = Renderer(tokenizer)
    encoded = render.encode(conversation(question, answer))
    start = encoded.supervised.index(True)
    assert encoded.input_ids[:start] == render.prompt_ids([Message("user", question)])
    prompt = decoded(tokenizer, encoded.input_ids[:start])
    end = len(encoded.supervised) - encoded.supervised[::-1].index(True)
    lead = " " if template is INST else ""
    blanks = answer.replace("▁", " ")  # the tokenizer itself does not tell these apart
    assert decoded(tokenizer, encoded.input_ids[:end]) == prompt + lead + blanks + "</s>"
    assert encoded.input_ids.count(tokenizer.bos_token_id) == (template is not NO_END)


def test_the_ids_of_an_answer_behind_a_dummy_prefix() -> None:
    tokenizer = dummy_prefix()
    encoded = Renderer(tokenizer).encode(conversation("the gene", "GFAP"))
    assert tokenizer.convert_ids_to_tokens(encoded.input_ids) == [
        "<s>",
        "▁the",
        "▁gene",
        "<0x0A>",
        "GFAP",
        "</s>",
        "▁",
        "<0x0A>",
    ]


def test_a_byte_level_tokenizer_that_adds_a_blank() -> None:
    tokenizer = byte_level(None, prefix_space=True)
    encoded = Renderer(tokenizer).encode(conversation("Which process?", "glia"))
    assert spans(tokenizer, encoded) == ["glia</s>"]


def test_a_refusing_template_names_the_example() -> None:
    with pytest.raises(
        UserError, match=r"^rows.jsonl:1: the chat template refuses this conversation \(System role not sup"
    ):
        renderer("gemma").encode(conversation("Hi", "Hello", system="Be brief."))


def test_nothing_supervised_names_the_example() -> None:
    with pytest.raises(UserError, match=r"^rows.jsonl:1: no token is supervised once it is rendered"):
        renderer("chatml").encode(conversation("Hi", ("Hello", False)))


def test_bad_options() -> None:
    tokenizer = byte_level(CHATML)
    for options, message in (
        ({"max_length": 7}, "max_length is 7; expected at least 8"),
        ({"truncation": "answer"}, r"truncation 'answer' is unknown \(did you mean 'answer-end'\?\)"),
        ({"chat_template": "chatml"}, "chat_template 'chatml' is neither plain, nor a .jinja file"),
        ({"chat_template": "none.jinja"}, "none.jinja: no such chat template"),
    ):
        with pytest.raises(UserError, match=message):
            Renderer(tokenizer, **options)  # type: ignore[arg-type]


def test_a_template_from_a_file_or_as_text(tmp_path: Path) -> None:
    (tmp_path / "chat.jinja").write_text(LLAMA3)
    example = conversation("Hi", "Hello")
    from_file = Renderer(byte_level(CHATML), chat_template=tmp_path / "chat.jinja").encode(example)
    assert from_file == Renderer(byte_level(CHATML), chat_template=LLAMA3).encode(example)
    assert spans(byte_level(CHATML), from_file) == ["Hello<|eot|>"]


LONG = "astrocyte development " * 20


@pytest.mark.parametrize(
    ("question", "answer", "cut"),
    [("Which?", "glia", ""), ("Which?", LONG, "answer"), (LONG, "glia", "prompt"), (LONG, LONG, "both")],
)
def test_truncation_keeps_an_answer(question: str, answer: str, cut: str) -> None:
    tokenizer = byte_level(LLAMA3)
    whole = Renderer(tokenizer).encode(conversation(question, answer))
    encoded = Renderer(tokenizer, max_length=40).encode(conversation(question, answer))
    assert encoded.truncated == cut
    assert len(encoded.input_ids) == len(encoded.supervised) == min(40, len(whole.input_ids))
    assert encoded.input_ids[0] == tokenizer.bos_token_id
    supervised = [token for token, marked in zip(encoded.input_ids, encoded.supervised, strict=True) if marked]
    target = [token for token, marked in zip(whole.input_ids, whole.supervised, strict=True) if marked]
    assert supervised == target[: len(supervised)]
    assert len(supervised) == len(target) if cut in ("", "prompt") else len(supervised) >= 20
    if cut:
        with pytest.raises(UserError, match=rf"is {len(whole.input_ids)} tokens long; max_length is 40"):
            Renderer(tokenizer, max_length=40, truncation="error").encode(conversation(question, answer))


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4), st.integers(8, 80))
def test_truncation_never_takes_the_whole_answer(rows: list[tuple[str, str]], max_length: int) -> None:
    example = conversation(*(text for row in rows for text in row))
    tokenizer = byte_level(CHATML)
    whole, encoded = Renderer(tokenizer).encode(example), Renderer(tokenizer, max_length=max_length).encode(example)
    assert len(encoded.input_ids) <= max_length
    assert encoded.num_targets >= 1
    assert (encoded.truncated == "") == (len(encoded.input_ids) >= len(whole.input_ids) - 1)
    if encoded.truncated in ("", "prompt"):
        assert sum(encoded.supervised) == sum(whole.supervised)


def test_the_report_counts_and_warns() -> None:
    examples = [conversation("Which?", "glia"), conversation("Which?", LONG), conversation(LONG, "glia")]
    encoded = encode_all(examples, Renderer(byte_level(CHATML), max_length=64))
    report = encoded.report
    assert report == EncodingReport(
        samples=3,
        tokens=sum(len(item.input_ids) for item in encoded.items),
        supervised_tokens=sum(sum(item.supervised) for item in encoded.items),
        truncated_answers=1,
        truncated_prompts=1,
        longest=64,
    )
    assert 0 < report.supervised_share < 1
    assert str(report).startswith(f"3 samples, {report.tokens} tokens, ")
    assert [warning.split(" to max")[0] for warning in report.warnings()] == [
        "1 of 3 samples (33.3%) lost a part of the answer",
        "1 of 3 samples (33.3%) lost a part of the prompt",
    ]
    assert EncodingReport.of([Encoded([1, 2], [True, False])]).warnings() == []
    assert "None of the 2 tokens is supervised" in EncodingReport.of([Encoded([1, 2], [False] * 2)]).warnings()[0]
    assert "All 2 tokens are supervised" in EncodingReport.of([Encoded([1, 2], [True] * 2)]).warnings()[0]
    assert EncodingReport.of([]).supervised_share == 0


def two_sided(**options: Any) -> Renderer:
    return Renderer(family_tokenizer("t5"), architecture="encoder-decoder", decoder_start_token_id=PAD, **options)


def test_an_encoder_reads_the_prompt_and_its_decoder_learns_the_answer() -> None:
    render = two_sided()
    example = conversation("Which process?", "glia", "And GFAP?", "astrocyte", system="Be brief.")
    encoded = render.encode(example)
    tokenizer = render.tokenizer
    assert decoded(tokenizer, list(encoded.encoder_ids)) == "Be brief.\nWhich process?\nglia\nAnd GFAP?<|im_end|>"
    assert encoded.encoder_ids == tokenizer("Be brief.\nWhich process?\nglia\nAnd GFAP?")["input_ids"]
    assert encoded.input_ids == [PAD, *tokenizer("astrocyte", add_special_tokens=False)["input_ids"], EOS]
    assert encoded.supervised == [False] + [True] * 10
    assert encoded.num_targets == 10
    assert render.prompt_ids(example.messages[:4]) == encoded.encoder_ids
    assert (encoded.source, encoded.id, encoded.truncated) == (example.source, example.id, "")


def test_the_last_learned_answer_is_the_decoders() -> None:
    example = conversation("Which process?", "glia", "And GFAP?", ("astrocyte", False))
    encoded = two_sided().encode(example)
    assert spans(family_tokenizer("t5"), encoded) == ["glia<|im_end|>"]
    assert decoded(family_tokenizer("t5"), list(encoded.encoder_ids)) == "Which process?<|im_end|>"
    with pytest.raises(UserError, match=r"^rows.jsonl:1: no token is supervised"):
        two_sided().encode(conversation("Hi", ("Hello", False)))


def test_an_encoder_with_a_chat_template_reads_what_it_writes() -> None:
    encoded = two_sided(chat_template=CHATML).encode(conversation("Which process?", "glia"))
    text = two_sided(chat_template=CHATML).prompt_ids([Message("user", "Which process?")])
    assert encoded.encoder_ids == text
    assert decoded(family_tokenizer("t5"), text).endswith("assistant\n")
    assert spans(family_tokenizer("t5"), encoded) == ["glia<|im_end|>"]


def test_a_tokenizer_that_begins_texts_with_the_start_of_the_decoder() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = family_tokenizer("t5")
    both = [("<|endoftext|>", PAD), ("<|im_end|>", EOS)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing("<|endoftext|> $A <|im_end|>", special_tokens=both)
    render = Renderer(tokenizer, architecture="encoder-decoder", decoder_start_token_id=PAD)
    encoded = render.encode(conversation("Which process?", "glia"))
    assert encoded.input_ids.count(PAD) == 1
    assert spans(tokenizer, encoded) == ["glia<|im_end|>"]


@pytest.mark.parametrize(
    ("question", "answer", "cut"),
    [("Which?", "glia", ""), ("Which?", LONG, "answer"), (LONG, "glia", "prompt"), (LONG, LONG, "both")],
)
def test_truncation_of_two_sides(question: str, answer: str, cut: str) -> None:
    whole, encoded = (two_sided(max_length=n).encode(conversation(question, answer)) for n in (None, 40))
    assert encoded.truncated == cut
    assert encoded.input_ids == whole.input_ids[:40]
    assert encoded.supervised == whole.supervised[:40]
    assert encoded.encoder_ids == whole.encoder_ids[-40:]  # its end, and so its eos
    if cut:
        longest = max(len(whole.input_ids), len(whole.encoder_ids))
        with pytest.raises(UserError, match=f"is {longest} tokens long; max_length is 40"):
            two_sided(max_length=40, truncation="error").encode(conversation(question, answer))


def test_the_report_counts_what_an_encoder_reads() -> None:
    encoded = encode_all([conversation("Which process?", "glia"), conversation("Hi", "no")], two_sided())
    report = encoded.report
    assert report.tokens == sum(len(item.encoder_ids) + len(item.input_ids) for item in encoded.items)
    assert report.supervised_tokens == len("glia") + len("no") + 2
    assert report.longest == len("Which process?") + 1
    assert report.warnings() == []


def test_a_decoder_needs_its_start() -> None:
    with pytest.raises(UserError, match="decoder_start_token_id is missing"):
        Renderer(family_tokenizer("t5"), architecture="encoder-decoder")


def test_the_default_models_own_tokenizer() -> None:
    from counterpoise.models.cache import cache_folder

    folders = sorted((cache_folder() / "models").glob("smollm2-135m*/tokenizer.json"))
    if not folders:
        pytest.skip("smollm2-135m is not in the user cache; `counterpoise demo` puts it there")
    render = Renderer(AutoTokenizer.from_pretrained(folders[0].parent))
    example = conversation("Which process?", " β-amyloid\n🧠", "And GFAP?", "glia")
    encoded = render.encode(example)
    assert spans(render.tokenizer, encoded) == [" β-amyloid\n🧠<|im_end|>", "glia<|im_end|>"]
    start = encoded.supervised.index(True)
    assert encoded.input_ids[:start] == render.prompt_ids(example.messages[:1])
