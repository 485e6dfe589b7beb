"""Predict where a crashkernel= reservation lands, or why there is none, and say why.

Words are those of the kernel's command line, as typed: crashkernel=512M, crashkernel=1G,high crashkernel=128M,low,
mem=..., memmap=..., cma=..., movable_node; each replaces the words of its name in the source's command line. The source
is this machine, or with --root a capture, a boot log or an iomem file. A failed reservation is exit code 1.

With --estimate: how much a capture kernel needs, as a sum of parts, from its kernel and initramfs files alone.
"""

import os
from argparse import ArgumentParser, Namespace

from kexeckit.cli.behaviour_arguments import add_behaviour_arguments, read_stated


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("words", nargs="*", metavar="SPEC", help="words of the kernel's command line")
    add_behaviour_arguments(parser)
    group = parser.add_argument_group("how much is needed")
    group.add_argument(
        "--estimate",
        nargs="?",
        const="",
        metavar="KERNEL",
        help="estimate for this kernel file (a bzImage; default: the running kernel's in /boot)",
    )
    group.add_argument("--initrd", metavar="F", help="its initramfs")
    group.add_argument("--append", default="", metavar="S", help="its command line: root= and rootfstype= matter")
    group.add_argument("--cpus", type=int, default=1, metavar="N", help="CPUs it starts (default: %(default)s)")
    group.add_argument("--ram", default="0", metavar="SIZE", help="RAM of the machine that is dumped")
    group.add_argument("--low", default="0", metavar="SIZE", help="room for swiotlb and DMA")
    group.add_argument("--luks", default="0", metavar="SIZE", help="memory cost of the dump target's key derivation")


def _estimate(args: Namespace) -> int:
    from kexeckit.kernel.sizing.defaults import computed_defaults, defaults_for
    from kexeckit.kernel.sizing.estimate import estimate, in_tmpfs
    from kexeckit.memory.units import parse_size
    from kexeckit.render.estimate import estimate_document, render_estimate
    from kexeckit.system.capture_setup import CaptureMachine, read_capture_setup

    ram = parse_size(args.ram)
    kernel = args.estimate or f"/boot/vmlinuz-{args.kernel_version or os.uname().release}"
    machine = CaptureMachine(
        cpus=args.cpus,
        ram=ram,
        low=parse_size(args.low),
        luks=parse_size(args.luks),
        half=in_tmpfs(args.append),
    )
    setup = read_capture_setup(kernel, args.initrd, machine)
    found = estimate(setup)
    arch = "arm64" if args.arch == "aarch64" else args.arch or "x86_64"
    defaults = defaults_for(arch, ram) if ram else []
    computed = computed_defaults(arch) if ram else []
    if args.json:
        from kexeckit.cli.output import print_document

        print_document(estimate_document(found, defaults, computed))
    else:
        print(render_estimate(found, defaults, computed))
    return 0


def run(args: Namespace) -> int:
    """Print the prediction, or the estimate."""
    from kexeckit.errors import UsageError

    if args.estimate is not None:
        if args.set or args.behaviour:
            raise UsageError("--set and --behaviour have no effect on --estimate, which asks no kernel")
        return _estimate(args)
    from kexeckit.kernel.reservation.predict import FAILED, predict_reservation
    from kexeckit.render.crashkernel import crashkernel_document, render_crashkernel
    from kexeckit.system.reservation_input import read_reservation_input
    from kexeckit.system.sysroot import open_sysroot

    root = open_sysroot(args.root)
    stated = read_stated(args, "reservation")
    found = predict_reservation(read_reservation_input(root, tuple(args.words), args.arch, args.kernel_version, stated))
    if args.json:
        from kexeckit.cli.output import print_document

        print_document(crashkernel_document(found))
    else:
        from kexeckit.cli.output import printable

        print(printable(render_crashkernel(found)))
    return 1 if found.outcome == FAILED else 0
