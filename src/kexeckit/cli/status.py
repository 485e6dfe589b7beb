"""Say what is loaded and how much memory is reserved for a capture kernel."""

from argparse import ArgumentParser, Namespace
from typing import Any

UNUSED = ("arch", "kernel_version")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "--require",
        choices=("normal", "crash"),
        help="exit with 1 unless a next kernel (normal) or a capture kernel (crash) is loaded",
    )


def run(args: Namespace) -> int:
    """Print the state."""
    from kexeckit.cli.output import print_document
    from kexeckit.system.record import RECORDS, read_record
    from kexeckit.system.state import read_state
    from kexeckit.system.sysroot import open_sysroot

    root = open_sysroot(args.root)
    state = read_state(root)
    records = {
        slot: read_record(RECORDS, panic=slot == "crash") if root.live and loaded else None
        for slot, loaded in (("normal", state.normal), ("crash", state.crash))
    }
    document: dict[str, Any] = {
        "schema": "kexeckit/status/1",
        "normal": state.normal,
        "crash": state.crash,
        "crash_size": state.crash_size,
        "images": {
            slot: {"kernel": r.kernel, "initrd": r.initrd, "cmdline": r.cmdline, "syscall": r.syscall} if r else None
            for slot, r in records.items()
        },
    }
    if args.json:
        print_document(document)
    else:
        _print_text(document)
    return 0 if args.require is None or document[args.require] else 1


def _print_text(document: dict[str, Any]) -> None:
    from kexeckit.cli.output import one_line
    from kexeckit.memory.units import format_size

    size = document["crash_size"]
    reserved = "not shown by this kernel" if size is None else format_size(size) if size else "nothing"
    print(f"reserved for a capture kernel: {reserved}")
    for slot, name in (("normal", "next kernel"), ("crash", "capture kernel")):
        image = document["images"][slot]
        loaded = "loaded" if document[slot] else "not loaded"
        print(one_line(f"{name}: {loaded}" + (f", {image['kernel']} ({image['cmdline']})" if image else "")))
