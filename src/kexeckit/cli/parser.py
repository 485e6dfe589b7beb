"""The parser of a command's words: exact options only, no empty values, and a remedy for what it does not know."""

import sys
from argparse import Action, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from kexeckit.errors import UsageError

if TYPE_CHECKING:
    from types import ModuleType

    from _typeshed import SupportsWrite

_ANY_WIDTH = 80
# An empty text is a good value for these: it adds nothing.
_MAY_BE_EMPTY = ("append", "first_append")


class CommandParser(ArgumentParser):
    """Argparse with our errors: one line and a remedy instead of the usage, and no abbreviated options."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong.

        Raises:
            UsageError: Always.
        """
        raise UsageError(message, remedy=f"`{self.prog} --help` shows the options")

    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        # The library's own hides an output that cannot be written.
        (file or sys.stderr).write(message)

    def parse(self, words: Sequence[str]) -> Namespace:
        """Read a command's words.

        Raises:
            UsageError: An unknown or empty option, or a word too many.
        """
        args, extras = self.parse_known_args(list(words))
        if extras:
            raise self._unknown(extras)
        for action in self._actions:
            self._check_empty(action, getattr(args, action.dest, None))
        return args

    def options(self) -> list[str]:
        """Return every option as it is typed, in the order of the help."""
        return [option for action in self._actions for option in action.option_strings]

    def _unknown(self, extras: list[str]) -> UsageError:
        options = [word for word in extras if word.startswith("-")]
        if not options:
            return UsageError(f"unexpected words: {' '.join(extras)}", remedy=f"`{self.prog} --help` shows the usage")
        name = options[0].partition("=")[0]
        remedy = f"`{self.prog} --help` shows the options"
        return UsageError(f"unknown option {' '.join(options)}", remedy=did_you_mean(name, self.options()) or remedy)

    def _check_empty(self, action: Action, value: object) -> None:
        given = value if isinstance(value, list) else [value]
        if "" not in given or action.default == "" or action.dest in _MAY_BE_EMPTY:
            return
        name = action.option_strings[0] if action.option_strings else str(action.metavar)
        remedy = f"leave {name} out, or give {action.metavar}" if action.option_strings else ""
        raise UsageError(f"{name} is empty", remedy=remedy)


def parser_of(verb: str, module: "ModuleType", epilog: str = "") -> CommandParser:
    """Return the parser of a command, the global options included."""
    parser = CommandParser(
        prog=f"kexeckit {verb}",
        description=module.__doc__,
        epilog=epilog,
        formatter_class=partial(RawDescriptionHelpFormatter, width=_ANY_WIDTH),
        allow_abbrev=False,
    )
    add_global_options(parser)
    module.add_arguments(parser)
    # Each argument is laid out once to check it. The width of the terminal, for which shutil is imported with all its
    # packers, counts only in the help.
    parser.formatter_class = RawDescriptionHelpFormatter
    return parser


def add_global_options(parser: ArgumentParser) -> None:
    """Add the options that stand before or behind every command."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--root",
        metavar="DIR|TAR|FILE|-",
        help="read a capture, or one file: a boot log, an iomem file, a description (TOML) or document (JSON) of a"
        " machine; - is standard input",
    )
    source.add_argument(
        "--machine",
        metavar="WORDS",
        help="answer for a machine described in words, as 'x86_64 node:2 ram:64G crashkernel=512M kernel:6.12'",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--arch", metavar="A", help="architecture, by any usual name, instead of what the source says")
    parser.add_argument(
        "--kernel-version", metavar="V", help="running kernel's release as in uname -r, instead of the source's"
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question for the known word that is closest to what was typed, or nothing."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), 1)
    return f"did you mean {found[0]}?" if found else ""


def given_of(args: Namespace, names: Sequence[str]) -> list[str]:
    """Return those options, as they are typed, that were given."""
    return [f"--{name.replace('_', '-')}" for name in names if getattr(args, name, None) not in (None, False, [], "")]


def refuse_unused(args: Namespace, given: Sequence[str], why: str, remedy: str = "") -> None:
    """Refuse options that were given although nothing would read them.

    Args:
        args: What was parsed; an option that was not given is None, False or empty there.
        given: Names in `args`.
        why: What does not use them, such as ``rehearse``.
        remedy: What to do instead.

    Raises:
        UsageError: One of them was given.
    """
    named = given_of(args, given)
    if named:
        raise UsageError(f"{why} does not use {', '.join(named)}", remedy=remedy or f"leave {', '.join(named)} out")
