"""Load a next kernel (to be entered by `kexeckit exec`) or, with --panic, a capture kernel.

The plan is shown first. Either the whole new image is in afterwards, or the old state stands.
"""

import sys
from argparse import ArgumentParser, Namespace

from kexeckit.cli.image_arguments import OF_OUR_SEGMENTS, Planned, add_image_arguments, make_plan


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_image_arguments(parser)
    parser.add_argument(
        "--syscall",
        choices=("auto", "load", "file"),
        default="auto",
        help="kexec_load with our own segments, or kexec_file_load with the kernel's (default: auto, which says why "
        "where it does not take kexec_load)",
    )
    parser.add_argument("-n", "--dry-run", action="store_true", help="show the plan and stop before the system call")
    parser.add_argument(
        "--if-changed",
        action="store_true",
        help="load only if the machine, a file or the command line has changed since the image in the slot was loaded",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="do not show the plan")
    parser.add_argument("--spin", action="store_true", help="stop at the purgatory's first instruction, for debuggers")


def run(args: Namespace) -> int:
    """Plan, show, load."""
    from kexeckit.cli.live import require_live
    from kexeckit.cli.parser import refuse_unused
    from kexeckit.errors import SystemCallError
    from kexeckit.plan.load_plan import Syscall
    from kexeckit.system.loader import choose_syscall, may_fall_back
    from kexeckit.system.sysroot import open_sysroot

    if args.syscall == "file":
        refuse_unused(args, OF_OUR_SEGMENTS, "kexec_file_load")
    root = open_sysroot(args.root)
    syscall, why = choose_syscall(args.syscall, root)
    if why:
        _note(why)
    if args.syscall == "auto" and syscall is Syscall.FILE:
        _note_unused(args)
    planned = make_plan(args, syscall, root, predicted=False)
    # Without segments there is nothing to compare.
    if args.if_changed and planned.plan.segments and _is_loaded(planned):
        _note("nothing has changed since this image was loaded; it stays")
        return 0
    _show(planned, args)
    if args.dry_run:
        _print_document(planned, args)
        return 0
    require_live(planned.root, "load")
    _check_limits(planned)
    try:
        _load(planned, args)
    except SystemCallError as error:
        if args.syscall != "auto" or syscall is Syscall.FILE or not may_fall_back(error):
            raise
        _note(f"kexec_file_load is tried, because {error}")
        _note_unused(args)
        planned = _by_file(planned)
        _show(planned, args)
        _load(planned, args)
    _print_document(planned, args)
    return 0


def _by_file(planned: Planned) -> Planned:
    # The same request on the same machine, by the other call.
    from dataclasses import replace

    from kexeckit.plan.load_plan import Syscall
    from kexeckit.plan.make import plan_image

    return replace(planned, plan=plan_image(planned.request, planned.facts, Syscall.FILE, predicted=False))


def _load(planned: Planned, args: Namespace) -> None:
    from kexeckit.cli.live import live_loader

    try:
        live_loader(planned.root, planned.facts.arch).load(planned.plan, planned.request)
    except KeyboardInterrupt:
        # Signals wait until the outcome is on record.
        _note("interrupted; `kexeckit status` says what is loaded")
        raise
    slot = "capture kernel" if planned.plan.panic else "next kernel"
    then = "it starts when this kernel panics" if planned.plan.panic else "`kexeckit exec` enters it"
    if not args.json:
        print(f"\n{slot} loaded by kexec{'_file' if planned.plan.syscall == 'file' else ''}_load; {then}")


def _is_loaded(planned: Planned) -> bool:
    # The same image as the record of the slot says, and the slot is still taken.
    from kexeckit.plan.fingerprint import is_same_image
    from kexeckit.plan.load_plan import Syscall
    from kexeckit.system.record import RECORDS, LoadRecord, read_record
    from kexeckit.system.state import header_is_updated, state_of

    plan = planned.plan
    state = state_of(planned.machine)
    record = read_record(RECORDS, panic=plan.panic)
    if record is None or not (state.crash if plan.panic else state.normal):
        return False
    updated = plan.syscall is Syscall.FILE and header_is_updated(planned.root)
    now = LoadRecord.of(plan, planned.request)
    # What the fingerprint leaves out: the purgatory's orders, and the kernel file's own header.
    options = ("on_damage", "serial_port", "spin", "efi_map", "setup_sha256")
    return all(getattr(record, name) == getattr(now, name) for name in options) and is_same_image(
        record.fingerprint, now.fingerprint, kernel_updates_header=updated
    )


def _check_limits(planned: Planned) -> None:
    # The kernel's own checks, before it frees the old crash image.
    from kexeckit.kernel.page_tables.from_machine import image_limits, mapping_question
    from kexeckit.plan.cost import check_plan

    check_plan(planned.plan, image_limits(planned.machine, mapping_question(planned.machine, planned.behaviours)))


def _show(planned: Planned, args: Namespace) -> None:
    from kexeckit.cli.output import print_text, print_warnings
    from kexeckit.render.plan import render_plan

    if not args.json and not args.quiet:
        print_text(render_plan(planned.plan))
    print_warnings(planned.plan.warnings)


def _print_document(planned: Planned, args: Namespace) -> None:
    # One document: that of the plan that was loaded, also where a second one had to be tried.
    from kexeckit.cli.output import print_document
    from kexeckit.render.plan import plan_document

    if args.json:
        print_document(plan_document(planned.plan))


def _note_unused(args: Namespace) -> None:
    # Nobody asked for kexec_file_load here, so what it cannot do is said and no reason to refuse.
    from kexeckit.cli.parser import given_of

    given = given_of(args, OF_OUR_SEGMENTS)
    if given:
        _note(f"kexec_file_load does not use {', '.join(given)}")


def _note(text: str) -> None:
    from kexeckit.cli.output import one_line

    print(f"kexeckit: {one_line(text)}", file=sys.stderr)
