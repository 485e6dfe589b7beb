"""Which rules a release gets: distributions' kernels against mainline's, and what their own fields do.

About kexeckit.kernel.reservation.search, kexeckit.kernel.reservation.request.
"""

from dataclasses import replace

import pytest

from bootlogs import pc_table, x86_log
from kexeckit.kernel.behaviour.reservation import CrashRules, crash_rules
from kexeckit.kernel.behaviour.reservation_changes import CHANGES
from kexeckit.kernel.behaviour.vendors_reservation import VENDORS
from kexeckit.kernel.boot.memblock import Memblock, regions_of
from kexeckit.kernel.reservation.explain import explain
from kexeckit.kernel.reservation.predict import predict_reservation
from kexeckit.kernel.reservation.request import Request, evaluate
from kexeckit.kernel.reservation.search import Limits, main_windows, place
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import GIB, MIB
from readings import facts_of_log

# What decides on where a search looks, apart from words and amounts.
SEARCH = (
    "low_limit", "low_start", "middle_limit", "high_start", "fallback_start", "plain_falls_up", "high_falls_down",
    "words", "low_default", "low_needs_room_below", "low_limit_is_4g", "low_always", "low_optional",
    "low_from_own_size", "fixed_align", "fixed_checks", "page_rounded", "protected",
)  # fmt: skip


def rules(release: str, arch: str = "x86_64") -> CrashRules:
    """Return a release's rules."""
    return crash_rules(arch, parse_kernel_version(release))


def ram(*spans: tuple[int, int]) -> Memblock:
    """Return memory of these ranges, nothing reserved but the first MiB."""
    return Memblock(regions_of([MemRange(a, b) for a, b in spans], ())).reserve((MemRange(0, MIB),))


@pytest.mark.parametrize(
    ("release", "like"),
    [
        ("4.18.0-147.el8.x86_64", "5.2"),
        ("4.18.0-305.3.1.el8_4.x86_64", "5.2"),
        ("4.18.0-553.el8_10.x86_64", "5.2"),
        ("5.14.0-70.13.1.el9_0.x86_64", "5.14"),
        ("5.14.0-503.11.1.el9_5.x86_64", "5.14"),
        ("5.14.0-570.12.1.el9_6.x86_64", "6.7"),
        ("6.12.0-55.9.1.el10_0.x86_64", "6.12"),
        ("6.15.9-201.fc42.x86_64", "6.15"),
        ("5.15.0-76-generic", "5.15"),
        ("6.8.0-31-generic", "6.8"),
        ("5.10.0-32-amd64", "5.10"),
        ("5.3.18-150300.59.93-default", "5.3"),
        ("5.4.17-2136.300.7.el8uek.x86_64", "5.4"),
        ("5.15.0-3.60.5.1.el9uek.x86_64", "5.15"),
        ("4.18.20-1.el7.elrepo.x86_64", "4.18"),
    ],
)
def test_x86_searches_like(release: str, like: str) -> None:
    """A distribution's kernel searches as mainline of the version whose rules it took over."""
    assert {f: getattr(rules(release), f) for f in SEARCH} == {f: getattr(rules(like), f) for f in SEARCH}


@pytest.mark.parametrize(
    ("release", "like"),
    [
        ("4.14.0-49.el7a.aarch64", "4.14"),
        ("4.18.0-372.9.1.el8.aarch64", "4.18"),
        ("4.18.0-477.10.1.el8_8.aarch64", "6.2"),
        ("4.18.0-553.el8_10.aarch64", "6.5"),
        ("5.14.0-162.6.1.el9_1.aarch64", "5.19"),
        ("5.14.0-284.11.1.el9_2.aarch64", "6.2"),
        ("5.14.0-427.13.1.el9_4.aarch64", "6.5"),
        ("5.14.0-570.12.1.el9_6.aarch64", "6.7"),
    ],
)
def test_arm64_searches_like(release: str, like: str) -> None:
    """The same for arm64; RHEL 8 protects the region in all of its builds."""
    ours, theirs = rules(release, "arm64"), rules(like, "arm64")
    if ".el8" in release:
        theirs = replace(theirs, protected=True)
    assert {f: getattr(ours, f) for f in SEARCH} == {f: getattr(theirs, f) for f in SEARCH}


def test_other_vendors_kernels_are_not_rhels() -> None:
    """A mark of RHEL in a kernel of another version, or in Oracle's own, means nothing."""
    for release in (
        "5.14.0-570.el9uek.x86_64",
        "4.18.0-553.el8x.x86_64",
        "6.1.1-1.el8.elrepo.x86_64",
        "3.10.108-1.el7.elrepo.x86_64",
    ):
        assert rules(release) == rules(release.partition("-")[0]), release


def test_every_entry_says_how_it_is_known() -> None:
    """A word for how it was checked, a source, and for a vendor the builds, its own among them."""
    assert {c.checked for c in CHANGES} <= {"booted", "read"}
    assert {v.checked for v in VENDORS} <= {"read", "logs"}
    assert all(c.source for c in CHANGES)
    for vendor in VENDORS:
        assert vendor.source
        assert vendor.build in (0, *vendor.read_in), vendor


def test_rhel_7_tries_896_mib_then_4_gib_then_anywhere() -> None:
    """A plain size goes to the lowest of three windows that has room; ,high has one."""
    old = rules("3.10.0-1160.el7.x86_64")
    ends = [w.range.end for w in main_windows(Request("asked", GIB), old, Limits())]
    assert ends == [896 * MIB, 4 * GIB, old.high_limit]
    assert len(list(main_windows(Request("asked", GIB, high=True), old, Limits()))) == 1
    memory = ram((0, 3 * GIB), (4 * GIB, 8 * GIB))
    for size, start in ((512 * MIB, 384 * MIB), (GIB, 2 * GIB), (3 * GIB, 5 * GIB)):
        placed = place(memory, Request("asked", size), old, Limits())
        assert placed.main
        assert placed.main.start == start


def test_low_part_that_does_not_fit() -> None:
    """To 4.3 the main part stays without it, later it is given back."""
    memory = ram((0, 64 * MIB), (4 * GIB, 8 * GIB))
    request = Request("asked", GIB, high=True)
    kept = place(memory, request, rules("4.3"), Limits())
    assert (kept.main, kept.low) == (MemRange.from_size(7 * GIB, GIB), None)
    assert place(memory, request, rules("4.4"), Limits()).main is None


def test_low_part_from_its_own_size_up() -> None:
    """To 4.12 the low part does not come to lie below its own size."""
    memory = ram((0, 400 * MIB), (4 * GIB, 8 * GIB))
    request = Request("asked", GIB, high=True)
    assert place(memory, request, rules("4.12"), Limits()).main is None
    placed = place(memory, request, rules("4.13"), Limits())
    assert placed.low == MemRange.from_size(144 * MIB, 256 * MIB)


def test_low_part_beside_a_low_main_part() -> None:
    """RHEL 8.7 on arm64 reserves a ,low part that was asked for wherever ,high ended up; without ,low there is none."""
    old, memory = rules("4.18.0-425.3.1.el8.aarch64", "arm64"), ram((GIB, 3 * GIB))
    with_low = Request("asked", 512 * MIB, high=True, low=128 * MIB)
    assert place(memory, with_low, old, Limits()).low == MemRange.from_size(2432 * MIB, 128 * MIB)
    assert place(memory, replace(with_low, low=None), old, Limits()).low is None
    assert place(memory, with_low, rules("5.19", "arm64"), Limits()).low is None


@pytest.mark.parametrize(
    ("release", "swiotlb", "size"),
    [
        ("4.18.0-80.el8.x86_64", 128 * MIB, 256),
        ("4.18.0-147.el8.x86_64", 128 * MIB, 384),
        ("4.18.0-348.el8.x86_64", 128 * MIB, 320),
        ("4.18.0-348.el8.x86_64", 32 * MIB, 288),
        ("5.14.0-70.el9.x86_64", 128 * MIB, 256),
    ],
)
def test_memory_encryption(release: str, swiotlb: int, size: int) -> None:
    """RHEL 7 and 8 add room for a swiotlb to a plain size below 4 GiB, and only where encryption is on."""
    memory = ram((0, 3 * GIB), (4 * GIB, 8 * GIB))
    on = Limits(swiotlb=swiotlb, encrypted=True)
    placed = place(memory, Request("asked", 256 * MIB), rules(release), on)
    assert placed.main
    assert placed.main.size == size * MIB
    high = place(memory, Request("asked", 256 * MIB, high=True), rules(release), on)
    off = place(memory, Request("asked", 256 * MIB), rules(release), replace(on, encrypted=False))
    assert high.main
    assert off.main
    assert high.main.size == off.main.size == 256 * MIB


def test_memory_encryption_in_a_log() -> None:
    """The line that says it is on makes the region larger, and the reason says so."""
    log = x86_log(pc_table(4 * GIB), version="4.18.0-348.el8.x86_64")
    asked = ("crashkernel=256M",)
    for line in ("AMD Memory Encryption Features active: SME", "Memory Encryption Features active: AMD SEV"):
        text = f"{log}[    0.100000] {line}\n"
        found = predict_reservation(facts_of_log(text, asked))
        assert [r.size for r in found.regions] == [320 * MIB]
        assert any("memory encryption" in r.text for r in explain(found))
    plain = predict_reservation(facts_of_log(log, asked))
    assert [r.size for r in plain.regions] == [256 * MIB]


@pytest.mark.parametrize(
    ("release", "arch", "total", "size"),
    [
        ("2.6.32-642.el6.x86_64", "x86_64", 2 * GIB - 100 * MIB, 129 * MIB),
        ("2.6.32-642.el6.x86_64", "x86_64", 64 * GIB, 132 * MIB),
        ("3.10.0-1160.el7.x86_64", "x86_64", 2 * GIB - 129 * MIB, 0),
        # The 160 MiB themselves need no bits: up to 16 GiB and 160 MiB one MiB is enough.
        ("3.10.0-1160.el7.x86_64", "x86_64", 16 * GIB + 160 * MIB, 161 * MIB),
        ("3.10.0-1160.el7.x86_64", "x86_64", 16 * GIB + 161 * MIB, 162 * MIB),
        ("3.10.0-1160.el7.s390x", "s390x", 3 * GIB, 0),
        ("3.10.0-1160.el7.s390x", "s390x", 4 * GIB, 161 * MIB),
        ("4.18.0-553.el8_10.x86_64", "x86_64", 64 * GIB - MIB, 512 * MIB),
    ],
)
def test_auto(release: str, arch: str, total: int, size: int) -> None:
    """Of RHEL 6 and 7 so much and two bits for a page; of RHEL 8 a range rule that rounds the total up."""
    found = evaluate("crashkernel=auto", total, rules(release, arch))
    assert (found.outcome, found.size) == ("asked" if size else "none", size)
