"""From a `Machine` to a question about page tables, and to its answer: what the kernel there maps for kexec, and how.

What a source does not show is either taken as the usual case, which `assumed` says, or named as not determined.
"""

from dataclasses import replace

from kexeckit.errors import UnavailableError
from kexeckit.formats.boot_params import parse_boot_params
from kexeckit.frozen import dataclass
from kexeckit.kernel import assumed as words
from kexeckit.kernel.assumed import known_arch
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.behaviour.floors import PAGE_TABLES
from kexeckit.kernel.behaviour.loading import KernelBehaviour
from kexeckit.kernel.behaviour.of_machine import behaviours_of
from kexeckit.kernel.boot.resources import resources_of
from kexeckit.kernel.load.kimage_check import NO_LIMIT, X86_64_LIMIT, X86_64_LIMIT_LA57, ImageLimits
from kexeckit.kernel.page_tables.calls import EfiTables, MappingCalls, kernel_calls
from kexeckit.kernel.page_tables.cost import (
    TableCost,
    UnknownCost,
    cost_of_linear_copy,
    cost_with_kernel,
    cost_with_leaf,
    designs_of,
)
from kexeckit.kernel.page_tables.geometry import TableFormat
from kexeckit.kernel.page_tables.rule import kernel_rule
from kexeckit.machine.fact import yes
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import SYSTEM_RAM, Resource, ResourceTree
from kexeckit.memory.units import PAGE_SIZE, format_size

# How many tables the array has stands only in memory; it does not matter as long as the array ends in the GiB in which
# it begins, so a usual number is taken.
_USUAL_CONFIG_TABLES = 16


@dataclass(frozen=True, slots=True)
class MappingQuestion:
    """What a kernel maps for kexec on one machine.

    Attributes:
        arch: The kernel's name of the architecture: ``x86_64`` or ``arm64``.
        resources: Its resources.
        calls: What is mapped without an image's segments.
        behaviour: The kernel.
        levels: Levels of page tables in use.
        gbpages: Whether the kernel maps with 1 GiB pages.
        assumed: What was assumed, in words.
        below: Why this kernel's page tables are not modelled, or None.
        stated: What the user stated about the kernel, in words.
    """

    arch: str
    resources: ResourceTree
    calls: MappingCalls
    behaviour: KernelBehaviour
    levels: int = 4
    gbpages: bool = True
    assumed: tuple[str, ...] = ()
    below: str | None = None
    stated: tuple[str, ...] = ()

    @property
    def crash(self) -> tuple[MemRange, ...]:
        """The crash regions, lowest first."""
        return self.resources.crash_regions()


def mapping_question(
    machine: Machine, behaviours: Behaviours | None = None, *, levels: int | None = None, gbpages: bool | None = None
) -> MappingQuestion:
    """Return what a machine's kernel maps for kexec.

    Args:
        machine: The machine; read with what only loading needs, where its EFI tables matter.
        behaviours: What its kernel does; None to choose by its version.
        levels: Levels of page tables as the user says, or None.
        gbpages: Whether 1 GiB pages are used, likewise.

    Raises:
        InputError: A source is damaged, or none shows the architecture.
        UnavailableError: There is no memory map, or what kexec maps on that architecture is not known.
    """
    arch = mapped_arch(machine)
    resources, assumed = resources_of(machine)
    kernel = behaviours or behaviours_of(machine)
    behaviour, below = kernel.loading, kernel.why_not(PAGE_TABLES)
    assumed = (*assumed, *kernel.assumptions)
    if arch == "arm64":
        depth, more = _depth(None, levels)
        assumed = (*assumed, *more, *_arm64_pages(machine))
        return MappingQuestion(
            arch,
            resources,
            MappingCalls(resources.ram()),
            behaviour,
            depth,
            True,
            assumed,
            below,
            kernel.said(behaviour),
        )
    flags = machine.cpus.flags
    depth, more = _depth(("la57" in flags.value) if flags else None, levels)
    huge = machine.kernel.gbpages
    use = gbpages if gbpages is not None else huge.value if huge else None
    efi = _efi_tables(machine)
    unknown = yes(machine.boot.efi) and not efi
    return MappingQuestion(
        arch,
        resources,
        kernel_calls(resources, behaviour, (), efi, efi_unknown=unknown),
        behaviour,
        depth,
        use is not False,
        (*assumed, *more, *((words.GBPAGES,) if use is None else ())),
        below,
        kernel.said(behaviour),
    )


def answer_of_ranges(
    arch: str,
    ranges: RangeSet,
    leaf: str,
    behaviours: Behaviours,
    *,
    levels: int | None = None,
    gbpages: bool = True,
) -> TableCost | UnknownCost:
    """Count the tables of ranges that are given by hand, whatever memory a machine has.

    Args:
        arch: An architecture from `mapped_arch`.
        ranges: What is mapped.
        leaf: As in `answer`; with a size, no kernel of x86_64 is asked.
        behaviours: What the kernel does.
        levels: Levels of page tables; None for 4.
        gbpages: Whether 1 GiB pages are used.

    Raises:
        PlanError: The tables do not reach a range.
    """
    if leaf != "kernel" and arch == "x86_64":
        return cost_with_leaf(ranges, leaf, TableFormat(levels or 4))
    question = MappingQuestion(
        arch,
        ResourceTree(tuple(Resource(r, SYSTEM_RAM) for r in ranges)),
        MappingCalls(ranges),
        behaviours.loading,
        levels or 4,
        gbpages,
        behaviours.assumptions,
        behaviours.why_not(PAGE_TABLES),
        behaviours.said(behaviours.loading),
    )
    return answer(question, leaf)


def mapped_arch(machine: Machine) -> str:
    """Return the architecture of a machine whose page tables for kexec are known here.

    Raises:
        InputError: No source shows the architecture.
        UnavailableError: It is another one.
    """
    arch = known_arch(machine)
    if arch not in ("x86_64", "arm64"):
        raise UnavailableError(f"which page tables kexec builds on {arch} is not known here, only on x86_64 and arm64")
    return arch


def answer(question: MappingQuestion, leaf: str) -> TableCost | UnknownCost:
    """Count the tables.

    Args:
        question: What is mapped.
        leaf: ``4K``, ``2M`` or ``1G``; or ``kernel`` for what that kernel builds.

    Raises:
        PlanError: The tables do not reach a range.
    """
    if question.below and (leaf == "kernel" or question.arch != "x86_64"):
        return UnknownCost(leaf, question.levels, question.below)
    if question.arch == "arm64":
        copied = question.behaviour.linear_map_copied
        cost = cost_of_linear_copy(question.resources.ram(), leaf, question.levels, copied=copied)
        return replace(cost, reasons=(*cost.reasons, *question.stated), assumed=question.assumed)
    form = TableFormat(question.levels)
    rule = kernel_rule(question.behaviour, gbpages=question.gbpages)
    if leaf == "kernel":
        cost = cost_with_kernel(question.calls, rule, form)
    else:
        cost = cost_with_leaf(RangeSet(question.calls.in_order), leaf, form)
    designs = designs_of(question.calls, question.crash, rule, form)
    reasons = (*cost.reasons, *question.stated)
    least = bool(question.calls.not_determined)
    return replace(cost, reasons=reasons, designs=designs, assumed=question.assumed, least=least)


def image_limits(machine: Machine, question: MappingQuestion) -> ImageLimits:
    """Return what the kernel measures an image against.

    Args:
        machine: The machine.
        question: Its mapping.
    """
    managed = machine.memory.managed
    limit = X86_64_LIMIT if question.levels == 4 else X86_64_LIMIT_LA57
    main = question.crash[-1] if question.crash else None
    total = managed.value // PAGE_SIZE if managed else None
    return ImageLimits(main, total, limit if question.arch == "x86_64" else NO_LIMIT)


def _depth(five: bool | None, levels: int | None) -> tuple[int, tuple[str, ...]]:  # noqa: FBT001
    if levels:
        return levels, ()
    return (4, (words.LEVELS,)) if five is None else (5 if five else 4, ())


def _arm64_pages(machine: Machine) -> tuple[str, ...]:
    size = machine.kernel.page_size
    if size is None:
        return (words.PAGE_SIZE,)
    if size.value != PAGE_SIZE:
        raise UnavailableError(
            f"{size.at} shows pages of {format_size(size.value)}: the page tables of arm64 are known for 4 KiB only"
        )
    return ()


def _efi_tables(machine: Machine) -> EfiTables | None:
    # None where the source does not show them, or there is no EFI.
    if not yes(machine.boot.efi):
        return None
    for problem in machine.problems:
        if problem.about in ("handover.efi", "handover.boot_params") and problem.kind != "permission":
            raise problem.error()
    known = machine.handover
    if not known or not known.boot_params or not known.efi or not known.efi.value.config_table:
        return None
    efi = parse_boot_params(known.boot_params.value, known.boot_params.source).efi
    return EfiTables(efi.systab, known.efi.value.config_table, _USUAL_CONFIG_TABLES) if efi.present else None
