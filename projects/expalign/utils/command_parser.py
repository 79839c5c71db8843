"""The parser of every command: errors in one line, the option that was meant, an example."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from .keywords import suggest


class CommandParser(argparse.ArgumentParser):
    """argparse's parser for people.

    Args:
        example: arguments that show how the command is used.
        others: see :class:`argparse.ArgumentParser`. The description keeps its lines.
    """

    def __init__(self, *args: Any, example: str = '', **others: Any) -> None:
        super().__init__(
            *args, formatter_class=argparse.RawDescriptionHelpFormatter, **others)
        if example:
            self.epilog = f'example:\n  {self.prog} {example}'

    def error(self, message: str) -> NoReturn:
        """End the process with one line and status 2."""
        self.exit(2, f'{self.prog}: error: {self._one_line(message)}\n')

    def fail(self, status: int, message: str) -> NoReturn:
        """End the process with one line and another status."""
        self.exit(status, f'{self.prog}: error: {self._one_line(message)}\n')

    def _one_line(self, message: str) -> str:
        line = '; '.join(part.strip() for part in message.splitlines() if part.strip())
        if line.startswith('unrecognized arguments: '):
            unknown = line.split(': ', 1)[1].split()[0].split('=')[0]
            right = suggest(unknown, self.options()) if unknown.startswith('-') else None
            line += f'; did you mean {right}?' if right else f'; see {self.prog} --help'
        return line.encode('utf-8', 'backslashreplace').decode()

    def options(self) -> list[str]:
        """The names of all options, as ``--out-dir``."""
        return [name for action in self._actions for name in action.option_strings]


def whole_number(text: str) -> int:
    """The type of an argument that counts.

    Raises:
        argparse.ArgumentTypeError: it is no whole number of 1 or more.
    """
    return _whole_number_from(1, text)


def seed_number(text: str) -> int:
    """The type of an argument that seeds generators of random numbers.

    Raises:
        argparse.ArgumentTypeError: it is no whole number of 0 or more.
    """
    return _whole_number_from(0, text)


def _whole_number_from(least: int, text: str) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f'{text} is no whole number of {least} or more')
    return int(text)


def share(text: str) -> float:
    """The type of an argument from 0 to 1.

    Raises:
        argparse.ArgumentTypeError: it is no such number.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text} is no number from 0 to 1')
    return value


def seconds(text: str) -> float:
    """The type of an argument that is a time.

    Raises:
        argparse.ArgumentTypeError: it is no number of 0 or more.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is no number of seconds, 0 or more')
    return value


class DictAction(argparse.Action):
    """mmengine's ``KEY=VALUE`` options, which it is imported for when there are any."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                 values: str | Sequence[Any] | None, option_string: str | None = None) -> None:
        from mmengine.config import DictAction as MMEngineAction
        MMEngineAction(self.option_strings, self.dest, nargs=self.nargs)(
            parser, namespace, values, option_string)
