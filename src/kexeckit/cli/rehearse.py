"""Rehearse a load for real: boot a guest in QEMU, load a capture kernel in it, crash it, and compare every prediction
with what the kernels did. Exits with 0 only if all agree.

With --measure: how small the reservation may be. The guest reserves, loads, crashes and reads old memory, again and
again, until the smallest that completes a dump is known, to a step; it stands next to the estimate.

Needs QEMU and, without --kernel, Debian's kernel packages (fetched by apt, kept in the user's cache folder).
"""

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from kexeckit.lab.guest import Progress
    from kexeckit.lab.rehearse import Outcome, Rehearsal


UNUSED = ("root", "arch", "kernel_version")
_OF_MEASURE = ("step", "padding", "packed", "all_cpus")
_NOT_OF_MEASURE = ("memory", "crashkernel", "first_append", "reboot", "timeout", "verbose")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("--kernel", metavar="F", help="kernel that boots, crashes and captures (default: Debian's)")
    parser.add_argument("--suite", help="Debian suite whose cloud kernel is taken (default: bookworm)")
    parser.add_argument("--memory", metavar="SIZE", help="memory of the guest (default: 1G)")
    parser.add_argument("--crashkernel", metavar="SPEC", help="reservation in the guest (default: 256M)")
    parser.add_argument("--append", metavar="S", default="", help="more words for the second kernel's command line")
    parser.add_argument("--first-append", metavar="S", default="", help="more words for the first kernel's")
    parser.add_argument("--syscall", choices=("load", "file"), default="load", help="default: %(default)s")
    parser.add_argument("--reboot", action="store_true", help="a plain kexec (load and exec) instead of a crash")
    parser.add_argument("--cpus", type=int, default=1, metavar="N", help="CPUs of the guest (default: %(default)s)")
    parser.add_argument("--kvm", action="store_true", help="use hardware virtualisation instead of emulation")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds (default: 300)")
    group = parser.add_argument_group("how much is needed")
    group.add_argument("--measure", action="store_true", help="find the smallest reservation that works")
    group.add_argument("--step", type=int, metavar="MIB", help="precision in MiB (default: 4)")
    group.add_argument("--padding", metavar="SIZE", help="make the initramfs so much larger")
    group.add_argument("--packed", action="store_true", help="... with zeros, and pack it by gzip")
    group.add_argument("--all-cpus", action="store_true", help="leave out nr_cpus= for the capture kernel")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the guest's console")


def run(args: Namespace) -> int:
    """Rehearse and print the comparison."""
    from kexeckit.errors import UnavailableError

    _check(args)

    try:
        from kexeckit.lab.rehearse import rehearse
    except ImportError as error:
        raise UnavailableError(
            "this build of kexeckit has no lab", remedy="rehearse from a full installation"
        ) from error
    if args.measure:
        return _measure(args)
    outcome = rehearse(_rehearsal(args), _progress(args))
    if args.json:
        from kexeckit.cli.output import print_document

        print_document(_document(outcome))
    else:
        from kexeckit.render.checks import render_checks

        print(render_checks(outcome.checks))
    return 0 if outcome.agrees else 1


def _check(args: Namespace) -> None:
    from kexeckit.cli.parser import refuse_unused
    from kexeckit.errors import UsageError

    if args.kernel:
        refuse_unused(args, ("suite",), "--kernel")
    if args.measure:
        refuse_unused(args, _NOT_OF_MEASURE, "--measure")
    else:
        refuse_unused(args, _OF_MEASURE, "a rehearsal", "add --measure, to which they belong")
    if args.reboot:
        refuse_unused(args, ("crashkernel",), "--reboot")
    for name in ("cpus", "step", "timeout"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise UsageError(f"--{name} {value}: expected a number above 0")


def _rehearsal(args: Namespace) -> "Rehearsal":
    from kexeckit.lab.machine import Machine
    from kexeckit.lab.rehearse import Rehearsal
    from kexeckit.memory.units import parse_size

    kernel = _kernel(args)
    reservation = "" if args.reboot else f"crashkernel={args.crashkernel or '256M'}"
    machine = Machine(
        kernel=kernel,
        memory=parse_size(args.memory or "1G"),
        cpus=args.cpus,
        append=f"{reservation} {args.first_append}".strip(),
        kvm=args.kvm,
    )
    append = f"console=ttyS0 {args.append}".strip()
    return Rehearsal(machine, append, args.syscall, not args.reboot, timeout=args.timeout or 300.0)


def _kernel(args: Namespace) -> "Path":
    from pathlib import Path

    from kexeckit.lab.packages import fetch_kernel
    from kexeckit.system.files import opened

    if not args.kernel:
        return fetch_kernel(args.suite or "bookworm", "x86_64").vmlinuz
    with opened(args.kernel):
        return Path(args.kernel)


def _measure(args: Namespace) -> int:
    from kexeckit.lab.measure_reservation import Need, Try, measure
    from kexeckit.memory.units import parse_size
    from kexeckit.render.estimate import measured_document, render_measured

    need = Need(
        kernel=_kernel(args),
        padding=parse_size(args.padding or "0"),
        packed=args.packed,
        cpus=args.cpus,
        limit_cpus=not args.all_cpus,
        append=args.append,
        syscall=args.syscall,
        kvm=args.kvm,
    )

    def tell(one: Try) -> None:
        how = "works" if one.works else f"is not enough: {one.why}"
        print(f"... {one.mib} MiB {how} ({one.seconds:.0f} s)", file=sys.stderr, flush=True)

    found = measure(need, args.step or 4, tell)
    tries = [(t.mib, t.works, t.why) for t in found.tries]
    if args.json:
        from kexeckit.cli.output import print_document

        print_document(measured_document(found.smallest, found.step, found.estimate, tries))
    else:
        print(render_measured(found.smallest, found.step, found.estimate))
    return 0


def _progress(args: Namespace) -> "Progress":
    # The guest's own stages are told as they come; the rest of its console only on request.
    mark = "kexeckit: "

    def tell(line: str) -> None:
        if line.startswith(mark):
            print(f"... {line.removeprefix(mark)}", file=sys.stderr, flush=True)
        elif args.verbose:
            print(f"    {line}", file=sys.stderr, flush=True)

    return tell


def _document(outcome: "Outcome") -> dict[str, object]:
    checks = [
        {"subject": c.subject, "predicted": c.predicted, "observed": c.observed, "agrees": c.agrees}
        for c in outcome.checks
    ]
    return {
        "schema": "kexeckit/rehearse/1",
        "agrees": outcome.agrees,
        "seconds": round(outcome.run.seconds, 1),
        "checks": checks,
        "plan": dict(outcome.plan),
    }
