"""Machines of every kind of source, for the tests of what is done with a `Machine`."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bootlogs import pc_table, x86_log
from kexeckit.machine.value import Machine
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import FileRoot, SingleFile, open_sysroot

GIB = 1 << 30
GOLDEN = Path(__file__).resolve().parent / "golden"
IOMEM = """\
00001000-0009fbff : System RAM
00100000-bffdffff : System RAM
  02000000-02ffffff : Kernel code
  a0000000-afffffff : Crash kernel
fffc0000-ffffffff : Reserved
"""
DEBUG = (
    "memblock_reserve: [0x0000000002000000-0x0000000002ffffff] setup_arch+0x1/0x2",
    "crashkernel reserved: 0x00000000a0000000 - 0x00000000b0000000 (256 MB)",
)


def read_text(text: str, name: str = "boot.log") -> Machine:
    """Return the machine of a single file."""
    return read_machine(FileRoot(SingleFile(name, text.encode("utf-8", "surrogateescape"))))


def captures() -> list[Path]:
    """Return the folders of the golden captures."""
    return sorted((GOLDEN / "captures").iterdir())


@cache
def machines() -> tuple[Machine, ...]:
    """Return one machine per golden capture, and of logs, a listing and a description."""
    return tuple(_machines())


def _machines() -> Iterator[Machine]:
    for folder in captures():
        yield read_machine(open_sysroot(str(folder)), handover=True)
    yield read_text(x86_log())
    yield read_text(x86_log(pc_table(5 * GIB), nodes=[(0, 0x1000, GIB), (1, GIB, 3 * GIB)], more=DEBUG))
    yield read_text(x86_log(cmdline="a=\udcff crashkernel=256M"))
    yield read_text(IOMEM, "iomem")
    yield read_text((GOLDEN / "mirror_thread.toml").read_text(), "m.toml")
