"""What identity page tables for kexec cost."""

from dataclasses import dataclass

from kexeckit.api.reason import Reason
from kexeckit.errors import UsageError
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.page_tables.cost import TableCost, UnknownCost
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange

LEAVES = ("4K", "2M", "1G", "kernel")


@dataclass(frozen=True, slots=True, repr=False)
class PageTables:
    """What page tables cost; attributes have the names of the JSON document's keys.

    Attributes:
        cost: The whole answer, from which all others are taken; its form may change in any release.
    """

    cost: TableCost | UnknownCost

    @property
    def determined(self) -> bool:
        """Whether the cost is determined."""
        return isinstance(self.cost, TableCost)

    @property
    def certainty(self) -> str:
        """How sure the cost is: ``certain``, ``likely``, or ``open`` where it is not determined or the least only."""
        return self.cost.certainty.value

    @property
    def pages(self) -> int | None:
        """All table pages; None where they are not determined."""
        return self.cost.pages.total if isinstance(self.cost, TableCost) else None

    @property
    def bytes(self) -> int | None:
        """Bytes of all table pages; None where they are not determined."""
        return self.cost.pages.size if isinstance(self.cost, TableCost) else None

    @property
    def levels(self) -> int:
        """Levels of tables."""
        return self.cost.levels

    @property
    def leaf(self) -> str:
        """``4K``, ``2M``, ``1G``, or ``kernel`` for what the kernel builds."""
        return self.cost.leaf

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why so many, or why that is not determined."""
        if isinstance(self.cost, UnknownCost):
            return (Reason("kernel", f"not determined: {self.cost.why}"),)
        return tuple(Reason("page tables", text) for text in self.cost.reasons)

    @property
    def assumed(self) -> tuple[str, ...]:
        """What no source shows and was assumed, one sentence each."""
        return self.cost.assumed if isinstance(self.cost, TableCost) else ()

    def to_json(self) -> str:
        """Return the document ``kexeckit/page-tables/1``, as ``kexeckit page-tables --json`` prints it."""
        from kexeckit.render.document import document_text
        from kexeckit.render.page_tables import page_tables_document

        return document_text(page_tables_document(self.cost))

    def __repr__(self) -> str:
        how = f"{self.levels} levels, leaf {self.leaf}"
        found = "not determined" if self.bytes is None else f"{self.pages} pages, {self.bytes:#x} bytes"
        return f"<PageTables {found}; {how}>"


def page_tables(
    machine: Machine | str,
    *ranges: MemRange,
    leaf: str = "kernel",
    levels: int | None = None,
    gbpages: bool | None = None,
    behaviours: Behaviours | None = None,
) -> PageTables:
    """Count the page tables that kexec's identity mapping takes.

    Args:
        machine: The machine, or the name of an architecture, for which `ranges` have to be given.
        ranges: What is mapped; without ranges, what the machine's kernel maps.
        leaf: ``4K``, ``2M`` or ``1G`` for leaves of that size; ``kernel`` for what the kernel builds.
        levels: Levels of tables, 4 or 5; None for the machine's.
        gbpages: Whether the kernel uses 1 GiB pages; None for what the machine shows.
        behaviours: What the kernel does, from `behaviours_of`; None to choose by its version.

    Raises:
        InputError: A source is damaged, or none shows the architecture.
        UnavailableError: There is no memory map, or what kexec maps on that architecture is not known.
        UsageError: An unknown architecture or leaf, or an architecture without ranges.
        PlanError: The tables do not reach a range.
    """
    from kexeckit.kernel.behaviour.of_machine import behaviours_of
    from kexeckit.kernel.page_tables.from_machine import answer, answer_of_ranges, mapped_arch, mapping_question
    from kexeckit.memory.rangeset import RangeSet

    if leaf not in LEAVES:
        raise UsageError(f"leaf {leaf!r}: expected one of {', '.join(LEAVES)}")
    known = _bare(machine) if isinstance(machine, str) else machine
    if not ranges and known is not machine:
        raise UsageError(f"no range is given for {machine}", remedy="give ranges, or a machine")
    kernel = behaviours or behaviours_of(known)
    if ranges:
        arch, mapped, use = mapped_arch(known), RangeSet(ranges), gbpages is not False
        return PageTables(answer_of_ranges(arch, mapped, leaf, kernel, levels=levels, gbpages=use))
    return PageTables(answer(mapping_question(known, kernel, levels=levels, gbpages=gbpages), leaf))


def _bare(arch: str) -> Machine:
    from kexeckit.machine.arch import stated_arch
    from kexeckit.machine.merge import stated

    return stated(Machine("the arguments", "described"), stated_arch(arch), None)
