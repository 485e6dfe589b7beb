"""Predicted zones beside those that a source shows: what agrees, what differs, and in which words.

About kexeckit.kernel.zones.observed, kexeckit.kernel.zones.predict.
"""

from dataclasses import replace
from typing import Any

import pytest

from kexeckit.formats.bootlog.zones import PrintedZone
from kexeckit.formats.zoneinfo import ZoneInfo
from kexeckit.kernel.behaviour.zones import ZoneBehaviour
from kexeckit.kernel.boot.memblock import Region
from kexeckit.kernel.observed import Agreement
from kexeckit.kernel.zones.from_machine import ZoneQuestion
from kexeckit.kernel.zones.limits import ArchFacts, ZoneLimit
from kexeckit.kernel.zones.machine import Reason, ZoneMachine
from kexeckit.kernel.zones.observed import ObservedZone, ObservedZones, compare_zones, observed_zones
from kexeckit.kernel.zones.parameters import ZoneParameters
from kexeckit.kernel.zones.predict import NodeZones, ZonePrediction, has_movable, lost_pages, predict_zones
from kexeckit.kernel.zones.spans import ZoneSpan
from kexeckit.machine.fact import Fact
from kexeckit.machine.value import KernelFacts, Machine, ObservedFacts
from kexeckit.memory.range import MemRange

PAGE, GIB = 4096, 1 << 30
NORMAL = ZoneSpan("Normal", 16, 100, 90)
MOVABLE = ZoneSpan("Movable", 116, 50, 50)
FOUND = ZonePrediction(
    PAGE,
    (ZoneLimit("DMA", 1, 16), ZoneLimit("DMA32", 16, 16), ZoneLimit("Normal", 16, 166)),
    (NodeZones(0, None, (NORMAL,), 90), NodeZones(1, 116 * PAGE, (MOVABLE,), 50)),
    (),
    (),
)
SEEN = ObservedZones(
    (("DMA", PAGE, 16 * PAGE), ("Normal", 16 * PAGE, 166 * PAGE)),
    (ObservedZone(0, "Normal", 16, 100, 90), ObservedZone(1, "Movable", 116, 50, 50)),
    ((1, 116 * PAGE),),
    "source",
)


def fact(value: Any) -> Any:
    """Return a fact."""
    return Fact(value, "source")


QUESTION = ZoneQuestion(
    ZoneMachine(ArchFacts("x86_64", PAGE, GIB, GIB), (Region(MemRange(PAGE, GIB), 0),)),
    ZoneParameters(),
    ZoneBehaviour(),
    "quiet",
    ("something is assumed",),
)
MACHINE = Machine("source", "log", KernelFacts(cmdline=fact("quiet")))


def compared(
    found: ZonePrediction = FOUND,
    seen: ObservedZones | None = SEEN,
    question: ZoneQuestion = QUESTION,
    machine: Machine = MACHINE,
) -> tuple[Agreement, tuple[str, ...]]:
    """Compare."""
    found_so = compare_zones(question, found, seen, machine)
    return found_so.agreement, found_so.why


def differences(**seen: Any) -> list[str]:
    """Return what differs where something else is seen; what was assumed comes last then."""
    agreement, why = compared(seen=replace(SEEN, **seen))
    assert (agreement, why[-1]) == (Agreement.DIFFER, "something is assumed")
    return list(why[:-1])


def test_all_that_is_seen_agrees() -> None:
    """Then nothing is said; empty zones of the limits are none, and neither is what a source does not show."""
    assert compared() == (Agreement.AGREE, ())
    for silent in ({"ranges": ()}, {"zones": ()}, {"movable": None}):
        assert compared(seen=replace(SEEN, **silent)) == (Agreement.AGREE, ()), silent


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"seen": None}, "the source does not show the zones"),
        ({"machine": Machine("source", "log")}, "does not show the command line"),
        ({"question": replace(QUESTION, next_boot=True)}, "about another boot"),
        ({"found": replace(FOUND, limits=(), nodes=())}, "the prediction is not determined"),
        ({"found": replace(FOUND, nodes=())}, "the prediction is not determined"),
        ({"found": replace(FOUND, limits=())}, "the prediction is not determined"),
    ],
)
def test_what_cannot_be_compared(parts: dict[str, Any], why: str) -> None:
    """It is not known then whether they agree, and why."""
    agreement, said = compared(**parts)
    assert agreement is Agreement.UNKNOWN
    assert len(said) == 1
    assert why in said[0]


def test_limits_that_differ() -> None:
    """On either side, also a zone that only one of the two has."""
    assert differences(ranges=(("DMA", PAGE, 17 * PAGE), ("Normal", 16 * PAGE, 166 * PAGE))) == [
        "zone DMA: predicted [0x1000, 0x10000), observed [0x1000, 0x11000)"
    ]
    assert differences(ranges=(("Normal", 16 * PAGE, 166 * PAGE), ("HighMem", 0, PAGE))) == [
        "zone DMA: predicted [0x1000, 0x10000), observed none",
        "zone HighMem: predicted none, observed [0x0, 0x1000)",
    ]


BESIDE = "(start_pfn, spanned, present); memory that was added or taken offline since boot shows so"


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        (ObservedZone(0, "Normal", 17, 100, 90), "17, 100, 90"),
        (ObservedZone(0, "Normal", 16, 101, 90), "16, 101, 90"),
        (ObservedZone(0, "Normal", 16, 100, 91), "16, 100, 91"),
        (ObservedZone(0, "Normal", 16, None, 90), "16, ?, 90"),
    ],
)
def test_zones_of_a_node_that_differ(zone: ObservedZone, shown: str) -> None:
    """Each of the three numbers."""
    found = differences(zones=(zone, SEEN.zones[1]))
    assert found == [f"node 0, zone Normal: predicted 16, 100, 90, observed {shown} {BESIDE}"]


def test_zones_that_only_one_side_has() -> None:
    """By node and name."""
    found = differences(zones=(SEEN.zones[0], ObservedZone(1, "Normal", 116, 50, 50)))
    assert found == [
        f"node 1, zone Movable: predicted 116, 50, 50, observed nothing {BESIDE}",
        f"node 1, zone Normal: predicted nothing, observed 116, 50, 50 {BESIDE}",
    ]


def test_old_kernels_do_not_print_where_a_zone_begins() -> None:
    """The other two numbers are compared."""
    assert compared(seen=replace(SEEN, zones=(ObservedZone(0, "Normal", None, 100, 90), SEEN.zones[1])))[1] == ()
    found = differences(zones=(ObservedZone(0, "Normal", None, 100, 80), SEEN.zones[1]))
    assert found == [f"node 0, zone Normal: predicted ?, 100, 90, observed ?, 100, 80 {BESIDE}"]


@pytest.mark.parametrize(
    ("movable", "expected"),
    [
        (((1, 117 * PAGE),), ["node 1: ZONE_MOVABLE predicted from 0x74000, observed from 0x75000"]),
        ((), ["node 1: ZONE_MOVABLE predicted from 0x74000, observed from nowhere"]),
        (
            ((0, 5 * PAGE), (1, 116 * PAGE)),
            ["node 0: ZONE_MOVABLE predicted from nowhere, observed from 0x5000"],
        ),
    ],
)
def test_starts_of_movable_memory_that_differ(movable: tuple[tuple[int, int], ...], expected: list[str]) -> None:
    """None at all is seen as well as another."""
    assert differences(movable=movable) == expected


def seen_on(**facts: Any) -> ObservedZones | None:
    """Return the zones of a machine that shows these facts."""
    return observed_zones(replace(MACHINE, observed=ObservedFacts(**facts)))


def test_what_a_source_shows_of_zones() -> None:
    """Either kind; zones without pages and the device's own are none."""
    assert seen_on() is None
    assert seen_on(movable=fact(((1, 5),))) is None
    info = (
        ZoneInfo(0, "DMA", 4095, 3998, 3800, 1),
        ZoneInfo(0, "Normal", 0, 0, 0, 0),
        ZoneInfo(0, "Device", 9, 0, 0, 99),
    )
    assert seen_on(zoneinfo=Fact(info, "zoneinfo")) == ObservedZones(
        (), (ObservedZone(0, "DMA", 1, 4095, 3998),), None, "zoneinfo"
    )
    printed = (PrintedZone("DMA", PAGE, 2 * PAGE), PrintedZone("Normal", 0, 0), PrintedZone("HighMem", 5, 6))
    found = seen_on(zones=Fact(printed, "log"), movable=fact(((1, 5),)))
    assert found == ObservedZones((("DMA", PAGE, 2 * PAGE), ("HighMem", 5, 6)), (), ((1, 5),), "log")


def test_a_kernel_that_is_not_modelled_has_no_zones() -> None:
    """The reason stands in their place, behind what is said of the machine."""
    said = replace(QUESTION.machine, unknown=(Reason("nodes", "damaged"),))
    found = predict_zones(said, ZoneParameters(warnings=("careful",)), ZoneBehaviour(), below="too old")
    assert (found.page_size, found.limits, found.nodes, found.warnings) == (PAGE, (), (), ("careful",))
    assert found.reasons == (Reason("nodes", "damaged"), Reason("kernel", "not determined: too old"))
    assert predict_zones(said, ZoneParameters(), ZoneBehaviour()).determined


@pytest.mark.parametrize(("present", "lost"), [(90, 0), (89, 1), (0, 90), (91, 0), ((1 << 64) - 1, 0)])
def test_pages_in_no_zone(present: int, lost: int) -> None:
    """Those of the node that its zones do not have; a count that wrapped says nothing."""
    node = NodeZones(0, None, (replace(NORMAL, present=present),), 90)
    assert lost_pages(node) == lost


def test_whether_any_node_has_movable_memory() -> None:
    """By its zones."""
    assert has_movable(FOUND)
    assert not has_movable(replace(FOUND, nodes=FOUND.nodes[:1]))
    assert (FOUND.determined, replace(FOUND, limits=()).determined) == (True, False)
