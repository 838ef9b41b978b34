"""The one error that is the user's to mend.

The command line prints its message as a single sentence and ends with exit code 2; every other exception is ours.
"""


class UserError(ValueError):
    """Something the user gave is wrong. The message says what, where, and what would be right."""


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
