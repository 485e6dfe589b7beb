"""The command: find the verb, import only that verb's module, turn errors into one line and an exit code.

Rules of this file:
    1. Data goes to standard output, messages to standard error.
    2. Every `KexeckitError` is one line, a hint after it where there is one, and its own exit code.
    3. Start-up counts: nothing is imported before the verb is known.
"""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from importlib import import_module

from kexeckit.errors import KexeckitError

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
    "capture": "save what is needed to answer all of this on another machine",
}
_GLOBAL_WITH_VALUE = ("--root", "--arch", "--kernel-version")
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
    if not words or words[0] not in COMMANDS:
        return _no_command(words)
    module = import_module(f"kexeckit.cli.{words[0].replace('-', '_')}")
    parser = ArgumentParser(
        prog=f"kexeckit {words[0]}",
        description=module.__doc__,
        epilog=_EXIT_CODES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    _add_global_options(parser)
    module.add_arguments(parser)
    try:
        return int(_run(module.run, parser.parse_args(words[1:])))
    except KexeckitError as error:
        return report(error)


def entry() -> None:
    """Entry point of the installed command."""
    sys.exit(main())


def report(error: KexeckitError) -> int:
    """Print an error as one line, with a hint after it where there is one, and return its exit code."""
    print(f"kexeckit: {printable(str(error))}", file=sys.stderr)
    if error.remedy:
        print(f"  hint: {printable(error.remedy)}", file=sys.stderr)
    return error.exit_code


def printable(text: str) -> str:
    """Return text without control characters and stray bytes, so that no file's content can act on a terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c) & 0xFF:02x}" for c in text)


def _run(run: Callable[[Namespace], int], args: Namespace) -> int:
    try:
        code = run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away (`| head`): not our fault, and nothing more can be said to it.
        sys.stderr.close()
        return 141
    except KeyboardInterrupt:
        return 130
    return int(code)


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
    parser.add_argument(
        "--root", metavar="DIR|TAR|FILE", help="read a capture, or a single boot log or iomem file, not this machine"
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
        print(f"kexeckit: no command {printable(words[0])!r}", file=out)
    width = max(map(len, COMMANDS))
    print("usage: kexeckit [--root DIR|TAR|FILE] [--json] COMMAND ...\n", file=out)
    print("Plan, load, rehearse and read the second kernel (kexec and kdump).\n", file=out)
    for name, summary in COMMANDS.items():
        print(f"  {name:{width}}  {summary}", file=out)
    print(f"\n`kexeckit COMMAND --help` shows a command's options.\n{_EXIT_CODES}", file=out)
    return 0 if wants_help else 2
