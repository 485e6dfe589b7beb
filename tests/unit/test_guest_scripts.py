"""The scripts that run inside guests, as far as they can run here."""

import os
import random
import socket
from itertools import pairwise
from pathlib import Path

import pytest

from kexeckit.lab.dev import hotplug_guest, placer_guest, tables_guest

IOMEM = """\
00100000-bffdffff : System RAM
  ae000000-bdffffff : Crash kernel
100000000-13fffffff : System RAM
"""


@pytest.fixture(autouse=True)
def guest_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts read a guest's files by name; here they get these."""
    (tmp_path / "iomem").write_text(IOMEM)
    (tmp_path / "meminfo").write_text("MemTotal:        3000000 kB\nMemFree:  1 kB\n")

    def path(name: str) -> Path:
        return tmp_path / Path(name).name

    for script in (hotplug_guest, placer_guest, tables_guest):
        monkeypatch.setattr(script, "Path", path)


@pytest.mark.parametrize("flags", [0, tables_guest.ON_CRASH])
def test_chosen_segments_are_disjoint_pages_in_the_right_memory(flags: int) -> None:
    """Many draws: whole pages, inside RAM or the crash region, never on top of each other."""
    for seed in range(300):
        found = tables_guest.choose(random.Random(seed), flags)
        assert 1 <= len(found) <= 16
        low, high = (0xAE000000, 0xBE000000) if flags else (32 << 20, 0x140000000)
        for mem, memsz, bufsz in found:
            assert mem % 4096 == memsz % 4096 == 0
            assert low <= mem < mem + memsz <= high
            assert 0 < bufsz <= memsz
        ends = sorted((mem, mem + memsz) for mem, memsz, _ in found)
        assert all(a[1] <= b[0] for a, b in pairwise(ends))


@pytest.mark.parametrize(("flags", "count"), [(0, 9), (tables_guest.ON_CRASH, 10)])
def test_each_bad_image_has_at_most_17_segments(flags: int, count: int) -> None:
    """One more than the kernel takes, where that is the fault."""
    good = [(0xAE000000, 8192, 4096), (0xAF000000, 4096, 4096)]
    images = tables_guest.bad_images(good, flags)
    assert len(images) == count
    assert max(len(image) for image, _ in images) == 17


def test_system_call_that_is_refused_gives_its_errno() -> None:
    """As an ordinary user, or with an image that no kernel takes: never 0."""
    assert tables_guest.load(0, [(16, 4096, 1)], 0) != 0
    assert placer_guest.load(-1, -1, None, 1 << 30) != 0


def test_messages_are_read_to_their_end() -> None:
    """One record per read, the text behind the semicolon; the end is a read that would block."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"6,1,2,-;kexec_file: one\n")
    assert placer_guest.read_messages(reading) == ["kexec_file: one"]
    assert placer_guest.read_messages(reading) == []
    os.close(reading)
    os.close(writing)


def test_memory_is_read_as_numbers() -> None:
    """KiB."""
    assert placer_guest.meminfo()["MemTotal"] == tables_guest.memtotal() == 3000000


def test_kernel_events_are_words() -> None:
    """The head of a message has no word; silence is no event."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0.01)
    theirs.send(b"add@/devices/x\0ACTION=add\0SUBSYSTEM=memory\0")
    assert hotplug_guest.receive(ours) == {"ACTION": "add", "SUBSYSTEM": "memory"}
    assert hotplug_guest.receive(ours) == {}
    ours.close()
    theirs.close()


def test_ram_is_there_when_a_resource_begins() -> None:
    """At its first address only."""
    assert hotplug_guest.is_ram(0x100000000)
    assert not hotplug_guest.is_ram(0x110000000)
