"""How much a capture kernel needs: the parts add up, and an initramfs is measured through its compression."""

import gzip
import json
import lzma
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kexeckit.cli.main import main
from kexeckit.errors import InputError
from kexeckit.formats.vmlinux import parse_vmlinux
from kexeckit.kernel.sizing.defaults import DEFAULT_TABLES, computed_defaults, defaults_for
from kexeckit.kernel.sizing.estimate import CaptureSetup, estimate, in_tmpfs, kernel_size
from kexeckit.lab.cpio import file, format_cpio
from kexeckit.memory.units import parse_size
from kexeckit.render.estimate import estimate_document, render_estimate
from kexeckit.system.capture_setup import unpacked_size

MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40


def setup(**values: int) -> CaptureSetup:
    """Return a setup with a kernel of 44 MiB and a small initramfs."""
    usual = {"unpacking": 56 * MIB, "kernel": 44 * MIB, "initrd": 8 * MIB, "unpacked": 24 * MIB}
    words = {**usual, **values}
    half, trace, room = bool(words.pop("half", 1)), bool(words.pop("trace", 0)), bool(words.pop("room", 1))
    return replace(CaptureSetup(**words), half=half, trace_files=trace, hotplug_room=room)  # type: ignore[arg-type]


def test_the_parts_add_up() -> None:
    """To the byte, with and without what is only recommended."""
    found = estimate(setup(cpus=4, ram=64 * GIB, low=64 * MIB, luks=GIB))
    assert sum(p.size for p in found.parts) == found.recommended
    assert sum(p.size for p in found.parts if p.least) == found.least
    assert found.recommended % (16 * MIB) == 0


def test_every_part_counts() -> None:
    """More of anything needs more."""
    least, recommended = estimate(setup()).least, estimate(setup()).recommended
    assert estimate(setup(cpus=8)).least > least
    assert estimate(setup(room=0)).least < least
    small = {"initrd": MIB, "unpacked": MIB}
    assert estimate(setup(**small, trace=1)).least > estimate(setup(**small)).least
    assert estimate(setup(initrd=40 * MIB)).least >= least + 32 * MIB
    assert estimate(setup(luks=GIB)).recommended >= recommended + GIB
    assert estimate(setup(ram=1 << 50)).least > least


KIB = 1 << 10
# What the loader takes out of every region: room for headers, purgatory and its like, two tables and two more pages.
KEXEC = {"elfcorehdr": 900 * KIB, "segments": 128 * KIB, "kexec-pages": 16 * KIB}
# What every estimate has: pages of the dump, and what the memory map of up to 128 MiB takes.
USUAL = {"page-cache": 32 * MIB, "struct-pages": 6 * MIB, "page-tables": 64 * KIB}


def parts(**values: int) -> dict[str, int]:
    """Return all parts but the margin, by name."""
    return {p.name: p.size for p in estimate(setup(**values)).parts if p.name != "margin"}


def test_parts_of_a_kernel_that_starts() -> None:
    """16 MiB while drivers start, 1 MiB for each CPU, 7 MiB for the files of trace events: measured.

    makedumpfile's bitmaps are two bits for each page of 4 KiB: 4 MiB for 64 GiB.
    """
    found = parts(half=0, trace=1, cpus=3, ram=64 * GIB, low=64 * MIB, luks=100 * MIB)
    files = {"kernel": 44 * MIB, "initrd": 8 * MIB, "initramfs": 24 * MIB}
    measured = {"starting": 16 * MIB, "per-cpu": 3 * MIB, "trace-files": 7 * MIB}
    dump = {"bitmap": 4 * MIB, "low": 64 * MIB, "luks": 100 * MIB}
    assert found == {**files, **measured, **dump, **KEXEC, **USUAL}


def test_parts_of_a_kernel_that_is_loaded() -> None:
    """Nothing of Linux runs yet: the kernel with room to unpack itself, the archive, and what the loader adds."""
    found = parts(unpacking=200 * MIB, initrd=MIB, unpacked=MIB)
    assert found == {"unpacking": 200 * MIB, "initrd": MIB, "page-cache": 32 * MIB, **KEXEC}


def test_parts_when_the_file_system_is_mounted() -> None:
    """The files twice; 2 MiB early on and 264 KiB for each CPU: measured. Two sections of 128 MiB and two more."""
    found = parts(cpus=3, initrd=60 * MIB, unpacked=60 * MIB)
    files = {"kernel": 44 * MIB, "initrd": 60 * MIB, "initramfs": 60 * MIB, "tmpfs-half": 60 * MIB}
    measured = {"early": 2 * MIB, "per-cpu": 3 * 264 * KIB}
    assert found == {**files, **measured, **KEXEC, **USUAL, "struct-pages": 8 * MIB}


def test_headers_without_room_for_hotplug() -> None:
    """56 bytes each for 1024 CPUs and a few ranges."""
    assert parts(room=0)["elfcorehdr"] == 60 * KIB


@pytest.mark.parametrize(("more", "sections"), [(0, 1), (1, 2)])
def test_each_section_of_memory_has_struct_pages(more: int, sections: int) -> None:
    """64 bytes for 4 KiB: 2 MiB for each section of 128 MiB that the region touches, and for two more."""
    loader = sum(KEXEC.values()) + 64 * KIB
    unpacked = 128 * MIB - (sections + 2 - more) * 2 * MIB - 44 * MIB - MIB - 16 * MIB - loader
    assert parts(half=0, initrd=0, unpacked=unpacked + more)["struct-pages"] == (sections + 2) * 2 * MIB


@pytest.mark.parametrize(
    ("ram", "size"), [(GIB, 64 * KIB), (511 * GIB, 32704 * KIB), (512 * GIB, 32 * MIB), (TIB, 32 * MIB)]
)
def test_the_bitmap_has_a_limit(ram: int, size: int) -> None:
    """A bitmap of makedumpfile comes in pieces of up to 32 MiB."""
    assert parts(ram=ram)["bitmap"] == size


@pytest.mark.parametrize(
    ("ram", "pages"), [(0, 2), (512 * GIB, 2), (TIB, 3), (1 << 45, 65), (1 << 47, 257), ((1 << 47) + GIB, 259)]
)
def test_identity_tables_of_the_old_memory(ram: int, pages: int) -> None:
    """A table of 1 GiB leaves for each 512 GiB under one more; beyond 128 TiB another level. Two pages besides."""
    assert parts(ram=ram)["kexec-pages"] == (pages + 2) * 4 * KIB


def test_the_margin_is_a_tenth_and_fills_up_16_mib() -> None:
    """Of all the rest; less than 16 MiB beyond that tenth."""
    found = estimate(setup(half=0, luks=100 * MIB))
    need = sum(p.size for p in found.parts if p.name != "margin")
    assert need == found.least + 132 * MIB
    exact = need + need // 10
    assert found.recommended == -(-exact // (16 * MIB)) * 16 * MIB


def test_an_estimate_of_nothing_but_files() -> None:
    """One CPU, no RAM to dump, no swiotlb or LUKS, a kernel since 6.6, room for hotplug, a tmpfs."""
    found = CaptureSetup(0, 0, 0, 0)
    assert (found.cpus, found.ram, found.low, found.luks, found.assumed) == (1, 0, 0, 0, ())
    assert (found.trace_files, found.hotplug_room, found.half) == (False, True, True)


@pytest.mark.parametrize("values", [{"cpus": 0}, {"ram": -1}, {"initrd": -1}, {"luks": -1}, {"unpacking": -1}])
def test_impossible_setups_cannot_be_made(values: dict[str, int]) -> None:
    """No CPU, negative sizes."""
    with pytest.raises(ValueError, match="sizes are not negative"):
        setup(**values)


def test_shares_of_an_unpacked_kernel() -> None:
    """80 % of the file are in memory, measured: it has its relocations, too."""
    assert kernel_size(100 * MIB) == 80 * MIB


@pytest.mark.parametrize(("ram", "size"), [(4 * GIB - 128 * MIB, 192), (4 * GIB - 128 * MIB + 1, 256), (4 * GIB, 256)])
def test_defaults_count_ram_in_128_mib(ram: int, size: int) -> None:
    """Up, as the kernel does: the next rule begins 128 MiB early."""
    assert ("RHEL 9", size * MIB) in [(t.name, found) for t, found in defaults_for("x86_64", ram)]


def test_debian_and_sles_have_defaults_for_their_architectures() -> None:
    """Debian's package has one line for both; calibrate of SLES runs on four."""
    for arch in ("x86_64", "arm64"):
        assert [size for t, size in defaults_for(arch, 8 * GIB) if t.name.startswith("Debian")] == [
            128 * MIB,
            192 * MIB,
        ]
    assert [arch for arch in ("x86_64", "arm64", "ppc64", "s390x", "mips") if computed_defaults(arch)] == [
        "x86_64", "arm64", "ppc64", "s390x",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["unpacking", "kernel", "initrd", "unpacked", "cpus", "ram", "low", "luks"])
def test_more_never_needs_less(name: str) -> None:
    """The estimate grows with every number that it is made from, across the moments that bind."""
    unit = 1 if name == "cpus" else MIB
    unit = GIB if name == "ram" else unit
    found = [estimate(setup(**{name: at * unit})) for at in range(64, 512, 7)]
    assert [e.least for e in found] == sorted(e.least for e in found)
    assert [e.recommended for e in found] == sorted(e.recommended for e in found)
    assert found[-1].recommended > found[0].recommended


@pytest.mark.parametrize(
    ("values", "moment"),
    [
        ({"unpacking": 200 * MIB}, "loading"),
        ({"initrd": 0, "unpacked": MIB}, "starting"),
        ({"initrd": 60 * MIB, "unpacked": 60 * MIB}, "file-system"),
        ({"initrd": 60 * MIB, "unpacked": 60 * MIB, "half": 0}, "starting"),
    ],
)
def test_what_binds(values: dict[str, int], moment: str) -> None:
    """A large init_size; hardly an initramfs; a large one; the same on a file system without a limit."""
    assert estimate(setup(**values)).moment == moment


def test_a_tmpfs_takes_half() -> None:
    """Each MiB of files needs another one that stays free, each MiB of archive none."""
    base = estimate(setup(initrd=60 * MIB, unpacked=60 * MIB))
    found = estimate(setup(initrd=60 * MIB, unpacked=70 * MIB))
    sections = {p.name: p.size for p in found.parts}["struct-pages"] - {p.name: p.size for p in base.parts}[
        "struct-pages"
    ]
    assert found.least - base.least == 20 * MIB + sections


@pytest.mark.parametrize(
    ("words", "tmpfs"),
    [
        ("quiet nr_cpus=1", True),
        ("root=/dev/vda1", False),
        ("rootfstype=ramfs", False),
        ("rootfstype=ext4,tmpfs", True),
        ("xroot=/dev/vda1", True),
    ],
)
def test_when_the_first_file_system_is_a_tmpfs(words: str, *, tmpfs: bool) -> None:
    """Without a root= and without a type that is another one."""
    assert in_tmpfs(words) is tmpfs


def test_defaults_of_distributions() -> None:
    """Each table for this much RAM; none for an architecture without tables."""
    assert ("Debian 11, 12", 128 * MIB) in [(t.name, size) for t, size in defaults_for("x86_64", 8 * GIB)]
    assert defaults_for("mips", 8 * GIB) == []
    assert all(table.source and "memory" not in table.source for table in DEFAULT_TABLES)
    assert {table.arch for table in DEFAULT_TABLES} >= {"x86_64", "arm64", "ppc64", "s390x"}
    assert len(defaults_for("ppc64", 8 * GIB)) == 1


@pytest.mark.parametrize("arch", sorted({table.arch for table in DEFAULT_TABLES}))
def test_a_machine_that_is_smaller_than_all_ranges_of_a_default(arch: str) -> None:
    """Nothing is reserved on it: the first range begins above its RAM."""
    assert {size for _, size in defaults_for(arch, 128 * MIB)} == {0}


def test_ranges_of_a_default_are_half_open() -> None:
    """START <= RAM < END, the first one that holds; nothing below the first."""
    for table in DEFAULT_TABLES:
        for rule in table.spec.removeprefix("crashkernel=").split(","):
            where, size = rule.split(":")
            start = parse_size(where.split("-")[0])
            if start % (128 * MIB) == 0:
                assert (table, parse_size(size)) in defaults_for(table.arch, start)


def test_a_default_that_only_the_machine_computes() -> None:
    """It stands in text and document, without a size, and with its rule."""
    found = estimate(setup())
    computed = computed_defaults("x86_64")
    assert computed
    assert computed_defaults("mips") == []
    text = render_estimate(found, defaults_for("x86_64", 8 * GIB), computed)
    assert "SLES 12, 15" in text
    assert "not determined" in text
    assert computed[0].rule in text
    entry = estimate_document(found, [], computed)["estimate"]["defaults"][-1]
    assert (entry["name"], entry["size"], entry["enough"]) == ("SLES 12, 15", None, None)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_unpacked_size(pack: object) -> None:
    """Whole pages for each file, plain or compressed, behind an early archive."""
    early = format_cpio([file("kernel/x86/microcode/a.bin", b"x" * 100)])
    main_part = format_cpio([file("init", b"y" * 5000), file("empty", b"")])
    assert callable(pack)
    assert unpacked_size(early + pack(main_part), "initrd") == (4096 + 8192, "")


@pytest.mark.parametrize("program", ["zstd", "lz4"])
def test_unpacked_size_by_a_program(program: str) -> None:
    """What the standard library cannot unpack, the machine's own program does."""
    if shutil.which(program) is None:
        pytest.skip(f"the program {program} is not installed")
    early = format_cpio([file("kernel/x86/microcode/a.bin", b"x" * 100)])
    plain = format_cpio([file("init", b"y" * 5000)])
    packed = subprocess.run([program, "-c"], input=plain, capture_output=True, check=True).stdout
    assert unpacked_size(early + packed, "initrd") == (4096 + 8192, "")
    with pytest.raises(InputError, match=f"damaged {program} data"):
        unpacked_size(packed[:-8], "initrd")


def test_what_nothing_unpacks_is_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times its size, and the answer says so."""
    monkeypatch.setenv("PATH", "/nonexistent")
    size, assumed = unpacked_size(b"\x02\x21\x4c\x18" + b"z" * 996, "initrd")
    assert size == 3000
    assert "lz4" in assumed
    assert estimate(replace(setup(), assumed=(assumed,))).assumed == (assumed,)


def vmlinux(*sections: tuple[bytes, int, int], loads: tuple[int, ...] = (30 * MIB, 12 * MIB)) -> bytes:
    """Return an ELF file without content: (name, address, size) of sections, and the sizes of what is loaded."""
    names = b"\0" + b"".join(name + b"\0" for name, _, _ in sections) + b".shstrtab\0"
    at = 64 + 56 * len(loads)
    rows = [(0, 0, 0, 0, 0, 0), *((names.find(b"\0" + n + b"\0") + 1, 1, 2, a, 0, s) for n, a, s in sections)]
    rows.append((names.find(b".shstrtab"), 3, 0, 0, at, len(names)))
    table = at + len(names)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    head = ident + struct.pack(
        "<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, table, 0, 64, 56, len(loads), 64, len(rows), len(rows) - 1
    )
    segments = b"".join(struct.pack("<IIQQQQQQ", 1, 7, 0, 0, 0, 0, size, 4096) for size in loads)
    return head + segments + names + b"".join(struct.pack("<IIQQQQIIQQ", *row, 0, 0, 1, 0) for row in rows)


def test_memory_of_a_kernel() -> None:
    """What is loaded, without the scratch area in whole pages."""
    data = vmlinux((b".text", 0x81000000, 30 * MIB), (b".init.scratch", 0x83800000, 4 * MIB - 1))
    assert parse_vmlinux(data, "vmlinux") == 38 * MIB


def test_memory_of_a_kernel_without_sections() -> None:
    """The sum of what is loaded."""
    assert parse_vmlinux(vmlinux(), "vmlinux") == 42 * MIB


@pytest.mark.parametrize("data", [b"", b"\x7fELF\x02\x01" + bytes(80), vmlinux()[:150], vmlinux()[:-40]])
def test_what_is_no_kernel(data: bytes) -> None:
    """Empty, nothing to load, cut off in a table."""
    with pytest.raises(InputError):
        parse_vmlinux(data, "vmlinux")


@pytest.mark.parametrize("data", [b"070701" + b"0" * 20, b"070701" + b"x" * 120, b"\x1f\x8b\x08" + b"a" * 30])
def test_damaged_archive(data: bytes) -> None:
    """A cut header, a header of other letters, a broken stream."""
    with pytest.raises(InputError):
        unpacked_size(data, "initrd")


def test_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing kernel is named, with the exit code of any missing file."""
    assert main(["crashkernel", "--estimate", str(tmp_path / "vmlinuz")]) == 69
    assert "vmlinuz" in capsys.readouterr().err


def test_not_a_kernel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a file that is none is unusable input."""
    path = tmp_path / "vmlinuz"
    path.write_bytes(json.dumps({}).encode())
    assert main(["crashkernel", "--estimate", str(path)]) == 65
    assert capsys.readouterr().err


def test_the_last_type_of_the_first_file_system_counts() -> None:
    """As the kernel's parser has it."""
    assert in_tmpfs("rootfstype=ramfs rootfstype=tmpfs")
    assert not in_tmpfs("rootfstype=tmpfs rootfstype=ramfs")


def test_old_memory_that_ends_off_a_gib() -> None:
    """Its last part takes smaller leaves, in a table of their own."""
    assert parts(ram=3 * GIB + MIB)["kexec-pages"] == parts(ram=3 * GIB)["kexec-pages"] + 4 * KIB


def test_the_margin_over_many_sizes() -> None:
    """A tenth, rounded up to 16 MiB: no other share gives these sums."""
    for size in range(0, 900, 37):
        found = estimate(setup(half=0, luks=size * MIB))
        need = found.least + 32 * MIB + size * MIB
        assert found.recommended == -(-(need + need // 10) // (16 * MIB)) * 16 * MIB
