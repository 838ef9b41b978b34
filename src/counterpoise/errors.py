"""The errors whose message is all that a user needs: no traceback is printed for them.

The command line prints the message as a single sentence and ends with exit code 2 (128 + the signal's number where a
signal stopped the run); every other exception is ours.
"""


class UserError(ValueError):
    """Something the user gave is wrong. The message says what, where, and what would be right."""


class Stopped(RuntimeError):  # noqa: N818 - nothing went wrong
    """A signal ended a run in good order: what was done is saved, and the message says how to go on."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


def nearest(name: str, choices: "list[str] | tuple[str, ...]") -> str:
    """Return ``" (did you mean 'x'?)"`` for the choice closest to ``name``, or an empty string.

    >>> nearest("learning_rat", ["learning_rate", "seed"])
    " (did you mean 'learning_rate'?)"
    >>> nearest("zzz", ["learning_rate", "seed"])
    ''
    """
    import difflib

    close = difflib.get_close_matches(name, choices, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
