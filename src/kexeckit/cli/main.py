"""The command: find the verb, import only that verb's module, turn errors into one line and an exit code.

Rules of this file:
    1. Data goes to standard output, messages to standard error.
    2. Every `KexeckitError` is one line, a hint after it where there is one, and its own exit code; with --json it is
       a document on standard output, too.
    3. Nothing ends in a traceback: what nobody foresaw is a defect of kexeckit, one line as well.
    4. Start-up counts: nothing is imported before the verb is known.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper

from kexeckit.cli.output import one_line
from kexeckit.errors import DefectError, KexeckitError, UsageError, file_error

COMMANDS = {
    "plan": "segments, memory map and command line of a next kernel, every address with its reason",
    "load": "load a next kernel or a capture kernel",
    "unload": "drop what is loaded",
    "exec": "jump into the loaded kernel",
    "status": "what is loaded and how much memory is reserved",
    "crashkernel": "where a crashkernel= reservation lands, or why not",
    "zones": "which node gets which memory zones",
    "page-tables": "what identity page tables for kexec cost",
    "explain": "what a kernel does since when, in words",
    "rehearse": "load, crash and capture in QEMU, and compare prediction with observation",
    "machine": "what is known about a machine, and where from",
    "capture": "save what is needed to answer all of this on another machine",
}
_GLOBAL_WITH_VALUE = ("--root", "--machine", "--arch", "--kernel-version", "--behaviour", "--set")
_GLOBAL = ("--json",)
_EXIT_CODES = """\
exit codes: 0 ok, 1 findings or a failed check, 2 usage, 3 not determined, 65 unusable input, 69 unavailable,
70 a defect of kexeckit, 74 I/O, 77 not permitted"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Words after the program's name; None for those of this process.

    Returns:
        The exit code.
    """
    words = _command_first(list(sys.argv[1:] if argv is None else argv))
    as_json = "--json" in words[: words.index("--")] if "--" in words else "--json" in words
    # A name from a file may hold what the terminal's encoding cannot show.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _flushed(lambda: _run(words) if words and words[0] in COMMANDS else _no_command(words))
    except KexeckitError as error:
        return report(error, as_json=as_json)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader went away (`| head`): not our fault, and nothing more can be said to it.
        _discard_output()
        return 141
    except OSError as error:
        # Every file that is read has its own errors; without a name it is the output.
        if not error.filename:
            _discard_output()
        return report(file_error(error, str(error.filename or "standard output")), as_json=as_json)
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        return report(_defect(error), as_json=as_json)


def entry() -> None:
    """Entry point of the installed command."""
    sys.exit(main())


def report(error: KexeckitError, *, as_json: bool = False) -> int:
    """Print an error as one line, with a hint after it where there is one, and return its exit code.

    Args:
        error: What went wrong.
        as_json: Also print it as a JSON document, to standard output.
    """
    print(f"kexeckit: {one_line(str(error))}", file=sys.stderr)
    if error.remedy:
        print(f"  hint: {one_line(error.remedy)}", file=sys.stderr)
    if as_json:
        from kexeckit.cli.output import print_document
        from kexeckit.render.error import error_document

        # An output that cannot be written changes nothing here: the error's own code says more.
        with suppress(OSError):
            print_document(error_document(error))
            sys.stdout.flush()
    return error.exit_code


def _run(words: Sequence[str]) -> int:
    from kexeckit.cli.parser import parser_of, refuse_unused

    module = import_module(f"kexeckit.cli.{words[0].replace('-', '_')}")
    args = parser_of(words[0], module, _EXIT_CODES).parse(words[1:])
    unused = getattr(module, "UNUSED", ())
    refuse_unused(args, (*unused, "machine") if "root" in unused else unused, words[0])
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


def _defect(error: Exception) -> DefectError:
    # Where it was raised: the innermost line of ours is what a report needs first.
    place, trace = "", error.__traceback__
    while trace:
        name = str(trace.tb_frame.f_globals.get("__name__", ""))
        if name.startswith("kexeckit"):
            place = f" in {name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    text = f": {error}" if str(error) else ""
    return DefectError(
        f"a defect of kexeckit: {type(error).__name__}{place}{text}",
        remedy="report this line, `kexeckit --version`, the command, and the source that it read",
    )


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


def _no_command(words: list[str]) -> int:
    from kexeckit import __version__

    if words and words[0] in ("--version", "-V"):
        print(f"kexeckit {__version__}")
        return 0
    if words and words[0] not in ("--help", "-h", "help"):
        raise _unknown_command(words)
    out = sys.stdout if words else sys.stderr
    width = max(map(len, COMMANDS))
    print("usage: kexeckit [--root DIR|TAR|FILE|-] [--json] COMMAND ...\n", file=out)
    print("Plan, load, rehearse and read the second kernel (kexec and kdump).\n", file=out)
    for name, summary in COMMANDS.items():
        print(f"  {name:{width}}  {summary}", file=out)
    print(f"\n`kexeckit COMMAND --help` shows a command's options.\n{_EXIT_CODES}", file=out)
    return 0 if words else 2


def _unknown_command(words: list[str]) -> UsageError:
    from kexeckit.cli.parser import did_you_mean

    # The first word that is no global option and no value of one.
    at = 0
    while at < len(words) and (words[at] in _GLOBAL or words[at].split("=")[0] in _GLOBAL_WITH_VALUE):
        at += 2 if words[at] in _GLOBAL_WITH_VALUE else 1
    remedy = "`kexeckit --help` lists the commands"
    if at >= len(words):
        return UsageError(f"no command is named; expected one of {', '.join(COMMANDS)}", remedy=remedy)
    word = words[at].partition("=")[0]
    if word.startswith("-"):
        meant = did_you_mean(word, (*_GLOBAL, *_GLOBAL_WITH_VALUE))
        return UsageError(f"unknown option {word} before a command", remedy=meant or remedy)
    return UsageError(f"no command {word!r}", remedy=did_you_mean(word.lower(), COMMANDS) or remedy)
