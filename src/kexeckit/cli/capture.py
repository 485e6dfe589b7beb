"""Save what the other commands need to know of this machine into a new folder, to be used with --root elsewhere.

Run it as root: without CAP_SYS_ADMIN the kernel hides the addresses in /proc/iomem.
"""

import sys
from argparse import ArgumentParser, Namespace

UNUSED = ("arch", "kernel_version")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("folder", metavar="DIR", help="a folder that does not exist yet")
    parser.add_argument("-v", "--verbose", action="store_true", help="name what could not be saved")


def run(args: Namespace) -> int:
    """Save the capture."""
    from kexeckit.cli.output import print_document
    from kexeckit.system.capture import write_capture
    from kexeckit.system.sysroot import open_sysroot

    result = write_capture(open_sysroot(args.root), args.folder)
    if args.json:
        print_document(
            {
                "schema": "kexeckit/capture/1",
                "folder": args.folder,
                "saved": list(result.saved),
                "missing": list(result.missing),
            }
        )
        return 0
    print(f"{len(result.saved)} files saved in {args.folder}")
    if args.verbose:
        for text in result.missing:
            print(f"kexeckit: not saved: {text}", file=sys.stderr)
    return 0
