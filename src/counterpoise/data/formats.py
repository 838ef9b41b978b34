"""From a record (a dict, as a file holds it) to an `Example`.

    to_example({"prompt": "What is GFAP?", "completion": "A filament."}, format="prompt-completion")

Formats and the columns they read (optional ones in brackets; every format also takes an optional `id`):

- ``alpaca``: instruction, output, [input], [system]; the user turn is the instruction, a blank line, the input.
- ``sharegpt``: conversations, a list of {from, value}; [system].
- ``messages``: messages (or conversations), a list of {role, content, [train], [weight]}; content is text or a
  list of {"type": "text", "text": ...} parts. `train: false` or `weight: 0` keeps an assistant turn unsupervised.
- ``prompt-completion``: prompt and completion, each text or a list of messages; [system].

``columns`` maps a format's column to the one that the record has, `{prompt: question}`, or to a text with columns
in braces, `{prompt: "What does {symbol} do?"}`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from counterpoise.data.example import Example, Message, Role
from counterpoise.errors import UserError, nearest

Record = Mapping[str, Any]

SPEAKERS: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
}
"""Names of speakers met in the four formats, and the role that each stands for."""


class RecordError(UserError):
    """This one record cannot be used; the message is the reason. Whoever reads the file adds file and line."""


def to_example(
    record: Record,
    *,
    format: str = "auto",
    columns: Mapping[str, str] | None = None,
    source: str = "record",
) -> Example:
    """Turn one record into an `Example`.

    Raises `RecordError` with the reason (a missing column, an empty answer, no assistant turn, a wrong type), and
    `UserError` for an unknown format.
    """
    record = rename(record, columns)
    if format == "auto":
        format = detect(record)
    messages = _adapter(format)(record)
    for message in messages:
        if message.role == "assistant" and message.train:
            break
    else:
        if not any(message.role == "assistant" for message in messages):
            raise RecordError("has no assistant turn, so there is nothing to learn")
        raise RecordError("has train: false (or weight: 0) on every assistant turn, so there is nothing to learn")
    return Example(tuple(messages), source, record_id(record))


def detect(record: Record, columns: Mapping[str, str] | None = None) -> str:
    """Name the format of a record by its columns (after renaming by ``columns``), or raise `RecordError`."""
    record = rename(record, columns)
    turns = record.get("conversations")
    if "messages" in record:
        return "messages"
    if turns is not None:
        first = turns[0] if isinstance(turns, list) and turns else None
        return "messages" if isinstance(first, Mapping) and "role" in first else "sharegpt"
    if "prompt" in record and "completion" in record:
        return "prompt-completion"
    if "instruction" in record and "output" in record:
        return "alpaca"
    raise RecordError(
        f"has the columns {_listed(record)}, which is none of the known formats ({', '.join(FORMATS)}); say which "
        "columns to use, such as columns: {prompt: question, completion: answer}"
    )


def rename(record: Record, columns: Mapping[str, str] | None) -> Record:
    """Return the record with ``columns`` applied: `{prompt: question}`, or text with `{column}` in braces."""
    if not columns:
        return record
    renamed = dict(record)
    for wanted, given in columns.items():
        if given in record:
            renamed[wanted] = record[given]
        elif "{" in given:
            renamed[wanted] = re.sub(r"\{([^{}]+)\}", lambda found: text_at(record, found[1]), given)
        else:
            raise _missing(record, given)
    return renamed


def _alpaca(record: Record) -> list[Message]:
    parts = [text_at(record, "instruction"), text_at(record, "input", optional=True)]
    prompt = "\n\n".join(part for part in parts if part.strip())
    if not prompt:
        raise RecordError("columns 'instruction' and 'input' are both empty")
    return [*_system(record), Message("user", prompt), Message("assistant", text_at(record, "output", filled=True))]


def _sharegpt(record: Record) -> list[Message]:
    return [*_system(record), *_turns(record, "conversations", role="from", content="value")]


def _messages(record: Record) -> list[Message]:
    column = "conversations" if "messages" not in record and "conversations" in record else "messages"
    return _turns(record, column)


def _prompt_completion(record: Record) -> list[Message]:
    messages = _system(record)
    if isinstance(record.get("prompt"), list):
        messages += _turns(record, "prompt")
        messages = [Message(turn.role, turn.content, turn.role != "assistant") for turn in messages]  # never learned
    else:
        messages.append(Message("user", text_at(record, "prompt", filled=True)))
    if isinstance(record.get("completion"), list):
        return messages + _turns(record, "completion")
    return [*messages, Message("assistant", text_at(record, "completion", filled=True))]


FORMATS: dict[str, Callable[[Record], list[Message]]] = {
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "messages": _messages,
    "prompt-completion": _prompt_completion,
}


def check_format(format: str) -> None:
    """Raise `UserError` unless ``format`` is "auto" or one of `FORMATS`."""
    if format != "auto":
        _adapter(format)


def _adapter(format: str) -> Callable[[Record], list[Message]]:
    if format not in FORMATS:
        hint = nearest(format, ("auto", *FORMATS))
        raise UserError(f"data format {format!r} is unknown{hint}; expected auto, {', '.join(FORMATS)}")
    return FORMATS[format]


def _turns(record: Record, column: str, *, role: str = "role", content: str = "content") -> list[Message]:
    turns = value_at(record, column)
    if not isinstance(turns, list):
        raise RecordError(
            f"column {column!r} is {kind_of_value(turns)}; expected a list of turns with {role} and {content}"
        )
    if not turns:
        raise RecordError(f"column {column!r} is an empty list; expected turns with {role} and {content}")
    messages = []
    for number, turn in enumerate(turns, start=1):
        where = f"turn {number} of column {column!r}"
        if not isinstance(turn, Mapping):
            raise RecordError(f"{where} is {kind_of_value(turn)}; expected an object with {role} and {content}")
        for key in (role, content):
            if key not in turn:
                raise RecordError(f"{where} has no {key!r}; it has {_listed(turn)}")
        if turn.get("tool_calls"):
            raise RecordError(f"{where} holds tool_calls, which cannot be rendered; write the call into its content")
        speaker = SPEAKERS.get(turn[role]) if isinstance(turn[role], str) else None
        if speaker is None:
            hint = nearest(str(turn[role]), tuple(SPEAKERS))
            raise RecordError(f"{where} is by {turn[role]!r}{hint}; expected one of {', '.join(SPEAKERS)}")
        text = _checked_text(_joined(turn[content], where), f"the {content} of {where}")
        if not text.strip():
            if speaker == "system":
                continue
            if speaker != "tool":
                raise RecordError(f"{where} ({turn[role]}) is empty")
        messages.append(Message(speaker, text, _is_trained(turn, where) or speaker != "assistant"))
    return messages


def _is_trained(turn: Record, where: str) -> bool:
    train, weight = turn.get("train"), turn.get("weight")
    if train is not None and not isinstance(train, bool):
        raise RecordError(f"the train of {where} is {kind_of_value(train)}; expected true or false")
    if weight is not None and weight not in (0, 1):
        raise RecordError(f"the weight of {where} is {weight!r}; expected 0 or 1")
    return train is not False and weight != 0


def _joined(content: Any, where: str) -> Any:
    """Join the text parts of a content list; anything else goes through as it is."""
    if not isinstance(content, list):
        return content
    for part in content:
        if not isinstance(part, Mapping) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise RecordError(f'{where} holds a part that is not {{"type": "text", "text": ...}}; only text is learned')
    return "".join(part["text"] for part in content)


def _system(record: Record) -> list[Message]:
    text = text_at(record, "system", optional=True) if "system" in record else ""
    return [Message("system", text)] if text.strip() else []


def value_at(record: Record, column: str) -> Any:
    """Return one column; RecordError, naming the columns that are there, if it is not."""
    if column not in record:
        raise _missing(record, column)
    return record[column]


def text_at(record: Record, column: str, *, optional: bool = False, filled: bool = False) -> str:
    """Return one column as text. optional: a missing or null column is ""; filled: blank text is an error."""
    text = record.get(column)
    if type(text) is not str or not text.isascii():
        if optional and text is None:
            return ""
        text = _checked_text(value_at(record, column), f"column {column!r}")
    if filled and not text.strip():
        raise RecordError(f"column {column!r} is empty")
    return text


def _checked_text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise RecordError(f"{where} is {kind_of_value(value)}; expected text")
    if value.isascii():  # known without a look at the text
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        code = f"\\u{ord(value[error.start]):04x}"
        raise RecordError(f"{where} holds {code} without its partner: half a character, not valid text") from None
    return value


def _missing(record: Record, column: str) -> RecordError:
    hint = nearest(column, [str(name) for name in record])
    return RecordError(f"has no column {column!r}{hint}; it has {_listed(record)}")


def _listed(record: Record) -> str:
    return ", ".join(repr(name) for name in record) or "no columns"


def kind_of_value(value: Any) -> str:
    """Return what errors call a value: "null", "the truth value true", "a list" ..."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    kinds: dict[type, str] = {str: "text", list: "a list", dict: "an object"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def record_id(record: Record) -> str:
    """Return the column id as text; empty if there is none, or it is neither text nor whole number."""
    value = record.get("id")
    if type(value) is str:
        return value
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
