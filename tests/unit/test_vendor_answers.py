"""What one release does on one machine, from the text of a log to the regions: distributions and mainline.

The sizes are those of each kernel's source and of its distribution's documents, written down a second time on purpose;
that a field of a table has the value of the table says nothing.
"""

import pytest

from answers import Asking
from bootlogs import GIB, MIB, arm64_log, pc_table, x86_log

INITRD = (0x20000000, 0x22000000)
Regions = list[tuple[str, int, int]]


def machine(version: str, ram: int) -> str:
    """Return the log of a PC with so much RAM, of which up to 3 GiB lie low; the initrd lies at 512 MiB."""
    table = pc_table(ram - 3 * GIB) if ram > 3 * GIB else ((0, 0x9FC00, 1), (MIB, ram, 1))
    return x86_log(table, version=version, initrd=INITRD if ram > GIB else None)


def regions(ask: Asking, text: str, *words: str) -> Regions:
    """Return kind, start and size in MiB of the regions."""
    return [(r["kind"], (r["start"] or 0) // MIB, r["size"] // MIB) for r in ask.log(text, *words)["regions"]]


@pytest.mark.parametrize(
    ("release", "ram", "size"),
    [
        ("2.6.32-642.6.2.el6.x86_64", 8, 129),
        ("3.10.0-1160.el7.x86_64", 8, 161),
        ("3.10.0-1160.el7.x86_64", 80, 165),
        ("4.18.0-80.el8.x86_64", 8, 160),
        ("4.18.0-80.el8.x86_64", 80, 256),
        ("4.18.0-147.el8.x86_64", 8, 160),
        ("4.18.0-240.el8.x86_64", 8, 192),
        ("4.18.0-348.el8.x86_64", 2, 160),
        ("4.18.0-348.el8.x86_64", 80, 256),
        ("4.18.0-477.10.1.el8_8.x86_64", 2, 192),
        ("4.18.0-477.10.1.el8_8.x86_64", 8, 256),
        ("4.18.0-477.10.1.el8_8.x86_64", 80, 512),
    ],
)
def test_auto_of_rhel(ask: Asking, release: str, ram: int, size: int) -> None:
    """Each release has its own size for so many GiB of RAM."""
    assert [found[2] for found in regions(ask, machine(release, ram * GIB), "crashkernel=auto")] == [size]


@pytest.mark.parametrize(
    ("release", "size"),
    [
        ("4.14.0-115.el7a.aarch64", 512),
        ("4.18.0-80.el8.aarch64", 512),
        ("4.18.0-425.3.1.el8.aarch64", 448),
        ("4.18.0-553.el8_10.aarch64", 480),
    ],
)
def test_auto_of_rhel_on_arm64(ask: Asking, release: str, size: int) -> None:
    """2 GiB of RAM are enough for it."""
    text = arm64_log(release, (0, GIB, 4 * GIB))
    assert [found[2] for found in regions(ask, text, "crashkernel=auto") if found[0] == "main"] == [size]


@pytest.mark.parametrize(
    ("release", "word", "found"),
    [
        ("2.6.32-642.6.2.el6.x86_64", "128M", [("main", 48, 128)]),
        ("2.6.32-642.6.2.el6.x86_64", "640M", []),
        ("3.10.0-1160.el7.x86_64", "256M", [("main", 640, 256)]),
        ("3.10.0-1160.el7.x86_64", "900M", [("main", 2160, 900)]),
        ("3.10.0-1160.el7.x86_64", "3G", [("low", 2800, 256), ("main", 6128, 3072)]),
        ("4.18.0-80.el8.x86_64", "256M", [("main", 640, 256)]),
        ("4.18.0-147.el8.x86_64", "256M", [("main", 2800, 256)]),
        ("4.18.0-553.el8_10.x86_64", "3G", [("low", 2800, 256), ("main", 6128, 3072)]),
        ("3.10.0", "900M", []),
        ("4.18.0", "256M", [("main", 640, 256)]),
        ("5.2.0", "256M", [("main", 2800, 256)]),
    ],
)
def test_where_a_plain_size_goes(ask: Asking, release: str, word: str, found: Regions) -> None:
    """RHEL 6 below 896 MiB from the bottom up; RHEL 7 and 8.0 there first, then below 4 GiB, then anywhere.

    From RHEL 8.1 and mainline 5.2 on, below 4 GiB first. The machine has 8 GiB and its initrd at 512 MiB.
    """
    assert regions(ask, machine(release, 8 * GIB), f"crashkernel={word}") == found


@pytest.mark.parametrize(("release", "size"), [("4.1.3", 72), ("4.2.8", 256), ("5.14.0-70.el9.x86_64", 256)])
def test_the_low_part_of_a_high_region(ask: Asking, release: str, size: int) -> None:
    """8 MiB and the swiotlb of 64 MiB up to 4.1, 256 MiB since."""
    found = regions(ask, machine(release, 8 * GIB), "crashkernel=1G,high")
    assert [(kind, wanted) for kind, _, wanted in found] == [("low", size), ("main", 1024)]


@pytest.mark.parametrize(
    ("release", "reserved"),
    [
        ("4.18.0", False),
        ("4.18.0-80.el8.x86_64", True),
        ("5.14.0-70.13.1.el9_0.x86_64", False),
        ("5.14.0-162.6.1.el9_1.x86_64", True),
        ("5.15.0", False),
        ("6.12.0", True),
    ],
)
def test_ram_that_is_just_below_the_limit_of_a_rule(ask: Asking, release: str, *, reserved: bool) -> None:
    """RHEL 8 and 9.1 round RAM up to 128 MiB, and so does mainline since 5.19; the others take it as it is."""
    assert bool(regions(ask, machine(release, 1000 * MIB), "crashkernel=1G-:96M")) is reserved


@pytest.mark.parametrize(("release", "start"), [("3.9.6", 768), ("3.13.0", 656)])
def test_borders_of_nodes(ask: Asking, release: str, start: int) -> None:
    """Up to 3.9 the reservation comes before the nodes, so that a region may cross their border at 800 MiB."""
    nodes = ((0, 0x1000, 0x9F000), (0, MIB, 800 * MIB), (1, 800 * MIB, 896 * MIB))
    table = ((0, 0x9FC00, 1), (MIB, 896 * MIB, 1))
    srat = (
        "SRAT: Node 0 PXM 0 [mem 0x00000000-0x31ffffff]",
        "SRAT: Node 1 PXM 1 [mem 0x32000000-0x37ffffff]",
    )
    text = x86_log(table, version=release, initrd=None, nodes=nodes, more=srat, node_data=[(0x31FF0000, 0x31FF4000)])
    assert regions(ask, text, "crashkernel=128M") == [("main", start, 128)]
