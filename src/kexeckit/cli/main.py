"""The command: find the verb, import only that verb's module, turn errors into one line and an exit code.

Rules of this file:
    1. Data goes to standard output, messages to standard error.
    2. Every `KexeckitError` is one line, a hint after it where there is one, and its own exit code.
    3. Start-up counts: nothing is imported before the verb is known.
"""

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

from kexeckit.cli.output import one_line
from kexeckit.errors import FileAccessError, KexeckitError, UnavailableError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

COMMANDS = {
    "plan": "segments, memory map and command line of a next kernel, every address with its reason",
    "load": "load a next kernel or a capture kernel",
    "unload": "drop what is loaded",
    "exec": "jump into the loaded kernel",
    "status": "what is loaded and how much memory is reserved",
    "crashkernel": "where a crashkernel= reservation lands, or why not",
    "zones": "which node gets which memory zones",
    "page-tables": "what identity page tables for kexec cost",
    "rehearse": "load, crash and capture in QEMU, and compare prediction with observation",
    "machine": "what is known about a machine, and where from",
    "capture": "save what is needed to answer all of this on another machine",
}
_GLOBAL_WITH_VALUE = ("--root", "--machine", "--arch", "--kernel-version")
_GLOBAL = ("--json",)
_EXIT_CODES = """\
exit codes: 0 ok, 1 findings or a failed check, 2 usage, 65 unusable input, 69 unavailable, 74 I/O, 77 not permitted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Words after the program's name; None for those of this process.

    Returns:
        The exit code.
    """
    words = _command_first(list(sys.argv[1:] if argv is None else argv))
    # A name from a file may hold what the terminal's encoding cannot show.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _flushed(lambda: _run(words) if words and words[0] in COMMANDS else _no_command(words))
    except KexeckitError as error:
        return report(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away (`| head`): not our fault, and nothing more can be said to it.
        _discard_output()
        return 141
    except OSError as error:
        # Every file that is read has its own errors; what is left is mostly the output.
        _discard_output()
        return report(FileAccessError(f"{error.filename or 'standard output'}: {error.strerror}"))
    except MemoryError:
        return report(UnavailableError("out of memory"))


def entry() -> None:
    """Entry point of the installed command."""
    sys.exit(main())


def report(error: KexeckitError) -> int:
    """Print an error as one line, with a hint after it where there is one, and return its exit code."""
    print(f"kexeckit: {one_line(str(error))}", file=sys.stderr)
    if error.remedy:
        print(f"  hint: {one_line(error.remedy)}", file=sys.stderr)
    return error.exit_code


class _Parser(ArgumentParser):
    # Words that cannot be understood are shown too: names of files, from a pattern of the shell.
    def error(self, message: str) -> NoReturn:
        super().error(one_line(message))

    def _print_message(self, message: str, file: "SupportsWrite[str] | None" = None) -> None:
        # The library's own hides an output that cannot be written.
        (file or sys.stderr).write(message)


def _run(words: Sequence[str]) -> int:
    module = import_module(f"kexeckit.cli.{words[0].replace('-', '_')}")
    parser = _Parser(
        prog=f"kexeckit {words[0]}",
        description=module.__doc__,
        epilog=_EXIT_CODES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    _add_global_options(parser)
    module.add_arguments(parser)
    args = parser.parse_args(words[1:])
    if args.machine is not None:
        from kexeckit.system.sysroot import MachineWords

        args.root = MachineWords(args.machine)
    return int(module.run(args))


def _flushed(act: Callable[[], int]) -> int:
    # Also after --help, which ends in SystemExit: an output that cannot be written must show in the exit code.
    try:
        return act()
    finally:
        sys.stdout.flush()


def _discard_output() -> None:
    # What is still buffered would fail again when Python ends.
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _command_first(words: list[str]) -> list[str]:
    # Global options may stand before the command too: `kexeckit --root DIR plan ...`.
    at = 0
    while at < len(words):
        word = words[at]
        if word in COMMANDS:
            return [word, *words[:at], *words[at + 1 :]]
        if word in _GLOBAL_WITH_VALUE:
            at += 2
        elif word in _GLOBAL or word.split("=")[0] in _GLOBAL_WITH_VALUE:
            at += 1
        else:
            break
    return words


def _add_global_options(parser: ArgumentParser) -> None:
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
    parser.add_argument("--arch", metavar="A", help="machine name as in uname -m, instead of what the source says")
    parser.add_argument(
        "--kernel-version", metavar="V", help="running kernel's release as in uname -r, instead of the source's"
    )


def _no_command(words: list[str]) -> int:
    from kexeckit import __version__

    if words and words[0] in ("--version", "-V"):
        print(f"kexeckit {__version__}")
        return 0
    wants_help = bool(words) and words[0] in ("--help", "-h", "help")
    out = sys.stdout if wants_help else sys.stderr
    if words and not wants_help:
        print(f"kexeckit: no command {one_line(words[0])!r}", file=out)
    width = max(map(len, COMMANDS))
    print("usage: kexeckit [--root DIR|TAR|FILE|-] [--json] COMMAND ...\n", file=out)
    print("Plan, load, rehearse and read the second kernel (kexec and kdump).\n", file=out)
    for name, summary in COMMANDS.items():
        print(f"  {name:{width}}  {summary}", file=out)
    print(f"\n`kexeckit COMMAND --help` shows a command's options.\n{_EXIT_CODES}", file=out)
    return 0 if wants_help else 2
