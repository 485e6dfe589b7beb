"""Print what is known about a machine, each fact with where it is known from, and what no source shows.

With --json this is a document that --root takes in place of the source, on any machine:

    kexeckit machine --json > this.json
    kexeckit crashkernel --root this.json crashkernel=1G
"""

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments: none."""


def run(args: Namespace) -> int:
    """Print them."""
    from kexeckit.cli.output import print_text
    from kexeckit.system.machine import read_machine
    from kexeckit.system.sysroot import open_sysroot

    machine = read_machine(open_sysroot(args.root), arch=args.arch, release=args.kernel_version, handover=True)
    if args.json:
        from kexeckit.cli.output import print_document
        from kexeckit.machine.document import to_document

        print_document(to_document(machine))
    else:
        from kexeckit.render.machine import render_machine

        print_text(render_machine(machine))
    return 0
