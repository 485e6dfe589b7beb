"""Every kind of source leads to a question."""

from pathlib import Path

import pytest

from kexeckit.errors import InputError, UnavailableError, UsageError
from kexeckit.formats.efi_memory_map import EFI_MEMORY_MORE_RELIABLE, EFI_MEMORY_WB
from kexeckit.formats.srat import format_srat
from kexeckit.formats.sysfs_crash import EfiDescriptor, format_efi_map
from kexeckit.kernel.zones.from_machine import ZoneQuestion
from kexeckit.kernel.zones.predict import ZonePrediction, predict_zones
from kexeckit.machine.arch import kernel_arch
from kexeckit.memory.range import MemRange
from kexeckit.system.sysroot import FileRoot, SingleFile, open_sysroot
from readings import zones_of_root
from zone_logs import EFI, MIRROR_LINE, NODES, ZONES, x86_log

GIB = 1 << 30


def ask(
    text: str, *words: str, name: str = "dmesg", raw_efi_map: bytes | None = None, arch: str | None = None
) -> ZoneQuestion:
    """Ask about a single file."""
    root = FileRoot(SingleFile(name, text.encode()))
    return zones_of_root(root, list(words), arch, raw_efi_map=raw_efi_map)


def predict(question: ZoneQuestion) -> ZonePrediction:
    """Predict."""
    return predict_zones(question.machine, question.parameters, question.behaviour)


def starts(question: ZoneQuestion) -> dict[int, int]:
    """Return the predicted movable starts."""
    return {n.nid: n.movable_start for n in predict(question).nodes if n.movable_start is not None}


def texts(question: ZoneQuestion) -> str:
    """Return all reasons of a prediction as one text."""
    return "\n".join(r.text for r in predict(question).reasons)


def test_log_with_typed_words() -> None:
    """Words that are typed replace those of the log's command line."""
    assert starts(ask(x86_log("movablecore=300M"))) == {1: 0x12D400000}
    assert starts(ask(x86_log("movablecore=300M"), "movablecore=100M")) == {1: 5 * GIB - (100 << 20)}
    assert starts(ask(x86_log(), "kernelcore=1G")) == {1: 4 * GIB}


def test_words_without_effect_are_named() -> None:
    """A misspelt word is not ignored silently."""
    assert "kernelcor=1G has no effect on zones" in texts(ask(x86_log(), "kernelcor=1G"))
    assert "no effect" not in texts(ask(x86_log(), "movable-node", "memmap=1M$1G"))


def test_log_without_its_outcome() -> None:
    """The answer does not come from the zone lines: without them it is the same."""
    assert predict(ask(x86_log("", NODES))).limits == predict(ask(x86_log())).limits
    assert any("ZONE_DMA" in text for text in ask(x86_log("", NODES)).assumed)


def test_log_without_node_ranges_uses_the_srat() -> None:
    """Nodes follow from the firmware's table where the kernel's list is missing."""
    assert [n.nid for n in predict(ask(x86_log("", ZONES))).nodes] == [0, 1]


def test_typed_memmap_changes_the_map() -> None:
    """memmap= and mem= as typed are applied to the firmware's map."""
    node = predict(ask(x86_log(), "mem=4608M")).nodes[1]
    assert node.pages * 4096 == GIB // 2
    node = predict(ask(x86_log(), "memmap=256M$4352M")).nodes[1]
    assert node.zones[0].absent * 4096 == 256 << 20


def test_typed_words_can_empty_a_node() -> None:
    """A node whose memory is all taken away stays, without memory."""
    nodes = predict(ask(x86_log(), "mem=3G")).nodes
    assert [(n.nid, n.pages) for n in nodes][1] == (1, 0)


def test_numa_off_puts_everything_on_node_0() -> None:
    """numa=off as typed takes the nodes away."""
    assert [n.nid for n in predict(ask(x86_log(), "numa=off")).nodes] == [0]


def test_hot_pluggable_memory() -> None:
    """movable_node uses the mark of node 1; an initrd on that node would take it away."""
    assert starts(ask(x86_log(), "movable_node")) == {1: 4 * GIB}
    moved = x86_log().replace("RAMDISK: [mem 0xbf000000-0xbffeffff]", "RAMDISK: [mem 0x110000000-0x110ffffff]")
    assert starts(ask(moved, "movable_node")) == {}


def test_mirror_from_the_printed_map() -> None:
    """The map that efi=debug prints says what is mirrored."""
    question = ask(x86_log("", EFI, MIRROR_LINE, ZONES, NODES), "kernelcore=mirror")
    assert starts(question) == {1: 0x110000000}


def test_mirror_that_the_log_does_not_show() -> None:
    """Where the kernel says that memory is mirrored but not which, the nodes are not determined."""
    question = ask(x86_log("", MIRROR_LINE, ZONES, NODES), "kernelcore=mirror")
    assert predict(question).nodes == ()
    assert predict(question).limits
    assert "does not show which" in texts(question)


def test_raw_efi_map_decides() -> None:
    """A raw map counts whatever the log says."""
    mirror = EfiDescriptor(7, 4 * GIB, 0, 0x8000, EFI_MEMORY_WB | EFI_MEMORY_MORE_RELIABLE)
    question = ask(x86_log(), "kernelcore=mirror", raw_efi_map=format_efi_map((mirror,), 48))
    assert starts(question) == {1: 4 * GIB + 0x8000 * 4096}


def test_kernels_without_zone_dma() -> None:
    """The names of the printed zones show how the kernel was built."""
    bare = ZONES.replace("[    0.009000]   DMA      [mem 0x0000000000001000-0x0000000000ffffff]\n", "")
    assert [z.zone for z in predict(ask(x86_log("", bare, NODES))).limits] == ["DMA32", "Normal"]


def test_arm64_dma_limit_is_the_logs() -> None:
    """A DMA limit below 4 GiB comes from firmware tables that only the outcome betrays, and the reasons say so."""
    text = """\
[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd083]
[    0.000000] Linux version 6.6.1 (builder@example)
[    0.000000] Zone ranges:
[    0.000000]   DMA      [mem 0x0000000000000000-0x000000003fffffff]
[    0.000000]   DMA32    [mem 0x0000000040000000-0x00000000ffffffff]
[    0.000000]   Normal   [mem 0x0000000100000000-0x00000001ffffffff]
[    0.000000] Movable zone start for each node
[    0.000000] Early memory node ranges
[    0.000000]   node   0: [mem 0x0000000000000000-0x00000001ffffffff]
"""
    question = ask(text)
    assert [(z.zone, z.end_pfn * 4096) for z in predict(question).limits] == [
        ("DMA", GIB),
        ("DMA32", 4 * GIB),
        ("Normal", 8 * GIB),
    ]
    assert "firmware tables" in texts(question)


def test_arm64_memory_limit() -> None:
    """On arm64 mem= keeps the lowest memory, over holes."""
    text = """\
[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd083]
[    0.000000] Linux version 6.6.1 (builder@example)
[    0.000000] Kernel command line: ro
[    0.000000] Early memory node ranges
[    0.000000]   node   0: [mem 0x0000000040000000-0x000000007fffffff]
[    0.000000]   node   1: [mem 0x00000000c0000000-0x00000001ffffffff]
"""
    found = predict(ask(text, "mem=2G"))
    assert [(n.nid, n.pages * 4096) for n in found.nodes] == [(0, GIB), (1, GIB)]
    assert found.limits[0].end_pfn == 4 * GIB // 4096
    assert [n.nid for n in predict(ask(text, "mem=1G")).nodes if n.pages] == [0]


def test_iomem_file() -> None:
    """An iomem file gives memory, and says what it does not show."""
    text = "00001000-0009efff : System RAM\n00100000-7fffffff : System RAM\n  01000000-01ffffff : Kernel code\n"
    question = ask(text, name="iomem", arch="x86_64")
    assert [n.nid for n in predict(question).nodes] == [0]
    assert any("no source shows nodes" in said for said in question.assumed)
    assert predict(ask(text, "mem=1G", name="iomem", arch="amd64")).limits[1].end_pfn == GIB // 4096


def test_toml_machine_and_version() -> None:
    """A description names its own architecture; the newest rules stand in where it names no version."""
    text = 'arch = "amd64"\n[[nodes]]\nid = 0\nmemory = [["4G", "5G"]]\n'
    assert any("7.2 is assumed" in said for said in ask(text, name="m.toml").assumed)
    assert not any("7.2" in said for said in ask('kernel = "6.1"\n' + text, name="m.toml").assumed)


def test_toml_machine_with_memmap() -> None:
    """memmap= words change a described machine as well."""
    text = 'arch = "x86_64"\nkernel = "6.1"\n[[nodes]]\nid = 0\nmemory = [[0x1000, "2G"]]\n'
    text += '[[nodes]]\nid = 1\nmemory = [["4G", "5G"]]\n'
    nodes = predict(ask(text, "memmap=512M$4G", name="m.toml")).nodes
    assert [n.pages * 4096 for n in nodes] == [2 * GIB - 0x1000 - (0x100000 - 0xA0000), GIB // 2]


def test_nothing_to_go_on() -> None:
    """A log without a map, or without an architecture, is an error that says so."""
    with pytest.raises(UnavailableError, match="no memory map"):
        ask("[    0.000000] Linux version 6.1.0 (x86_64)\n")
    with pytest.raises(InputError, match="architecture"):
        ask("[    0.000000] Linux version 6.1.0\n[    0.000000] Early memory node ranges\n")


def test_a_version_that_is_none() -> None:
    """A release such as next-20200401 says nothing, which is no reason to fail; a typed one must be a version."""
    text = x86_log().replace("6.12.9-made-up-amd64", "next-20200401")
    assert any("7.2 is assumed" in said for said in ask(text).assumed)
    with pytest.raises(UsageError):
        zones_of_root(FileRoot(SingleFile("dmesg", text.encode())), [], None, "newest")


def test_a_table_that_is_cut_off() -> None:
    """A log that begins inside the firmware's map still has its node ranges; without these it is an error."""
    head = x86_log().splitlines(keepends=True)
    cut = "".join(head[:2] + head[5:])
    assert [z.zone for z in predict(ask(cut)).limits] == ["DMA", "DMA32", "Normal"]
    assert "early memory node ranges are used" in texts(ask(cut))
    with pytest.raises(InputError, match="begins inside"):
        ask(cut.replace(NODES, ""))


def test_linux_next_is_the_release_to_come() -> None:
    """A linux-next tree of 5.10 behaves as 5.11 does."""
    text = x86_log().replace("6.12.9-made-up-amd64", "6.5.0-rc7-next-20230801")
    assert ask(text).behaviour.mirror_needs_mirror
    assert not ask(text.replace("-next-20230801", "")).behaviour.mirror_needs_mirror


def test_debian_prints_its_stable_release_elsewhere() -> None:
    """Debian's uname names an ABI; the patch level stands behind the build number."""
    line = "Linux version 5.10.0-30-amd64 (x@y) (gcc-10 (Debian 10.2.1-6) 10.2.1) #1 SMP Debian 5.10.218-1 (2024-06-01)"
    text = f"[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd083]\n[    0.000000] {line}\n"
    text += "[    0.000000] Early memory node ranges\n[    0.000000]   node   0: [mem 0x40000000-0xbfffffff]\n"
    assert ask(text).behaviour.arm64_dma == "firmware-bits"


def test_names_of_architectures() -> None:
    """Names as uname and distributions use them become the kernel's."""
    assert [kernel_arch(a) for a in ("aarch64", "amd64", "i686", "riscv64")] == ["arm64", "x86_64", "i386", "riscv64"]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture of an x86 machine with two nodes."""
    files: dict[str, bytes] = {
        "proc/cmdline": b"ro kernelcore=1G\n",
        "proc/sys/kernel/arch": b"x86_64\n",
        "proc/sys/kernel/osrelease": b"6.12.1\n",
        "proc/zoneinfo": b"Node 0, zone DMA\n spanned 1\n present 1\n",
        "sys/firmware/acpi/tables/SRAT": format_srat(
            [(0, MemRange(0, 4 * GIB), False), (1, MemRange(4 * GIB, 5 * GIB), True)]
        ),
    }
    for number, (first, last, kind) in enumerate(
        [(0, 0x9EFFF, "System RAM"), (0x100000, 0xBFFEFFFF, "System RAM"), (4 * GIB, 5 * GIB - 1, "System RAM")]
    ):
        for name, value in (("start", hex(first)), ("end", hex(last)), ("type", kind)):
            files[f"sys/firmware/memmap/{number}/{name}"] = value.encode()
    for name, data in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def test_capture(capture: Path) -> None:
    """In a capture the firmware's tables count, and the command line that it was booted with."""
    question = zones_of_root(open_sysroot(str(capture)), [])
    assert starts(question) == {1: 4 * GIB}
    question = zones_of_root(open_sysroot(str(capture)), ["kernelcore=100%"])
    assert starts(question) == {}
    assert question.machine.facts.zone_dma is True


def test_capture_with_numa_off(capture: Path) -> None:
    """numa=off as typed takes the nodes of a capture away."""
    question = zones_of_root(open_sysroot(str(capture)), ["numa=off"])
    assert [n.nid for n in predict(question).nodes] == [0]


def test_capture_of_a_debian_kernel(capture: Path) -> None:
    """The banner in /proc/version has the stable release that uname does not show."""
    (capture / "proc/version").write_text("Linux version 6.6.0-1-amd64 (a@b) #1 SMP Debian 6.6.30-1 (2024-05-01)\n")
    assert zones_of_root(open_sysroot(str(capture)), []).behaviour.mirror_off_in_kdump


def test_capture_without_srat_uses_memory_blocks(capture: Path) -> None:
    """Without the firmware's table, the memory blocks of sysfs show the nodes."""
    (capture / "sys/firmware/acpi/tables/SRAT").unlink()
    for node, blocks in ((0, range(24)), (1, range(32, 40))):
        for block in blocks:
            (capture / f"sys/devices/system/node/node{node}/memory{block}").mkdir(parents=True)
    size = capture / "sys/devices/system/memory/block_size_bytes"
    size.parent.mkdir(parents=True)
    size.write_text("8000000\n")
    assert starts(zones_of_root(open_sysroot(str(capture)), [])) == {1: 4 * GIB}


def test_capture_with_a_boot_log_knows_mirrored_memory(capture: Path) -> None:
    """What only a boot log shows is taken from the one in the capture."""
    (capture / "dmesg").write_text(x86_log("", EFI, MIRROR_LINE, ZONES, NODES))
    assert starts(zones_of_root(open_sysroot(str(capture)), ["kernelcore=mirror"])) == {1: 0x110000000}


def test_efi_machine_without_a_log_may_have_mirrored_memory(capture: Path) -> None:
    """On an EFI machine without a boot log it is not known whether memory is mirrored."""
    (capture / "sys/firmware/efi").mkdir()
    question = zones_of_root(open_sysroot(str(capture)), ["kernelcore=mirror"])
    assert predict(question).nodes == ()
