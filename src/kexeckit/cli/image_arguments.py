"""What `plan` and `load` share: the arguments that describe an image, and the way from them to a verified plan."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kexeckit.errors import KexeckitError, PlanError, UsageError
from kexeckit.plan.efi_handover import EfiHandover
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.system.sysroot import Sysroot

SEED_SIZE = 32


@dataclass(frozen=True, slots=True)
class Planned:
    """A verified plan and what it was made from."""

    plan: LoadPlan
    request: LoadRequest
    facts: MachineFacts
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
        default="reserved",
        help="how a capture kernel is told of the old kernel's RAM (default: %(default)s)",
    )
    parser.add_argument(
        "--on-damage",
        choices=("halt", "reset"),
        default="halt",
        help="what happens if a segment was damaged before the jump (default: %(default)s)",
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
    import os

    from kexeckit.plan.handover import OldRam
    from kexeckit.plan.next_cmdline import reused_cmdline
    from kexeckit.purgatory import OnDamage
    from kexeckit.system.files import map_file

    reused = reused_cmdline(running_cmdline, panic=args.panic) if args.reuse_cmdline else ""
    return LoadRequest(
        kernel=map_file(args.kernel),
        initrd=map_file(args.initrd) if args.initrd else None,
        cmdline=" ".join(part for part in (reused, args.append or "") if part),
        panic=args.panic,
        old_ram=OldRam(args.old_ram),
        rng_seed=os.urandom(SEED_SIZE),
        on_damage=OnDamage[args.on_damage.upper()],
        serial_port=_port(args.serial),
        spin=getattr(args, "spin", False),
        efi=_efi_handover(args.efi_map) if args.efi_map else None,
    )


def make_plan(
    args: Namespace, syscall: Syscall, stated: Mapping[str, object] | None = None, *, predicted: bool = True
) -> Planned:
    """Collect the facts, plan, and verify.

    Args:
        args: The command line.
        syscall: Which system call the plan is for.
        stated: Fields of the kernel's behaviour that the user states, with their values.
        predicted: Without a prediction of kexec_file_load there is no plan; False to load all the same.

    Raises:
        KexeckitError: Any of its families.
    """
    from kexeckit.machine.version import parse_kernel_version
    from kexeckit.system.collect import collect_facts
    from kexeckit.system.sysroot import open_sysroot

    if args.kernel_version:
        parse_kernel_version(args.kernel_version)
    root = open_sysroot(args.root)
    facts = replace(collect_facts(root, args.arch, args.kernel_version), stated=stated or {})
    if facts.arch != "x86_64":
        raise PlanError(f"a plan for {facts.arch}", "only x86_64 images can be planned")
    request = make_request(args, facts.cmdline)
    return Planned(plan_image(request, facts, syscall, predicted=predicted), request, facts, root)


def plan_image(request: LoadRequest, facts: MachineFacts, syscall: Syscall, *, predicted: bool = True) -> LoadPlan:
    """Make a plan and have it verified.

    Raises:
        KexeckitError: It cannot be made, or the verifier rejects it (which is a defect of kexeckit).
    """
    from kexeckit.plan.verify import verify

    plan = _made(request, facts, syscall, predicted=predicted)
    findings = verify(plan, request, facts)
    if findings:
        text = "; ".join(f"{f.invariant}: {f.text}" for f in findings)
        raise KexeckitError(f"the verifier rejects the plan: {text}", remedy="this is a defect of kexeckit: report it")
    return plan


def _efi_handover(path: str) -> EfiHandover:
    from kexeckit.formats.efi_memory_map import parse_efi_memory_map
    from kexeckit.system.files import map_file

    try:
        return EfiHandover(parse_efi_memory_map(bytes(map_file(path).data), path))
    except ValueError as error:
        raise UsageError(f"--efi-map {path}: {error}") from error


def _made(request: LoadRequest, facts: MachineFacts, syscall: Syscall, *, predicted: bool) -> LoadPlan:
    if syscall is Syscall.FILE:
        from kexeckit.plan.file_plan import plan_file_load

        return plan_file_load(request, facts, predicted=predicted)
    from kexeckit.plan.x86_64 import plan_x86_64
    from kexeckit.purgatory import load_purgatory

    return plan_x86_64(request, facts, load_purgatory(facts.arch))


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    names = {"ttyS0": 0x3F8, "ttyS1": 0x2F8, "ttyS2": 0x3E8, "ttyS3": 0x2E8}
    try:
        port = names.get(text) or int(text, 0)
    except ValueError:
        port = -1
    # An 8250 has eight registers.
    if not 0 <= port <= 0x10000 - 8:
        raise UsageError(f"--serial {text}: expected an I/O port such as 0x3f8, or ttyS0")
    return port
