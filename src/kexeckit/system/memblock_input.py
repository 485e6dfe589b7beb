"""Read memblock's lists from a root."""

from kexeckit.formats.memblock_debugfs import MemblockEntry, parse_memblock_list
from kexeckit.system.sysroot import Sysroot

FOLDER = "/sys/kernel/debug/memblock"


def read_memblock_list(root: Sysroot, name: str) -> tuple[MemblockEntry, ...]:
    """Return one of memblock's lists; empty where the root does not have it.

    Args:
        root: The root.
        name: ``memory`` or ``reserved``.

    Raises:
        InputError: The file is there and is none of memblock's.
        NotPermittedError: debugfs may only be read by root.
    """
    path = f"{FOLDER}/{name}"
    return parse_memblock_list(root.read_text(path), root.label(path)) if root.exists(path) else ()
