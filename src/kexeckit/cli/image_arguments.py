"""What `plan` and `load` share: the arguments that describe an image, and the way from them to a verified plan."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.machine.value import Machine
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.system.sysroot import Sysroot

# What only our own segments have: kexec_file_load makes its own.
OF_OUR_SEGMENTS = ("old_ram", "on_damage", "serial", "spin", "efi_map")


@dataclass(frozen=True, slots=True)
class Planned:
    """A verified plan and what it was made from."""

    plan: LoadPlan
    request: LoadRequest
    facts: MachineFacts
    machine: Machine
    behaviours: Behaviours
    root: Sysroot


def add_image_arguments(parser: ArgumentParser) -> None:
    """Add KERNEL, --initrd and their like."""
    parser.add_argument("kernel", metavar="KERNEL", help="kernel to load: an x86 bzImage (vmlinuz)")
    parser.add_argument("--initrd", "--ramdisk", metavar="F", help="initial RAM disk")
    parser.add_argument("--append", "--command-line", metavar="S", help="command line of the next kernel")
    parser.add_argument(
        "--reuse-cmdline",
        action="store_true",
        help="take the running kernel's command line (without what a loader added to it; with --panic also without "
        "crashkernel=), --append goes behind it",
    )
    parser.add_argument(
        "-p", "--panic", action="store_true", help="load into the crash region, to be started when this kernel panics"
    )
    parser.add_argument(
        "--old-ram",
        choices=("reserved", "omit"),
        help="how a capture kernel is told of the old kernel's RAM (default: reserved)",
    )
    parser.add_argument(
        "--on-damage",
        choices=("halt", "reset"),
        help="what happens if a segment was damaged before the jump (default: halt)",
    )
    parser.add_argument(
        "--efi-map",
        metavar="FILE",
        help="hand over this raw EFI memory map, with a minimal system table (to try out mirrored memory)",
    )
    parser.add_argument(
        "--serial",
        metavar="PORT",
        help="I/O port for that message, 0 for none (default: from console= of the next kernel)",
    )


def make_request(args: Namespace, running_cmdline: str) -> LoadRequest:
    """Open the files and put the user's words together.

    Raises:
        UsageError: Options that do not go together.
        InputError, UnavailableError: A file is not usable.
    """
    from kexeckit.plan.next_cmdline import reused_cmdline
    from kexeckit.system.next_kernel import JumpOptions, open_next_kernel

    reused = reused_cmdline(running_cmdline, panic=args.panic) if args.reuse_cmdline else ""
    cmdline = " ".join(part for part in (reused, args.append or "") if part)
    given = {name: value for name in OF_OUR_SEGMENTS if (value := getattr(args, name, None)) is not None}
    return open_next_kernel(args.kernel, args.initrd, cmdline, panic=args.panic, options=JumpOptions(**given))


def make_plan(
    args: Namespace,
    syscall: Syscall,
    root: Sysroot | None = None,
    stated: Mapping[str, object] | None = None,
    *,
    predicted: bool = True,
) -> Planned:
    """Read the machine, plan, and verify.

    Args:
        args: The command line.
        syscall: The call that loads the image.
        root: The machine's files where they are open already.
        stated: Fields of the kernel's behaviour that the user states, with their values.
        predicted: Without a prediction of kexec_file_load there is no plan; False to load all the same.

    Raises:
        KexeckitError: Any of its families.
    """
    from kexeckit.kernel.behaviour.of_machine import behaviours_of
    from kexeckit.machine.version import parse_kernel_version
    from kexeckit.plan.from_machine import plan_facts
    from kexeckit.plan.make import check_arch, plan_image
    from kexeckit.system.machine import read_machine
    from kexeckit.system.sysroot import open_sysroot

    if args.kernel_version:
        parse_kernel_version(args.kernel_version)
    root = root or open_sysroot(args.root)
    machine = read_machine(root, arch=args.arch, release=args.kernel_version, handover=True)
    behaviours = behaviours_of(machine, stated)
    facts = plan_facts(machine, behaviours)
    check_arch(facts.arch)
    request = make_request(args, facts.cmdline)
    plan = plan_image(request, facts, syscall, predicted=predicted)
    return Planned(plan, request, facts, machine, behaviours, root)
