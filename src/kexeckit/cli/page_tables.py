"""Count the page tables that kexec's identity mapping takes.

For ranges given by hand (--range, half-open: 0x100000-0xbffe0000, 0-24T) or for a machine: this one, or with --root a
capture, an iomem file or a boot log. With --leaf 4K, 2M or 1G every touched slot of that size gets an entry, rounded
outwards; with --leaf kernel it is counted what --kernel-version (or the source's kernel) builds.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from kexeckit.cli.behaviour_arguments import add_behaviour_arguments, read_stated

if TYPE_CHECKING:
    from kexeckit.kernel.page_tables.cost import TableCost, UnknownCost
    from kexeckit.machine.value import Machine
    from kexeckit.memory.range import MemRange

_LEAVES = ("4K", "2M", "1G", "kernel")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "--range",
        action="append",
        default=[],
        metavar="START-END",
        help="map this range (may be repeated); sizes such as 24T or 0x1000, END is the first byte after it",
    )
    parser.add_argument("--leaf", choices=_LEAVES, default="kernel", help="size of the leaves (default: %(default)s)")
    parser.add_argument("--levels", type=int, choices=(4, 5), help="levels of tables (default: the machine's, or 4)")
    parser.add_argument("--no-gbpages", action="store_true", help="the kernel does not use 1 GiB pages")
    add_behaviour_arguments(parser)


def run(args: Namespace) -> int:
    """Print the cost."""
    from kexeckit.errors import NOT_DETERMINED
    from kexeckit.kernel.certainty import Certainty

    cost = _by_hand(args) if args.range else _of_machine(args)
    if args.json:
        from kexeckit.cli.output import print_document
        from kexeckit.render.page_tables import page_tables_document

        print_document(page_tables_document(cost))
    else:
        from kexeckit.render.page_tables import render_page_tables

        print(render_page_tables(cost))
    return NOT_DETERMINED if cost.certainty is Certainty.OPEN else 0


def _by_hand(args: Namespace) -> "TableCost | UnknownCost":
    from kexeckit.cli.parser import refuse_unused
    from kexeckit.kernel.behaviour.of_machine import behaviours_of
    from kexeckit.kernel.page_tables.cost import cost_with_leaf
    from kexeckit.kernel.page_tables.from_machine import answer_of_ranges, mapped_arch
    from kexeckit.kernel.page_tables.geometry import TableFormat
    from kexeckit.memory.rangeset import RangeSet

    ranges = RangeSet(parse_range(text) for text in args.range)
    levels = args.levels or 4
    if args.leaf != "kernel" and not args.arch:
        refuse_unused(args, ("root", "kernel_version", "no_gbpages"), f"--range with --leaf {args.leaf}")
        return cost_with_leaf(ranges, args.leaf, TableFormat(levels))
    if args.kernel_version:
        refuse_unused(args, ("root",), "--range with --kernel-version")
    machine = _machine(args)
    kernel = behaviours_of(machine, read_stated(args, "loading"))
    arch, gbpages = mapped_arch(machine), not args.no_gbpages
    return answer_of_ranges(arch, ranges, args.leaf, kernel, levels=levels, gbpages=gbpages)


def _of_machine(args: Namespace) -> "TableCost | UnknownCost":
    from kexeckit.kernel.behaviour.of_machine import behaviours_of
    from kexeckit.kernel.page_tables.from_machine import answer, mapping_question

    machine = _machine(args)
    kernel = behaviours_of(machine, read_stated(args, "loading"))
    gbpages = False if args.no_gbpages else None
    question = mapping_question(machine, kernel, levels=args.levels, gbpages=gbpages)
    return answer(question, args.leaf)


def _machine(args: Namespace) -> "Machine":
    from kexeckit.system.machine import read_machine
    from kexeckit.system.sysroot import open_sysroot

    return read_machine(open_sysroot(args.root), arch=args.arch, release=args.kernel_version, handover=True)


def parse_range(text: str) -> "MemRange":
    """Read ``START-END``, half-open.

    Raises:
        UsageError: Not two sizes, or an empty or reversed range.
    """
    from kexeckit.errors import UsageError
    from kexeckit.memory.range import MemRange
    from kexeckit.memory.units import ADDRESS_LIMIT, parse_size

    first, dash, last = text.partition("-")
    if not dash or not first or not last:
        raise UsageError(f"--range {text}: expected START-END, such as 0x100000-0xbffe0000 or 0-24T")
    start, end = parse_size(first), parse_size(last)
    if not start < end <= ADDRESS_LIMIT:
        raise UsageError(f"--range {text}: the end is exclusive and must lie above the start, at most 2^64")
    return MemRange(start, end)
