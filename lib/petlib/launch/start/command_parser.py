"""The parser of every command line: a misspelt option is answered with the nearest one, and a value may begin with a minus."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from petlib.suggest import did_you_mean


class CommandParser(argparse.ArgumentParser):
    """``argparse`` without guesses; messages say what was given and what is expected.

    Args:
        description: what the command does, for ``--help``.
        usage: the first lines of ``--help``; None: from the options.
        epilog: the last lines of ``--help``.
    """

    def __init__(self, *, description: str, usage: str | None = None, epilog: str | None = None) -> None:
        super().__init__(description=description, usage=usage, epilog=epilog, allow_abbrev=False)
        # argparse would say "invalid int value"
        self.register("type", int, _whole_number)
        self.register("type", float, _number)

    def checked(self, words: Sequence[str], *, elsewhere: Mapping[str, str] | None = None) -> list[str]:
        """Return the words to parse, after a look at the options: a misspelt one is named before the lack of what it was to give.

        What follows ``--`` is left as it is.

        Args:
            words: the command line without the program's name.
            elsewhere: options of other commands -> what is said about them.

        Raises:
            SystemExit: an option is unknown (code 2, after a message).
        """
        end = words.index("--") if "--" in words else len(words)
        names = [word.partition("=")[0] for word in words[:end] if word.startswith("--")]
        unknown = next((name for name in names if name not in self._option_string_actions), None)
        if unknown is not None:
            self.refuse_option(unknown, elsewhere=elsewhere)
        return self.with_joined_values(words)

    def refuse_option(self, name: str, *, also: Iterable[str] = (), elsewhere: Mapping[str, str] | None = None) -> NoReturn:
        """End the program with a message about an unknown option.

        Args:
            name: the option.
            also: options that are not this parser's, and may be meant.
            elsewhere: options of other commands -> what is said about them.

        Raises:
            SystemExit: always.
        """
        said = (elsewhere or {}).get(name)
        self.error(f"unknown option {name}" + (f": {said}" if said else did_you_mean(name, [*self._option_string_actions, *also])))

    def with_joined_values(self, words: Sequence[str]) -> list[str]:
        """Return the words with ``--time -5m`` as ``--time=-5m``, which argparse does not take for two options."""
        end = words.index("--") if "--" in words else len(words)
        joined: list[str] = []
        for word in words[:end]:
            action = self._option_string_actions.get(joined[-1]) if joined else None
            if action is not None and action.nargs is None and word[:1] == "-" and word[1:2].isdigit():
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return [*joined, *words[end:]]


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} given, a whole number expected") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} given, a number expected") from None
