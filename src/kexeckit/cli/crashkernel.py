"""Predict where a crashkernel= reservation lands, or why there is none, and say why.

Words are those of the kernel's command line, as typed: crashkernel=512M, crashkernel=1G,high crashkernel=128M,low,
mem=..., memmap=..., cma=..., movable_node; each replaces the words of its name in the source's command line. The source
is this machine, or with --root a capture, a boot log or an iomem file. A failed reservation is exit code 1.
"""

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("words", nargs="*", metavar="SPEC", help="words of the kernel's command line")


def run(args: Namespace) -> int:
    """Print the prediction."""
    from kexeckit.kernel.crashkernel.predict import FAILED, predict_reservation
    from kexeckit.render.crashkernel import crashkernel_document, render_crashkernel
    from kexeckit.system.reservation_input import read_reservation_input
    from kexeckit.system.sysroot import open_sysroot

    root = open_sysroot(args.root)
    found = predict_reservation(read_reservation_input(root, tuple(args.words), args.arch, args.kernel_version))
    if args.json:
        from kexeckit.cli.output import print_document

        print_document(crashkernel_document(found))
    else:
        from kexeckit.cli.output import printable

        print(printable(render_crashkernel(found)))
    return 1 if found.outcome == FAILED else 0
