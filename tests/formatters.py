"""Texts as a kernel writes them, from values: what parsers are tested with."""

from collections.abc import Iterable

from kexeckit.formats.kernel_config import KernelConfig
from kexeckit.formats.memblock_debugfs import MemblockEntry
from kexeckit.memory.memmap import MemoryMap
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.resource import ResourceTree


def format_iomem(tree: ResourceTree) -> str:
    """Write /proc/iomem: inclusive ends, at least eight digits, two spaces per depth."""
    rows = (f"{'  ' * depth}{r.range.start:08x}-{r.range.last:08x} : {r.name}" for depth, r in tree.walk())
    return "".join(row + "\n" for row in rows)


def format_kernel_config(config: KernelConfig) -> str:
    """Write a kernel's configuration."""
    return "".join(f"{option}={value}\n" for option, value in config.values.items())


def format_memblock_list(entries: Iterable[MemblockEntry]) -> str:
    """Write a list of memblock's as debugfs shows it."""
    return "".join(f"{number:4}: {_memblock(entry)}\n" for number, entry in enumerate(entries))


def covered(found: MemoryMap) -> RangeSet:
    """Return the addresses that any entry of a map describes."""
    return RangeSet(e.range for e in found)


def _memblock(entry: MemblockEntry) -> str:
    addresses = f"{entry.range.start:#018x}..{entry.range.last:#018x}"
    if entry.flags is None:
        return addresses
    node = "x" if entry.node is None else str(entry.node)
    return f"{addresses} {node:>4} {'|'.join(entry.flags) or 'NONE'}"
