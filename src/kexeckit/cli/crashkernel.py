"""Predict where a crashkernel= reservation lands, or why there is none, and say why.

Words are those of the kernel's command line, as typed: crashkernel=512M, crashkernel=1G,high crashkernel=128M,low,
mem=..., memmap=..., cma=..., movable_node; each replaces the words of its name in the source's command line. The source
is this machine, or with --root a capture, a boot log or an iomem file. A failed reservation is exit code 1.

Without words the answer explains the boot that the source shows; words that it was not booted with ask about the next
one, which draws anew what chance, boot loader and firmware place. Outcome, sizes and addresses are each certain (never
wrong), likely (with what would change it) or open (with what is possible; an open outcome is exit code 3).

With --estimate: how much a capture kernel needs, as a sum of parts, from its kernel and initramfs files alone.
"""

import os
from argparse import ArgumentParser, Namespace

from kexeckit.cli.behaviour_arguments import add_behaviour_arguments, read_stated

# Where --estimate names no file; no path of a file has a NUL.
_RUNNING = "\0"
_OF_ESTIMATE = ("initrd", "append", "cpus", "ram", "low", "luks")
# The largest physical address that x86_64 and arm64 have 52 bits for.
_MOST = 1 << 52


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("words", nargs="*", metavar="SPEC", help="words of the kernel's command line")
    parser.add_argument(
        "--next-boot", action="store_true", help="ask about the next boot, even without words that change anything"
    )
    add_behaviour_arguments(parser)
    group = parser.add_argument_group("how much is needed")
    group.add_argument(
        "--estimate",
        nargs="?",
        const=_RUNNING,
        metavar="KERNEL",
        help="estimate for this kernel file (a bzImage; default: the running kernel's in /boot)",
    )
    group.add_argument("--initrd", metavar="F", help="its initramfs")
    group.add_argument("--append", metavar="S", help="its command line: root= and rootfstype= matter")
    group.add_argument("--cpus", type=int, metavar="N", help="CPUs it starts (default: 1)")
    group.add_argument("--ram", metavar="SIZE", help="RAM of the machine that is dumped")
    group.add_argument("--low", metavar="SIZE", help="room for swiotlb and DMA")
    group.add_argument("--luks", metavar="SIZE", help="memory cost of the dump target's key derivation")


def _estimate(args: Namespace) -> int:
    from kexeckit.kernel.sizing.defaults import computed_defaults, defaults_for
    from kexeckit.kernel.sizing.estimate import estimate, in_tmpfs
    from kexeckit.machine.arch import stated_arch
    from kexeckit.render.estimate import estimate_document, render_estimate
    from kexeckit.system.capture_setup import CaptureMachine, read_capture_setup

    _check_estimate(args)
    ram = _size(args, "ram")
    named = args.estimate != _RUNNING
    kernel = args.estimate if named else f"/boot/vmlinuz-{args.kernel_version or os.uname().release}"
    machine = CaptureMachine(
        cpus=1 if args.cpus is None else args.cpus,
        ram=ram,
        low=_size(args, "low"),
        luks=_size(args, "luks"),
        half=in_tmpfs(args.append or ""),
    )
    setup = read_capture_setup(kernel, args.initrd, machine)
    found = estimate(setup)
    arch = stated_arch(args.arch or "x86_64")
    defaults = defaults_for(arch, ram) if ram else []
    computed = computed_defaults(arch) if ram else []
    if args.json:
        from kexeckit.cli.output import print_document

        print_document(estimate_document(found, defaults, computed))
    else:
        print(render_estimate(found, defaults, computed))
    return 0


def _check_estimate(args: Namespace) -> None:
    from kexeckit.cli.parser import refuse_unused
    from kexeckit.errors import UsageError

    unused = ["root"]
    unused += ["kernel_version"] if args.estimate != _RUNNING else []
    unused += ["arch"] if args.ram is None else []
    refuse_unused(args, unused, "--estimate (it reads the named files alone)")
    if args.words:
        remedy = "the kernel's file goes behind --estimate, its command line behind --append"
        raise UsageError(f"--estimate does not use {' '.join(args.words)}", remedy=remedy)
    if args.cpus is not None and args.cpus < 1:
        raise UsageError(f"--cpus {args.cpus}: a capture kernel starts at least 1 CPU")


def _size(args: Namespace, name: str) -> int:
    from kexeckit.errors import UsageError
    from kexeckit.memory.units import parse_size

    text = getattr(args, name) or "0"
    size = parse_size(text)
    if size > _MOST:
        raise UsageError(f"--{name} {text}: no machine has so much; expected at most 4096T")
    return size


def run(args: Namespace) -> int:
    """Print the prediction, or the estimate."""
    from kexeckit.errors import UsageError

    if args.estimate is not None:
        if args.next_boot:
            raise UsageError("--next-boot has no effect on --estimate, which asks about no boot")
        if args.set or args.behaviour:
            raise UsageError("--set and --behaviour have no effect on --estimate, which asks no kernel")
        return _estimate(args)
    from kexeckit.cli.parser import refuse_unused
    from kexeckit.errors import NOT_DETERMINED

    refuse_unused(args, _OF_ESTIMATE, "a prediction", "add --estimate, to which they belong")
    from kexeckit.cli.output import print_document, print_text, print_warnings
    from kexeckit.kernel.behaviour.of_machine import behaviours_of
    from kexeckit.kernel.observed import Agreement
    from kexeckit.kernel.reservation import predict
    from kexeckit.kernel.reservation.answer import answer_reservation
    from kexeckit.render.crashkernel import crashkernel_document, render_crashkernel
    from kexeckit.system.machine import read_machine
    from kexeckit.system.sysroot import open_sysroot

    machine = read_machine(open_sysroot(args.root), arch=args.arch, release=args.kernel_version)
    behaviours = behaviours_of(machine, read_stated(args, "reservation"))
    answer = answer_reservation(machine, args.words, behaviours, next_boot=args.next_boot)
    if args.json:
        print_document(crashkernel_document(answer))
    else:
        print_text(render_crashkernel(answer))
    print_warnings(answer.doubtful)
    if answer.agreement is Agreement.DIFFER:
        return 1
    return {predict.FAILED: 1, predict.NOT_DETERMINED: NOT_DETERMINED}.get(answer.predicted.outcome, 0)
