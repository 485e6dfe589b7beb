"""The next boot of a machine that a text shows: what is placed anew at every boot, and how sure an answer still is.

Words that change the command line ask about it, and so does --next-boot; what was put somewhere by chance or by a boot
loader may lie elsewhere then.

About kexeckit.kernel.reservation.elsewhere, kexeckit.kernel.reservation.unshown, kexeckit.kernel.reservation.image,
kexeckit.kernel.reservation.image_room, kexeckit.kernel.reservation.image_places, kexeckit.kernel.reservation.doubts,
kexeckit.kernel.reservation.trial, kexeckit.kernel.reservation.firmware, kexeckit.kernel.boot.next_boot,
kexeckit.kernel.reservation.early, kexeckit.kernel.reservation.from_machine.
"""

import re
from dataclasses import replace
from typing import Any

import pytest

from answers import Asking, Document, reasons
from bootlogs import GIB, MIB, arm64_log, booted_with, pc_table, x86_log
from fakes import build_boot_params
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.certainty import Certainty
from kexeckit.kernel.reservation.from_machine import reservation_input
from kexeckit.kernel.reservation.predict import predict_reservation
from kexeckit.machine.fact import Fact
from kexeckit.machine.sources.log import machine_from_log
from readings import facts_of_log

SURE, FIXED = "root=/dev/vda1 nokaslr", "root=/dev/vda1"
MAP = "efi: mem01: [{}|   |  |  |  |  |WB|WT|WC|UC] range=[{:#018x}-{:#018x}] (1MB)"
EFI = (
    "efi: EFI v2.70 by Somebody",
    MAP.format("Boot Data", 0xB8000000, 0xBFFDFFFF),
    MAP.format("Conventional Memory", MIB, 0xB7FFFFFF),
)


def region(found: Document, part: str = "main") -> dict[str, Any]:
    """Return one region of an answer."""
    return next(r for r in found["regions"] if r["kind"] == part)


def sure(found: Document, part: str = "main") -> tuple[str, str]:
    """Return how sure outcome and address are."""
    return found["certainty"], region(found, part)["certainty"]["address"]


def rows(found: Document, when: str, part: str = "main") -> list[tuple[int | None, int | None]]:
    """Return first and last start of the candidates of a part for which a text decides."""
    return [(r["start"], r["last"]) for r in found["candidates"] if r["part"] == part and when in r["when"]]


def test_the_initrd_of_a_pc_is_placed_anew(ask: Asking) -> None:
    """Below 4 GiB it may lie elsewhere; the loader puts none above, so an address there is as sure as ever."""
    text = x86_log(pc_table(5 * GIB), version="6.12", cmdline=SURE)
    low = ask.log(text, "crashkernel=256M")
    assert (low["about"], low["outcome"], sure(low)) == ("next-boot", "reserved", ("certain", "likely"))
    assert region(low)["start"] == 0xAE000000
    assert rows(low, "the initrd lies elsewhere") == [(0xAF000000, 0xAF000000)]
    assert rows(low, "the initrd lies in its way") == [(0xAE000000, 0x9D000000)]
    high = ask.log(text, "crashkernel=512M,high")
    assert (region(high)["start"], sure(high)) == (0x21F000000, ("certain", "certain"))
    assert rows(high, "") == []
    assert sure(high, "low") == ("certain", "likely")
    assert rows(high, "the initrd lies in its way", "low") != []


def test_this_boot_stays_certain(ask: Asking) -> None:
    """The same words in the log's own command line ask about the boot that is shown, and so do the same words again."""
    text = booted_with(x86_log(pc_table(5 * GIB), version="6.12", cmdline=SURE), "crashkernel=256M")
    for words in ((), ("crashkernel=256M",)):
        found = ask.log(text, *words)
        assert (found["about"], sure(found), found["candidates"]) == ("this-boot", ("certain", "certain"), [])
        assert region(found)["start"] == 0xAE000000


def test_next_boot_without_words(ask: Asking) -> None:
    """--next-boot asks the same as words that change what does not matter."""
    text = booted_with(x86_log(pc_table(5 * GIB), version="6.12", cmdline=SURE), "crashkernel=256M")
    found, other = ask.log(text, "--next-boot"), ask.log(text, "quiet")
    assert found["about"] == other["about"] == "next-boot"
    assert (found["regions"], found["candidates"]) == (other["regions"], other["candidates"])
    assert sure(found) == ("certain", "likely")
    assert (found["agreement"], found["explanations"][0][:23]) == ("unknown", "the question is about a")


RANDOM = x86_log(pc_table(5 * GIB), version="6.12", cmdline=FIXED)
IOMEM = "00001000-0009fbff : System RAM\n00100000-bffdffff : System RAM\n{}100000000-23fffffff : System RAM\n"


def seen_at(start: int) -> dict[str, str]:
    """Return the files of a machine whose kernel was put at random to an address."""
    names = (("code", start), ("bss", start + 16 * MIB))
    image = "".join(f"  {at:08x}-{at + 0xFFFFFF:08x} : Kernel {name}\n" for name, at in names)
    return {"proc/iomem": IOMEM.format(image), "var/log/dmesg": RANDOM, "proc/sys/kernel/osrelease": "6.12.0\n"}


def test_the_kernel_goes_to_another_random_place(ask: Asking) -> None:
    """The place of the boot that is shown binds this boot alone; of the next one there is a share."""
    in_the_way = seen_at(0xB0000000)
    for files in (in_the_way, seen_at(0x30000000)):
        found = ask.root(files, "crashkernel=256M")
        assert (region(found)["start"], sure(found)) == (0xAE000000, ("certain", "likely"))
        kept = [row for row in found["candidates"] if row["when"] == "the kernel image lies elsewhere"]
        assert [0.9 < row["share"] < 1 for row in kept] == [True]
        assert rows(found, "the kernel image lies in its way")[0][0] == 0xAD000000
    words = FIXED + " crashkernel=256M"
    this = {**in_the_way, "proc/cmdline": words, "var/log/dmesg": booted_with(RANDOM, "crashkernel=256M")}
    found = ask.root(this)
    assert (found["about"], region(found)["start"], sure(found)) == ("this-boot", 0xA0000000, ("certain", "certain"))


def test_nokaslr_moves_the_image_to_where_it_is_built_for(ask: Asking) -> None:
    """16 MiB, of the size that was seen; there a region at a given address fails, and where it was it does not."""
    files = seen_at(0x30000000)
    failed = ask.root(files, "nokaslr", "crashkernel=16M@16M")
    assert (failed["outcome"], failed["certainty"]) == ("failed", "certain")
    there = ask.root(files, "nokaslr", "crashkernel=16M@768M")
    assert there["outcome"] == "reserved"
    found = ask.root(files, "nokaslr", "crashkernel=256M")
    assert not rows(found, "kernel image")


def test_efi_may_lay_its_memory_elsewhere(ask: Asking) -> None:
    """Where the log prints the EFI map this boot is certain, and the next one likely."""
    text = x86_log(version="6.12", cmdline=SURE, initrd=(0x20000000, 0x22000000), more=EFI)
    this = ask.boot(text, "crashkernel=256M")
    following = ask.log(text, "crashkernel=256M")
    assert region(this)["start"] == region(following)["start"] == 0xA8000000
    assert rows(this, "boot services") == []
    assert sure(following) == ("likely", "likely")
    assert rows(following, "no boot services memory lies in its way") == [(0xA8000000, 0xA8000000)]
    assert (0xA7000000, 0x22000000) in rows(following, "some lies in its way")


@pytest.mark.parametrize(("size", "certainty"), [(1024, "certain"), (1900, "likely")])
def test_the_outcome_is_certain_with_room_to_spare(ask: Asking, size: int, certainty: str) -> None:
    """Of 3 GiB, half is left wherever the initrd lies; what is larger may find no room."""
    found = ask.log(x86_log(version="6.12", cmdline=SURE), f"crashkernel={size}M")
    assert (found["outcome"], found["certainty"]) == ("reserved", certainty)
    assert (rows(found, "leaves no room") != []) == (certainty == "likely")


def test_a_given_address_is_that_or_none(ask: Asking) -> None:
    """There is no other candidate; the outcome is as sure as that nothing else comes to lie there."""
    found = ask.log(x86_log(version="6.12", cmdline=SURE), "crashkernel=256M@2G")
    assert (found["outcome"], region(found)["start"], sure(found)) == ("reserved", 2 * GIB, ("likely", "likely"))
    assert {start for start, _ in rows(found, "")} == {2 * GIB, None}
    found = ask.boot(x86_log(version="6.12", cmdline=SURE), "crashkernel=256M@2G")
    assert (sure(found), found["candidates"]) == (("certain", "certain"), [])


def test_what_may_lie_at_a_given_address_decides_on_the_outcome(ask: Asking) -> None:
    """An initrd that nothing places leaves room elsewhere, if it lies in the way; at a given address it leaves none."""
    text = x86_log(version="6.12", cmdline="root=LABEL=x nokaslr", initrd=None)
    searched, given = ask.boot(text, "crashkernel=256M"), ask.boot(text, "crashkernel=256M@2G")
    assert (searched["outcome"], region(searched)["start"]) == ("reserved", None)
    assert (given["outcome"], given["certainty"], region(given)["start"]) == ("not-determined", "open", None)


def test_the_boot_loader_of_an_arm64_machine(ask: Asking) -> None:
    """It places kernel and device tree anew, anywhere; this boot has them where it put them."""
    text = arm64_log("6.12.0", (0, GIB, 5 * GIB))
    this, following = ask.boot(text, "crashkernel=256M"), ask.log(text, "crashkernel=256M")
    assert region(this)["start"] == region(following)["start"] == 0xF0000000
    assert "the boot loader places the kernel and what goes with it anew" in reasons(following)
    assert "places the kernel and what goes with it anew" not in reasons(this)
    assert rows(following, "the boot loader uses the places it used") == [(0xF0000000, 0xF0000000)]
    assert (0xEFE00000, 0x41C00000) in rows(following, "something of the boot loader's lies in its way")
    # With an initrd that is known to exist, that is what is placed anew.
    hidden = ask.log(text + "[    1.000000] Freeing initrd memory: 8192K\n", "crashkernel=256M")
    assert "places the kernel and what goes with it anew" not in reasons(hidden)


def test_the_size_of_the_image_that_is_put_at_random(ask: Asking) -> None:
    """/proc/iomem's own parts of it count more than the log's estimate: a smaller image is in the way less often."""
    text = x86_log(version="6.12", cmdline="root=/dev/vda1")
    listing = "00001000-0009fbff : System RAM\n00100000-bffdffff : System RAM\n"
    parts = "  02000000-02ffffff : Kernel code\n  03000000-{:08x} : Kernel bss\n"
    files = {"dmesg": text, "proc/sys/kernel/osrelease": "6.12.0\n"}
    shares = []
    for end in (0x037FFFFF, 0x0A7FFFFF):
        found = ask.root(files | {"proc/iomem": listing + parts.format(end)}, "crashkernel=256M")
        shares += [row["share"] for row in found["candidates"] if "the kernel image lies elsewhere" in row["when"]]
    assert len(shares) == 2
    assert shares[0] > shares[1] > 0.5


@pytest.mark.parametrize(("initrd", "doubt"), [(0, False), (None, True)])
def test_no_initrd_is_known_from_boot_parameters(ask: Asking, initrd: int | None, *, doubt: bool) -> None:
    """Without a log there may be one; a page of boot parameters without one says that there is none."""
    files: dict[str, str] = {
        "proc/iomem": "00100000-bffdffff : System RAM\n  02000000-02ffffff : Kernel code\n",
        "proc/sys/kernel/osrelease": "6.12.0\n",
        "proc/cmdline": "crashkernel=256M nokaslr\n",
    }
    if initrd is not None:
        files["sys/kernel/boot_params/data"] = build_boot_params().decode("latin-1")
    found = ask.root(files, "--arch", "x86_64")
    assert ("there is an initrd" in reasons(found)) is doubt


def test_a_log_without_node_ranges_is_whole(ask: Asking) -> None:
    """What the kernel counted is held against the firmware's map alone, and one page more is missing from it."""
    text = x86_log(version="6.12", cmdline="nokaslr crashkernel=256M")
    text = "".join(line for line in text.splitlines(keepends=True) if "node   " not in line)
    counted = int(re.search(r"/(\d+)K available", text)[1])  # type: ignore[index]
    assert ask.log(text)["outcome"] == "reserved"
    with pytest.raises(AssertionError, match="lines of it are missing"):
        ask.log(text.replace(f"/{counted}K available", f"/{counted + 4 * MIB // 1024}K available"))


@pytest.mark.parametrize(("areas", "each"), [(2, False), (3, True)])
def test_an_area_of_cma_more_than_nodes(areas: int, *, each: bool) -> None:
    """One for all and one for each of two nodes tells that each has its own; as many as nodes does not."""
    nodes = ((0, 0x1000, 0x9F000), (0, MIB, 2 * GIB), (1, 2 * GIB, 0xBFFE0000))
    more = [f"cma: Reserved 16 MiB at {0x10000000 * (at + 1):#018x}" for at in range(areas)]
    text = x86_log(pc_table(), version="7.2.0", nodes=nodes, more=more)
    assert facts_of_log(text).cma_per_node is each


@pytest.mark.parametrize(("size", "outcome"), [("64M@16M", "failed"), ("64M@1G", "reserved")])
@pytest.mark.parametrize("initrd", [None, (0xBECF4000, 0xBFFE0000)])
def test_nokaslr_from_a_log_that_does_not_show_the_image(
    ask: Asking, size: str, outcome: str, initrd: tuple[int, int] | None
) -> None:
    """Where it was put at random and will not be, it goes where it is built for, and is in the way there."""
    text = x86_log(version="6.12", cmdline="root=/dev/vda1", initrd=initrd)
    found = ask.log(text, "nokaslr", f"crashkernel={size}")
    assert found["outcome"] == outcome
    assert "the kernel image lies at another random place" not in reasons(found)


@pytest.mark.parametrize(("kexec", "certainty"), [(False, Certainty.CERTAIN), (True, Certainty.LIKELY)])
def test_a_kernel_that_kexec_started(*, kexec: bool, certainty: Certainty) -> None:
    """Another kernel may put the next one anywhere, and so may whoever else starts it; without an initrd, too."""
    text = x86_log(pc_table(5 * GIB), version="6.12", cmdline=SURE, initrd=None)
    machine = machine_from_log(parse_boot_log(text, "log"))
    parts = "00100000-bffdffff : System RAM\n  01000000-02ffffff : Kernel code\n"
    resources = Fact(parse_iomem(parts, "iomem"), "iomem")
    started = Fact(value=True, source="boot_params") if kexec else None
    machine = replace(
        machine,
        boot=replace(machine.boot, kexec=started, initrd=Fact(None, "boot_params")),
        memory=replace(machine.memory, resources=resources),
    )
    [found] = predict_reservation(reservation_input(machine, ("crashkernel=256M",))).regions
    assert found.address_certainty is certainty
