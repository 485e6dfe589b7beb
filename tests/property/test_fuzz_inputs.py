"""Any bytes as any input: a result or a `KexeckitError`, never another exception."""

import bz2
import contextlib
import gzip
import io
import lzma
import struct
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import INITRD, FakeMachine, build_boot_params, build_bzimage, build_kcore, make_facts, make_request
from kexeckit.cli.main import main
from kexeckit.errors import KexeckitError
from kexeckit.formats.boot_params import parse_boot_params
from kexeckit.formats.bzimage import parse_bzimage
from kexeckit.formats.elfcorehdr import loads_of, parse_program_headers
from kexeckit.formats.iomem import parse_iomem
from kexeckit.formats.magic import describe_magic
from kexeckit.plan.file_plan import plan_file_load
from kexeckit.plan.from_machine import plan_facts
from kexeckit.plan.verify import verify
from kexeckit.plan.x86_64 import plan_x86_64
from kexeckit.purgatory import load_purgatory
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import open_sysroot
from kexeckit.system.text import decode_text

KERNEL = build_bzimage(payload=4096)
PURGATORY = load_purgatory("x86_64")
FACTS = make_facts()
DOCUMENTED = {0, 1, 2, 65, 69, 74, 77}


def mutated(seed: bytes, limit: int = 600) -> st.SearchStrategy[bytes]:
    """Junk, or the seed with a few bytes of its beginning changed, or cut off, or both."""
    at = st.integers(0, min(limit, len(seed)) - 1)
    changes = st.lists(st.tuples(at, st.binary(min_size=1, max_size=8)), max_size=4)
    cuts = st.one_of(st.just(len(seed)), st.integers(0, len(seed)))
    return st.one_of(st.binary(max_size=200), st.builds(lambda c, n: _changed(seed, c)[:n], changes, cuts))


def _changed(seed: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    data = bytearray(seed)
    for at, value in changes:
        data[at : at + len(value)] = value[: len(data) - at]
    return bytes(data)


def survives(act: Callable[[], Any]) -> None:
    """Run something; only errors that are meant for users may come out, each of them worded."""
    try:
        act()
    except KexeckitError as error:
        text, code = str(error), error.exit_code
    else:
        return
    assert text
    assert code in DOCUMENTED


@given(mutated(KERNEL))
def test_kernel_headers(data: bytes) -> None:
    """A header or an error; the same for a view of the bytes."""
    survives(lambda: parse_bzimage(data, "k"))
    survives(lambda: parse_bzimage(memoryview(data), "k"))
    assert describe_magic(data)


@given(mutated(KERNEL), st.booleans())
def test_plans_for_any_kernel(data: bytes, panic: bool) -> None:
    """A header that is taken leads to a plan that verify accepts, or to a refusal; for both calls."""
    request = make_request(data, panic=panic)

    def ours() -> None:
        plan = plan_x86_64(request, FACTS, PURGATORY)
        assert verify(plan, request, FACTS) == []

    def the_kernels() -> None:
        plan = plan_file_load(request, FACTS)
        assert verify(plan, request, FACTS) == []

    survives(ours)
    survives(the_kernels)


@given(mutated(INITRD))
def test_plans_for_any_initrd(data: bytes) -> None:
    """An archive by its first bytes, or a refusal."""
    survives(lambda: plan_x86_64(make_request(initrd=data), FACTS, PURGATORY))


@given(mutated(build_boot_params(((0, 1 << 20, 1), (1 << 20, 1 << 30, 7)), rsdp=5, efi_systab=9), 0x400))
def test_boot_params_pages(data: bytes) -> None:
    """A page or an error."""
    survives(lambda: parse_boot_params(data, "p"))


@given(mutated(build_kcore()))
def test_program_headers(data: bytes) -> None:
    """Headers or an error, and the same for their ranges."""
    survives(lambda: loads_of(parse_program_headers(data, "c"), "c"))


IOMEM_LINES = st.one_of(
    st.binary(max_size=30),
    st.builds(
        lambda indent, a, b, name: b" " * indent + b"%x-%x : " % (a, b) + name,
        st.integers(0, 9),
        st.integers(0, 2**65),
        st.integers(0, 2**65),
        st.one_of(st.sampled_from((b"System RAM", b"Crash kernel", b"Reserved")), st.binary(max_size=9)),
    ),
)


@given(st.lists(IOMEM_LINES, max_size=8).map(b"\n".join))
def test_iomem_texts(data: bytes) -> None:
    """A tree or an error, and whatever tree comes out can be asked."""

    def act() -> None:
        tree = parse_iomem(decode_text(data), "iomem")
        tree.flatten()
        tree.ram()
        tree.crash_regions()
        survives(lambda: plan_x86_64(make_request(panic=True), _with(tree), PURGATORY))

    survives(act)


def _with(tree: Any) -> Any:
    from dataclasses import replace

    return replace(FACTS, resources=tree)


FILES = [
    *sorted(FakeMachine(cpus=1).contents()),
    "/proc/meminfo",
    "/proc/version",
    "/sys/firmware/efi/systab",
    "/sys/firmware/efi/fw_vendor",
    "/sys/firmware/efi/runtime-map/0/type",
    "/sys/firmware/efi/runtime-map/0/phys_addr",
    "/sys/firmware/efi/runtime-map/0/num_pages",
    "/sys/firmware/memmap/²/start",
    "/sys/devices/system/cpu/cpu²/crash_notes",
]
EFI_FILES = {
    "/sys/firmware/efi/runtime-map/0/type": b"0x6",
    "/sys/firmware/efi/runtime-map/0/phys_addr": b"0x7e000000",
    "/sys/firmware/efi/runtime-map/0/virt_addr": b"0xfffffffe00000000",
    "/sys/firmware/efi/runtime-map/0/num_pages": b"0x4",
    "/sys/firmware/efi/runtime-map/0/attribute": b"0x800000000000000f",
    "/sys/firmware/efi/fw_vendor": b"0x7f001000",
    "/sys/firmware/efi/runtime": b"0x7f002000",
    "/sys/firmware/efi/config_table": b"0x7f003000",
    "/sys/firmware/efi/systab": b"ACPI20=0x7f7fe014\nSMBIOS=0x7f5ba000\n",
    "/proc/meminfo": b"MemTotal: 5 kB\nCmaTotal:        0 kB\n",
}
JUNK = st.one_of(
    st.binary(max_size=80),
    st.integers(-(2**66), 2**66).map(lambda n: b"0x%x" % n if n >= 0 else b"%d" % n),
    st.sampled_from((b"", b"\n", b"0", b"-1", b"\xc2\xb2", b"9" * 5000, b"CmaTotal:", b"CmaTotal: \xc2\xb2", b"a b c")),
)


@given(st.dictionaries(st.sampled_from(FILES), st.one_of(JUNK, st.none()), min_size=1, max_size=3), st.booleans())
def test_captures_with_junk_in_any_file(files: dict[str, bytes | None], panic: bool) -> None:
    """Facts or an error, and a plan or a refusal, with junk in or without up to three of the files."""
    machine = FakeMachine(cpus=1, boot_params=build_boot_params(efi_systab=0x7F000000), files=EFI_FILES | files)
    with tempfile.TemporaryDirectory() as folder:
        root = machine.write(Path(folder))

        def act() -> None:
            facts = plan_facts(read_machine(open_sysroot(str(root)), handover=True))
            request = make_request(panic=panic)
            if facts.arch == "x86_64":
                survives(lambda: plan_x86_64(request, facts, PURGATORY))
                survives(lambda: plan_file_load(request, facts))

        survives(act)


def _tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in FakeMachine(cpus=1).contents().items():
            member = tarfile.TarInfo("machine" + name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


PLAIN = _tar()
TARS = {"plain": PLAIN, "gz": gzip.compress(PLAIN), "xz": lzma.compress(PLAIN), "bz2": bz2.compress(PLAIN)}


@pytest.mark.parametrize("mode", TARS)
@given(data=st.data())
def test_junk_tars(mode: str, data: st.DataObject) -> None:
    """Cut, changed or invented archives; also where the damage shows only when a member is read."""
    seed = TARS[mode]
    places = st.lists(st.tuples(st.integers(0, len(seed) - 1), st.binary(min_size=1, max_size=8)), max_size=4)
    junk = _changed(seed, data.draw(places))[: data.draw(st.sampled_from((len(seed), len(seed) // 2, 300, 5)))]
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder, "capture.tar")
        at.write_bytes(junk)
        survives(lambda: plan_facts(read_machine(open_sysroot(str(at)), handover=True)))


@given(
    st.sampled_from(("kernel", "initrd", "iomem")),
    st.one_of(mutated(KERNEL), mutated(INITRD), st.just(struct.pack("<512Q", *range(512)))),
)
def test_the_command_ends_with_a_documented_code(which: str, data: bytes) -> None:
    """`plan` over files of any bytes: never a traceback, and each failure is one line with at most one hint."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        files = {"kernel": KERNEL, "initrd": INITRD} | {which: data}
        root = FakeMachine(cpus=1, files={"/proc/iomem": data} if which == "iomem" else {}).write(at / "root")
        (at / "kernel").write_bytes(files["kernel"])
        (at / "initrd").write_bytes(files["initrd"])
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["plan", str(at / "kernel"), "--initrd", str(at / "initrd"), "--root", str(root)])
    assert code in DOCUMENTED
    if code:
        lines = err.getvalue().splitlines()
        assert lines[0].startswith("kexeckit: ")
        assert [line.startswith("  hint: ") for line in lines[1:]] in ([], [True])
        assert out.getvalue() == ""
