"""What a plan costs the running machine: page tables, control pages, pages that wait for the jump; and what forbids it.

Source: see kernel/load/kimage.py, kernel/load/kimage_check.py and kernel/page_tables/.
"""

import errno
from dataclasses import replace

from kexeckit.errors import SystemCallError
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.loading import KernelBehaviour
from kexeckit.kernel.load.kimage import ImageCost, image_cost
from kexeckit.kernel.load.kimage_check import ImageLimits, RawSegment, Refusal, check_kexec_load, check_segments
from kexeckit.kernel.page_tables.calls import MappedRange, MappingCalls
from kexeckit.kernel.page_tables.control_pages import CrashControlPages, crash_control_pages
from kexeckit.kernel.page_tables.cost import TableCost, cost_with_kernel, designs_of
from kexeckit.kernel.page_tables.designs import Design
from kexeckit.kernel.page_tables.from_machine import MappingQuestion
from kexeckit.kernel.page_tables.geometry import TableFormat
from kexeckit.kernel.page_tables.rule import LeafRule, kernel_rule
from kexeckit.memory.range import MemRange
from kexeckit.plan.load_plan import LoadPlan, Syscall


@dataclass(frozen=True, slots=True)
class MappingRules:
    """How the running kernel maps.

    Attributes:
        calls: What it maps without an image.
        rule: Its leaves.
        form: 4 or 5 levels.
        behaviour: What it does by version.
        crash: The crash regions, lowest first.
        assumed: What was assumed of the machine, one sentence each.
    """

    calls: MappingCalls
    rule: LeafRule
    form: TableFormat
    behaviour: KernelBehaviour
    crash: tuple[MemRange, ...] = ()
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanCost:
    """The cost of an image.

    Attributes:
        tables: Its page tables.
        image: Pages and bytes copied.
        control: Where a crash image's control pages lie, else None.
        designs: The three designs side by side, for a crash image.
    """

    tables: TableCost
    image: ImageCost
    control: CrashControlPages | None
    designs: tuple[Design, ...] = ()


def mapping_rules(question: MappingQuestion) -> MappingRules:
    """Return how a kernel maps, in the form that a plan's cost needs."""
    rule = kernel_rule(question.behaviour, gbpages=question.gbpages)
    form = TableFormat(question.levels)
    return MappingRules(question.calls, rule, form, question.behaviour, question.crash, question.assumed)


def cost_of_plan(plan: LoadPlan, rules: MappingRules) -> PlanCost:
    """Count what a plan costs.

    Raises:
        PlanError: The crash region has no room for the control pages, or the tables do not reach a segment.
    """
    ranges = [s.range for s in plan.segments]
    known = rules.calls
    segments = tuple(MappedRange(r, "segment") for r in ranges)
    calls = MappingCalls(known.ram, (*segments, *known.extra), known.not_determined)
    tables = replace(
        cost_with_kernel(calls, rules.rule, rules.form),
        assumed=tuple(text for text in rules.assumed if text not in plan.assumed),
    )
    image = image_cost(ranges, tables.pages, rules.behaviour, crash=plan.panic)
    if not plan.panic or not rules.crash:
        return PlanCost(tables, image, None)
    control = crash_control_pages(rules.crash[-1], ranges, tables.pages.total, rules.behaviour)
    return PlanCost(tables, image, control, designs_of(calls, rules.crash, rules.rule, rules.form))


def refusal_of(plan: LoadPlan, limits: ImageLimits) -> Refusal | None:
    """Say why the kernel would refuse a plan, or None."""
    raw = [RawSegment(s.range.start, s.memsz, s.bufsz, s.name) for s in plan.segments]
    if plan.syscall is Syscall.FILE or plan.entry is None:
        return check_segments(raw, limits, crash=plan.panic)
    return check_kexec_load(plan.entry, raw, limits, crash=plan.panic)


def check_plan(plan: LoadPlan, limits: ImageLimits) -> None:
    """Refuse a plan as the kernel would.

    Raises:
        SystemCallError: With the kernel's errno.
    """
    refusal = refusal_of(plan, limits)
    if refusal:
        call = "kexec_file_load" if plan.syscall is Syscall.FILE else "kexec_load"
        remedy = ""
        if refusal.errno == errno.EINVAL and "half of RAM" in refusal.why:
            remedy = "use a smaller initrd"
        raise SystemCallError(call, refusal.errno, f"would give {refusal.name}: {refusal.why}", remedy=remedy)
