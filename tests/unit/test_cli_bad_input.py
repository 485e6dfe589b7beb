"""Bad input at the command: one line that names the file, the cause and what would fit; nothing done."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli_bench import Commands, Ended
from fakes import INITRD, IOMEM, MIB, FakeMachine, build_bzimage

TEXT = b"# a configuration file\nroot=/dev/sda1\n" * 50
JUNK = bytes((n * 167 + 13) % 251 for n in range(20_000))


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """A bench with good files."""
    return Commands(tmp_path, capsys)


@pytest.fixture(autouse=True)
def nothing_changes(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> object:
    """No file is written and no system call is made by any test here, whatever the input."""

    def refuse(*_args: object, **_more: object) -> None:
        raise AssertionError("a system call was made")

    monkeypatch.setattr("kexeckit.system.kexec.LinuxKernel._call", refuse)
    return commands


def both(commands: Commands, *more: str, **files: str) -> Ended:
    """The same failure from `plan` and, before anything is loaded, from `load`; returns plan's."""
    before = commands.snapshot()
    planned = commands.plan(*more, **files)
    kernel, initrd = files.get("kernel", "vmlinuz"), files.get("initrd", "initrd")
    words = [commands.at(kernel), "--initrd", commands.at(initrd), "--root", commands.at(files.get("root", "root"))]
    loaded = commands.run("load", *words, *more)
    assert (loaded.code, loaded.message) == (planned.code, planned.message)
    assert commands.snapshot() == before
    return planned


KERNELS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "cut in its header": (build_bzimage()[:0x210], "not a bzImage"),
    "cut in its setup": (build_bzimage()[:2000], "truncated: 2000 bytes, but the kernel begins at 2560"),
    "cut in its code": (
        build_bzimage()[:40_000],
        "truncated: the header declares 65536 bytes of kernel, the file holds 37440",
    ),
    "junk": (JUNK, "not a bzImage: its first bytes are of no known kind"),
    "zeros": (bytes(100_000), "not a bzImage: it begins with zeros only"),
    "text": (TEXT, "not a bzImage: it is text"),
    "an initrd": (INITRD, "not a bzImage: it looks like a cpio archive"),
    "a compressed initrd": (b"\x1f\x8b\x08" + JUNK, "not a bzImage: it looks like gzip data"),
    "an ELF file": (b"\x7fELF\x02" + JUNK, "not a bzImage: it is an ELF file"),
    "an arm64 kernel": (b"MZ" + bytes(54) + b"ARMd" + JUNK, "not a bzImage: it is an arm64 kernel Image"),
    "an old protocol": (build_bzimage(protocol=0x0202), "boot protocol 2.02 is too old; expected 2.12"),
}


@pytest.mark.parametrize("what", KERNELS)
@pytest.mark.parametrize("syscall", ["load", "file"])
def test_a_kernel_that_is_none(commands: Commands, what: str, syscall: str) -> None:
    """Named, with what it looks like; exit 65."""
    data, words = KERNELS[what]
    name = commands.put("bad-kernel", data)
    ended = both(commands, "--syscall", syscall, kernel="bad-kernel")
    assert ended.code == 65
    assert ended.message.startswith(f"kexeckit: {name}: ")
    assert words in ended.message


INITRDS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "a kernel": (build_bzimage(), "it is an x86 kernel (bzImage); are kernel and initrd swapped?"),
    "text": (TEXT, "it is text"),
    "zeros": (bytes(50_000), "it begins with zeros only"),
    "junk": (JUNK, "its first bytes are of no known kind"),
    "an ELF file": (b"\x7fELF\x02" + JUNK, "it is an ELF file"),
}


@pytest.mark.parametrize("what", INITRDS)
@pytest.mark.parametrize("panic", [(), ("--panic",)])
def test_an_initrd_that_is_none(commands: Commands, what: str, panic: tuple[str, ...]) -> None:
    """Named, with what it looks like; exit 65."""
    data, words = INITRDS[what]
    name = commands.put("bad-initrd", data)
    ended = both(commands, *panic, initrd="bad-initrd")
    assert ended.code == 65
    assert ended.message.startswith(f"kexeckit: {name}: ")
    assert words in ended.message


def test_swapped_files(commands: Commands) -> None:
    """The kernel's place is looked at first; the message is about the file that is there."""
    ended = both(commands, kernel="initrd", initrd="vmlinuz")
    assert ended.code == 65
    assert f"{commands.at('initrd')}: not a bzImage: it looks like a cpio archive" in ended.message


@pytest.mark.parametrize("which", ["kernel", "initrd"])
@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda at: at.mkdir(), 65, "not a regular file"),
        (lambda _at: None, 69, "no such file"),
        (os.mkfifo, 65, "not a regular file"),
        (lambda at: at.symlink_to(at.name), 74, "Too many levels of symbolic links"),
    ],
    ids=["folder", "absent", "pipe", "loop"],
)
def test_a_path_that_leads_to_no_file(
    commands: Commands, which: str, make: Callable[[Path], None], code: int, words: str
) -> None:
    """Each kind has its own documented exit code."""
    make(commands.folder / "odd")
    ended = both(commands, **{which: "odd"})
    assert ended.code == code
    assert f"{commands.at('odd')}: {words}" in ended.message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_that_may_not_be_read(commands: Commands) -> None:
    """As another user: exit 77."""
    (commands.folder / "vmlinuz").chmod(0)
    for parent in (commands.folder, *commands.folder.parents)[:-2]:
        parent.chmod(0o755)
    # As this user Python may not find its own library any more: whatever is needed is loaded by a first, good run.
    good = commands.put("good", build_bzimage())
    program = (
        "import contextlib, io, os, sys\n"
        "from kexeckit.cli.main import main\n"
        f"with contextlib.redirect_stdout(io.StringIO()): main(['plan', {good!r}, *sys.argv[3:]])\n"
        "os.setuid(65534)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["plan", commands.at("vmlinuz"), "--root", commands.at("root")]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.stderr == f"kexeckit: {commands.at('vmlinuz')}: not permitted to read it\n  hint: run as root\n"
    assert (done.returncode, done.stdout) == (77, "")


IOMEMS = {
    "masked": ("00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n", 77, "all addresses are zero"),
    "zero bytes": ("\0" * 4096, 65, "proc/iomem:1: not an entry"),
    "empty": ("", 65, "the file holds no entry"),
    "blank": ("\n\n", 65, "the file holds no entry"),
    "a malformed line": (
        IOMEM + "00200000-001fffff System RAM\n",
        65,
        f"proc/iomem:{IOMEM.count(chr(10)) + 1}: not an entry",
    ),
    "a reversed line": ("00200000-00100000 : System RAM\n", 65, "proc/iomem:1: the end 0x100000 lies before the start"),
    "binary": ("\x7fELF\x02\x01\udcff", 65, "proc/iomem:1: not an entry"),
    "no RAM": ("a0000-bffff : PCI Bus\n", 1, "there is no usable RAM at all"),
}


@pytest.mark.parametrize("what", IOMEMS)
def test_an_iomem_that_cannot_be_used(commands: Commands, what: str) -> None:
    """Masked is a matter of rights, everything else of the file; the line is named."""
    text, code, words = IOMEMS[what]
    FakeMachine(iomem=text).write(commands.folder / "other")
    ended = both(commands, root="other")
    assert (ended.code, words in ended.message) == (code, True), ended.message
    assert ("hint: read it as root" in ended.hint) == (what == "masked")


def test_an_absent_iomem(commands: Commands) -> None:
    """Exit 69 where nothing else shows memory."""
    FakeMachine(memmap=None, files={"/proc/iomem": None}).write(commands.folder / "other")
    ended = both(commands, root="other")
    assert (ended.code, ended.message) == (69, f"kexeckit: {commands.at('other')}/: no memory map in it")
    assert "/proc/iomem" in ended.hint


@pytest.mark.parametrize(("root", "code"), [("nowhere", 69), ("vmlinuz", 65)])
def test_a_root_that_is_none(commands: Commands, root: str, code: int) -> None:
    """Absent, or a single file that is no source of anything."""
    ended = both(commands, root=root)
    assert ended.code == code
    assert commands.at(root) in ended.message


@pytest.mark.parametrize(("init_size", "initrd_size"), [(300 * MIB, 0), (64 * MIB, 250 * MIB), (8 * MIB, 260 * MIB)])
def test_an_image_that_is_too_large_for_the_reservation(commands: Commands, init_size: int, initrd_size: int) -> None:
    """Exit 1; says both needs, the region's size and a reservation that would do."""
    commands.put("big", build_bzimage(init_size=init_size))
    with open(commands.put("big-initrd", INITRD), "r+b") as file:  # noqa: PTH123
        file.truncate(len(INITRD) + initrd_size)
    ended = both(commands, "--panic", kernel="big", initrd="big-initrd")
    assert ended.code == 1
    assert "in the crash region of 256 MiB" in ended.message
    assert f"{commands.at('big')} needs {init_size // MIB} MiB" in ended.message
    found = re.search(r"reservation of (\d+) MiB or more", ended.message)
    assert found
    # No more than the sum and what alignment can waste.
    assert (init_size + initrd_size) // MIB < int(found[1]) <= (init_size + initrd_size) // MIB + 8


def test_no_reservation(commands: Commands) -> None:
    """Exit 1 with the remedy."""
    FakeMachine(iomem=IOMEM.replace("  a0000000-afffffff : Crash kernel\n", "")).write(commands.folder / "other")
    ended = both(commands, "--panic", root="other")
    assert ended.code == 1
    assert "no memory is reserved" in ended.message
    assert "crashkernel=" in ended.hint


@pytest.mark.parametrize(("panic", "fits"), [((), 2047), (("--panic",), 2047 - len("elfcorehdr=0xa0000000 "))])
def test_a_command_line_that_is_too_long(commands: Commands, panic: tuple[str, ...], fits: int) -> None:
    """Exit 1; says how many bytes fit, and exactly so many do."""
    ended = both(commands, *panic, "--append", "x" * (fits + 1))
    assert ended.code == 1
    assert f"{commands.at('vmlinuz')} takes at most 2047" in ended.message
    assert f"{fits} bytes would fit" in ended.message
    assert commands.plan(*panic, "--append", "x" * fits).code == 0


@pytest.mark.parametrize("syscall", ["load", "file"])
def test_a_nul_in_the_command_line(commands: Commands, syscall: str) -> None:
    """From a capture's own line: the kernel would cut it there without a word."""
    FakeMachine(cmdline="root=/dev/sda1\0quiet").write(commands.folder / "other")
    ended = both(commands, "--reuse-cmdline", "--syscall", syscall, root="other")
    assert ended.code == 1
    assert "NUL" in ended.message


@pytest.mark.parametrize("port", ["ttyS9", "0x20000", "-1", "com1"])
def test_a_serial_port_that_is_none(commands: Commands, port: str) -> None:
    """Usage: exit 2, with an example."""
    ended = commands.plan(f"--serial={port}")
    assert ended.code == 2
    assert "expected an I/O port such as 0x3f8, or ttyS0" in ended.message


def test_a_machine_that_cannot_be_planned_for(commands: Commands) -> None:
    """Another architecture is said, not guessed around."""
    ended = both(commands, "--arch", "riscv64")
    assert (ended.code, "a plan for riscv64" in ended.message) == (1, True)


def test_load_refuses_a_capture_after_showing_its_plan(commands: Commands) -> None:
    """A capture has no kernel to load into: exit 2, and --dry-run is the way."""
    words = ["load", commands.at("vmlinuz"), "--root", commands.at("root")]
    ended = commands.run(*words)
    assert ended.code == 2
    assert "with --root only --dry-run is possible" in ended.err
    assert commands.run(*words, "--dry-run").code == 0


@pytest.mark.parametrize(
    ("kernel", "initrd", "code"), [("initrd", "vmlinuz", 65), ("vmlinuz", "vmlinuz", 65), ("none", "initrd", 69)]
)
def test_the_same_as_a_process(commands: Commands, kernel: str, initrd: str, code: int) -> None:
    """No traceback at the end of the interpreter either."""
    words = ["plan", commands.at(kernel), "--initrd", commands.at(initrd), "--root", commands.at("root")]
    done = subprocess.run([sys.executable, "-m", "kexeckit", *words], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
