"""Enter the loaded next kernel.

With systemd the machine is shut down in order first (`systemctl kexec`); --now jumps at once, without stopping any
service, after syncing the disks.
"""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kexeckit.system.record import LoadRecord

SCHEMA = "kexeckit/exec/1"
UNUSED = ("kernel_version",)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("--now", action="store_true", help="jump at once instead of shutting down in order")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would be entered and how, and stop")


def run(args: Namespace) -> int:
    """Show what is loaded, ask, and go."""
    from kexeckit.cli.live import live_loader, require_live, running_arch
    from kexeckit.cli.output import one_line
    from kexeckit.errors import UnavailableError
    from kexeckit.system.record import RECORDS, read_record
    from kexeckit.system.state import read_state
    from kexeckit.system.sysroot import open_sysroot

    root = open_sysroot(args.root)
    if not read_state(root).normal:
        raise UnavailableError("no next kernel is loaded", remedy="`kexeckit load KERNEL` loads one")
    record = read_record(RECORDS, panic=False) if root.live else None
    orderly = not args.now and Path("/run/systemd/system").is_dir()
    how = "after an orderly shutdown (systemctl kexec)" if orderly else "at once, without stopping anything"
    what = f"{record.kernel}, command line: {record.cmdline}" if record else "the loaded kernel"
    if not args.json:
        print(f"next: {one_line(what)}\nit is entered {how}", flush=True)
    if not args.dry_run:
        require_live(root, "exec")
    if args.dry_run or not (args.yes or _agreed()):
        _print_document(args, record, orderly=orderly)
        return 0 if args.dry_run else 1
    if orderly:
        _hand_to_systemd()
    live_loader(root, running_arch(args.arch)).execute()
    return 0


def _print_document(args: Namespace, record: "LoadRecord | None", *, orderly: bool) -> None:
    # Only where this process goes on: what is entered never comes back here.
    if not args.json:
        return
    from kexeckit.cli.output import print_document

    kernel, cmdline = (record.kernel, record.cmdline) if record else (None, None)
    print_document({"schema": SCHEMA, "kernel": kernel, "cmdline": cmdline, "orderly": orderly, "entered": False})


def _agreed() -> bool:
    # A script has no terminal to be asked on and has said `exec`.
    if not sys.stdin.isatty():
        return True
    try:
        return input("enter it? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _hand_to_systemd() -> None:
    import os

    from kexeckit.errors import UnavailableError

    try:
        os.execvp("systemctl", ["systemctl", "kexec"])  # noqa: S606
    except OSError as error:
        raise UnavailableError(f"systemctl: {error.strerror}", remedy="use --now") from error
