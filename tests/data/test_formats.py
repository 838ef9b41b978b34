"""Records of the four formats become the same examples; each kind of bad record is refused with its reason."""

import pytest

from counterpoise.data.example import Example, Message
from counterpoise.data.formats import FORMATS, RecordError, detect, to_example
from counterpoise.errors import UserError

QUESTION, ANSWER = Message("user", "What is GFAP?"), Message("assistant", "A filament.")

SAME_CONVERSATION = {
    "alpaca": {"instruction": "What is GFAP?", "input": "", "output": "A filament."},
    "sharegpt": {
        "conversations": [{"from": "human", "value": "What is GFAP?"}, {"from": "gpt", "value": "A filament."}]
    },
    "messages": {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "GFAP?"}]},
            {"role": "assistant", "content": "A filament."},
        ]
    },
    "prompt-completion": {"prompt": "What is GFAP?", "completion": "A filament."},
}


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_gives_the_same_example_and_is_detected(format: str) -> None:
    record = {**SAME_CONVERSATION[format], "id": 7}
    assert detect(record) == format
    example = to_example(record, format=format, source="rows.jsonl:3")
    assert example == Example((QUESTION, ANSWER), "rows.jsonl:3", "7")
    assert to_example(record, source="rows.jsonl:3") == example


def test_alpaca_joins_instruction_and_input_and_takes_a_system_column() -> None:
    record = {
        "instruction": "Answer truthfully",
        "input": "What is GFAP?",
        "output": "A filament.",
        "system": "Be brief.",
    }
    assert to_example(record).messages == (
        Message("system", "Be brief."),
        Message("user", "Answer truthfully\n\nWhat is GFAP?"),
        ANSWER,
    )


def test_conversations_with_role_and_content_are_messages() -> None:
    turns = [{"role": "user", "content": "What is GFAP?"}, {"role": "assistant", "content": "A filament."}]
    assert detect({"conversations": turns}) == "messages"
    assert to_example({"conversations": turns}).messages == (QUESTION, ANSWER)


def test_prompt_completion_as_message_lists_learns_the_completion_alone() -> None:
    few_shot = [
        {"role": "user", "content": "What is A?"},
        {"role": "assistant", "content": "B."},
        {"role": "user", "content": "What is GFAP?"},
    ]
    example = to_example({"prompt": few_shot, "completion": [{"role": "assistant", "content": "A filament."}]})
    assert example.messages[1] == Message("assistant", "B.", train=False)
    assert example.learned == (ANSWER,)


@pytest.mark.parametrize("off", [{"train": False}, {"weight": 0}])
def test_an_assistant_turn_can_be_kept_as_context(off: dict[str, object]) -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", **off},
        {"role": "user", "content": "What is GFAP?", "train": False},
        {"role": "assistant", "content": "A filament.", "train": None, "weight": 1},
    ]
    example = to_example({"messages": turns})
    assert [message.is_learned for message in example.messages] == [False, False, False, True]
    assert example.messages[2] == QUESTION  # train says nothing about a user turn


def test_an_empty_system_turn_is_left_out_and_a_last_turn_by_the_user_is_fine() -> None:
    turns = [
        {"from": "system", "value": " "},
        {"from": "human", "value": "What is GFAP?"},
        {"from": "gpt", "value": "A filament."},
        {"from": "tool", "value": ""},
        {"from": "human", "value": "Thanks"},
    ]
    messages = to_example({"conversations": turns}).messages
    assert messages == (QUESTION, ANSWER, Message("tool", ""), Message("user", "Thanks"))


def test_columns_rename_and_fill_templates() -> None:
    record = {"question": "What is GFAP?", "answer": "A filament.", "symbol": "GFAP", "a{b}": "What is GFAP?"}
    assert to_example(record, columns={"prompt": "question", "completion": "answer"}).messages == (QUESTION, ANSWER)
    assert to_example(record, columns={"prompt": "What is {symbol}?", "completion": "answer"}).messages[0] == QUESTION
    assert to_example(record, columns={"prompt": "a{b}", "completion": "answer"}).messages[0] == QUESTION
    assert detect(record, {"instruction": "question", "output": "answer"}) == "alpaca"


TURN = {"role": "user", "content": "Hi"}


@pytest.mark.parametrize(
    ("record", "format", "reason"),
    [
        ({"question": "a", "answer": "b"}, "auto", "has the columns 'question', 'answer', which is none of the known"),
        ({}, "auto", "has the columns no columns"),
        ({"prompt": "a"}, "prompt-completion", "has no column 'completion'; it has 'prompt'"),
        ({"promt": "a", "completion": "b"}, "prompt-completion", "no column 'prompt' (did you mean 'promt'?)"),
        ({"prompt": "a", "completion": " \n"}, "auto", "column 'completion' is empty"),
        ({"prompt": "", "completion": "b"}, "auto", "column 'prompt' is empty"),
        ({"prompt": "a", "completion": 3}, "auto", "column 'completion' is the number 3; expected text"),
        ({"prompt": "a", "completion": None}, "auto", "column 'completion' is null; expected text"),
        ({"prompt": "a", "completion": True}, "auto", "is the truth value true; expected text"),
        ({"prompt": "a", "completion": "b\ud800"}, "auto", r"holds \ud800 without its partner"),
        ({"instruction": "", "input": "", "output": "b"}, "auto", "'instruction' and 'input' are both empty"),
        ({"messages": "Hi"}, "auto", "column 'messages' is text; expected a list of turns"),
        ({"messages": []}, "auto", "column 'messages' is an empty list"),
        ({"messages": ["Hi"]}, "auto", "turn 1 of column 'messages' is text; expected an object"),
        ({"messages": [{"role": "user"}]}, "auto", "turn 1 of column 'messages' has no 'content'; it has 'role'"),
        ({"messages": [TURN]}, "auto", "has no assistant turn"),
        ({"messages": [{**TURN, "role": "asistant"}]}, "auto", "is by 'asistant' (did you mean 'assistant'?)"),
        ({"messages": [{**TURN, "content": 1}]}, "auto", "the content of turn 1 of column 'messages' is the number 1"),
        ({"messages": [{**TURN, "content": [{"type": "image"}]}]}, "auto", "only text is learned"),
        (
            {"messages": [TURN, {"role": "assistant", "content": ""}]},
            "auto",
            "turn 2 of column 'messages' (assistant) is",
        ),
        (
            {"messages": [TURN, {"role": "assistant", "content": "a", "train": False}]},
            "auto",
            "on every assistant turn",
        ),
        ({"messages": [TURN, {"role": "assistant", "content": "a", "train": "no"}]}, "auto", "expected true or false"),
        ({"messages": [TURN, {"role": "assistant", "content": "a", "weight": 2}]}, "auto", "expected 0 or 1"),
        ({"messages": [TURN, {"role": "assistant", "content": None, "tool_calls": [1]}]}, "auto", "holds tool_calls"),
    ],
)
def test_a_bad_record_is_refused_with_its_reason(record: dict[str, object], format: str, reason: str) -> None:
    with pytest.raises(RecordError) as error:
        to_example(record, format=format)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_template_names_the_missing_column() -> None:
    with pytest.raises(RecordError, match=r"has no column 'symbl' \(did you mean 'symbol'\?\)"):
        to_example({"symbol": "GFAP", "text": "b"}, columns={"prompt": "What is {symbl}?", "completion": "text"})
    with pytest.raises(RecordError, match="has no column 'question'"):
        to_example({"text": "b"}, columns={"prompt": "question", "completion": "text"})


def test_an_unknown_format_lists_the_choices() -> None:
    with pytest.raises(UserError, match=r"'alpacca' is unknown \(did you mean 'alpaca'\?\); expected auto, alpaca, "):
        to_example({"prompt": "a", "completion": "b"}, format="alpacca")
