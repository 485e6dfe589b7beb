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
    from kexeckit.kernel.page_tables.cost import UnknownCost

    cost, certain = _by_hand(args) if args.range else _of_machine(args)
    if args.json:
        from kexeckit.cli.output import print_document
        from kexeckit.render.page_tables import page_tables_document

        print_document(page_tables_document(cost))
    else:
        from kexeckit.render.page_tables import render_page_tables

        print(render_page_tables(cost))
    return NOT_DETERMINED if isinstance(cost, UnknownCost) or not certain else 0


def _by_hand(args: Namespace) -> "tuple[TableCost | UnknownCost, bool]":
    from dataclasses import replace

    from kexeckit.cli.parser import refuse_unused
    from kexeckit.kernel.page_tables.calls import MappingCalls
    from kexeckit.kernel.page_tables.cost import UnknownCost, cost_of_linear_copy, cost_with_kernel, cost_with_leaf
    from kexeckit.kernel.page_tables.geometry import TableFormat
    from kexeckit.kernel.page_tables.rule import kernel_rule
    from kexeckit.memory.rangeset import RangeSet
    from kexeckit.system.mapping_input import KernelWanted, behaviour_named
    from kexeckit.system.release import stable_release
    from kexeckit.system.sysroot import open_sysroot

    ranges = RangeSet(parse_range(text) for text in args.range)
    form = TableFormat(args.levels or 4)
    refuse_unused(args, ("arch",), "--range")
    if args.leaf != "kernel":
        refuse_unused(args, ("root", "kernel_version", "no_gbpages"), f"--range with --leaf {args.leaf}")
        return cost_with_leaf(ranges, args.leaf, form), True
    if args.kernel_version:
        refuse_unused(args, ("root",), "--range with --kernel-version")
    assumed: list[str] = []
    arch = args.arch or "x86_64"
    release = "" if args.kernel_version else stable_release(open_sysroot(args.root))
    wanted = KernelWanted(arch, args.kernel_version, read_stated(args, "loading"))
    behaviour, below = behaviour_named(arch, release, wanted, assumed)
    if below:
        return UnknownCost(args.leaf, form.levels, below), True
    if arch in ("aarch64", "arm64"):
        cost = cost_of_linear_copy(ranges, args.leaf, form.levels, copied=behaviour.linear_map_copied)
        return replace(cost, reasons=(*cost.reasons, *assumed)), True
    cost = cost_with_kernel(MappingCalls(ranges), kernel_rule(behaviour, gbpages=not args.no_gbpages), form)
    return replace(cost, reasons=(*cost.reasons, *assumed)), True


def _of_machine(args: Namespace) -> "tuple[TableCost | UnknownCost, bool]":
    from dataclasses import replace

    from kexeckit.kernel.page_tables.cost import UnknownCost, cost_with_kernel, cost_with_leaf, designs_of
    from kexeckit.kernel.page_tables.geometry import TableFormat
    from kexeckit.kernel.page_tables.rule import kernel_rule
    from kexeckit.memory.rangeset import RangeSet
    from kexeckit.system.mapping_input import read_mapping_question
    from kexeckit.system.sysroot import open_sysroot

    stated = read_stated(args, "loading")
    question = read_mapping_question(open_sysroot(args.root), args.arch, args.kernel_version, stated)
    if question.below and (args.leaf == "kernel" or question.arch != "x86_64"):
        return UnknownCost(args.leaf, args.levels or question.levels, question.below), True
    if question.arch in ("aarch64", "arm64"):
        from kexeckit.kernel.page_tables.cost import cost_of_linear_copy

        copied = question.behaviour.linear_map_copied
        return cost_of_linear_copy(question.resources.ram(), args.leaf, args.levels or 4, copied=copied), True
    form = TableFormat(args.levels or question.levels)
    rule = kernel_rule(question.behaviour, gbpages=question.gbpages and not args.no_gbpages)
    if args.leaf == "kernel":
        cost = cost_with_kernel(question.calls, rule, form)
    else:
        cost = cost_with_leaf(RangeSet(question.calls.in_order), args.leaf, form)
    designs = designs_of(question.calls, question.crash, rule, form)
    # Ranges at unknown places are mapped, too: what is shown is the least that it can be.
    return replace(cost, reasons=(*cost.reasons, *question.assumed), designs=designs), not question.calls.not_determined


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
