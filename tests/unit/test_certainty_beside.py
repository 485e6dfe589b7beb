"""How sure page tables and what the in-kernel loader chooses are."""

import pytest

from kexeckit.kernel.page_tables.cost import TableCost, UnknownCost
from kexeckit.kernel.page_tables.geometry import TablePages
from kexeckit.memory.memmap import MemoryMap
from kexeckit.plan.load_plan import LoadPlan, Syscall
from kexeckit.render.page_tables import page_tables_document, render_page_tables


@pytest.mark.parametrize(
    ("assumed", "least", "sure"),
    [((), False, "certain"), (("4 levels",), False, "likely"), ((), True, "open"), (("4 levels",), True, "open")],
)
def test_page_tables(assumed: tuple[str, ...], sure: str, *, least: bool) -> None:
    """What was assumed makes it likely; the least that it can be is no answer."""
    cost = TableCost("kernel", 4, TablePages(), (), assumed=assumed, least=least)
    assert cost.certainty.value == page_tables_document(cost)["certainty"] == sure
    head = render_page_tables(cost).splitlines()[0]
    assert head.endswith(f", {sure}")
    assert ("at least" in head) == least


def test_page_tables_of_a_kernel_that_is_not_modelled() -> None:
    """Nothing is determined."""
    assert page_tables_document(UnknownCost("kernel", 4, "too old"))["certainty"] == "open"


@pytest.mark.parametrize(
    ("syscall", "assumed", "undetermined", "sure"),
    [
        (Syscall.FILE, (), False, "certain"),
        (Syscall.FILE, ("no CMA area",), False, "likely"),
        (Syscall.FILE, ("no CMA area",), True, "open"),
        (Syscall.LOAD, ("no CMA area",), False, None),
    ],
)
def test_the_loader_of_the_kernel(
    syscall: Syscall, assumed: tuple[str, ...], sure: str | None, *, undetermined: bool
) -> None:
    """It chooses for itself; a plan of one's own is carried out as it stands."""
    empty = MemoryMap.of(())
    plan = LoadPlan(syscall, panic=False, arch="x86_64", entry=None, cmdline="", segments=(), e820=empty,
                    elfcorehdr=None, warnings=(), assumed=assumed, undetermined=undetermined)  # fmt: skip
    assert (plan.certainty and plan.certainty.value) == sure
