"""Rehearse a load for real: boot a guest in QEMU, load a capture kernel in it, crash it, and compare every prediction
with what the kernels did. Exits with 0 only if all agree.

Needs QEMU and, without --kernel, Debian's kernel packages (fetched by apt, kept in the user's cache folder).
"""

import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kexeckit.lab.guest import Progress
    from kexeckit.lab.rehearse import Outcome, Rehearsal


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("--kernel", metavar="F", help="kernel that boots, crashes and captures (default: Debian's)")
    parser.add_argument(
        "--suite", default="bookworm", help="Debian suite whose cloud kernel is taken (default: %(default)s)"
    )
    parser.add_argument("--memory", metavar="SIZE", default="1G", help="memory of the guest (default: %(default)s)")
    parser.add_argument(
        "--crashkernel", metavar="SPEC", default="256M", help="reservation in the guest (default: %(default)s)"
    )
    parser.add_argument("--append", metavar="S", default="", help="more words for the second kernel's command line")
    parser.add_argument("--first-append", metavar="S", default="", help="more words for the first kernel's")
    parser.add_argument("--syscall", choices=("load", "file"), default="load", help="default: %(default)s")
    parser.add_argument("--reboot", action="store_true", help="a plain kexec (load and exec) instead of a crash")
    parser.add_argument("--cpus", type=int, default=1, metavar="N", help="CPUs of the guest (default: %(default)s)")
    parser.add_argument("--kvm", action="store_true", help="use hardware virtualisation instead of emulation")
    parser.add_argument("--timeout", type=float, default=300.0, metavar="S", help="seconds (default: %(default)s)")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the guest's console")


def run(args: Namespace) -> int:
    """Rehearse and print the comparison."""
    from kexeckit.errors import UnavailableError

    try:
        from kexeckit.lab.rehearse import rehearse
    except ImportError as error:
        raise UnavailableError(
            "this build of kexeckit has no lab", remedy="rehearse from a full installation"
        ) from error
    outcome = rehearse(_rehearsal(args), _progress(args))
    if args.json:
        from kexeckit.cli.output import print_document

        print_document(_document(outcome))
    else:
        from kexeckit.render.checks import render_checks

        print(render_checks(outcome.checks))
    return 0 if outcome.agrees else 1


def _rehearsal(args: Namespace) -> "Rehearsal":
    from pathlib import Path

    from kexeckit.lab.machine import Machine
    from kexeckit.lab.packages import fetch_kernel
    from kexeckit.lab.rehearse import Rehearsal
    from kexeckit.memory.units import parse_size

    kernel = Path(args.kernel) if args.kernel else fetch_kernel(args.suite, "x86_64").vmlinuz
    reservation = "" if args.reboot else f"crashkernel={args.crashkernel}"
    machine = Machine(
        kernel=kernel,
        memory=parse_size(args.memory),
        cpus=args.cpus,
        append=f"{reservation} {args.first_append}".strip(),
        kvm=args.kvm,
    )
    append = f"console=ttyS0 {args.append}".strip()
    return Rehearsal(machine, append, args.syscall, not args.reboot, timeout=args.timeout)


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
