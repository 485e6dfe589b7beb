"""Files that say how a machine came up: the firmware's map and boot_params; and what a lone file is."""

import re

from kexeckit.formats.boot_params import BootParams, parse_boot_params
from kexeckit.formats.firmware_memmap import make_firmware_map, parse_memmap_entry
from kexeckit.kernel.boot.e820 import Table, make_table
from kexeckit.system.collect import BOOT_PARAMS, MEMMAP
from kexeckit.system.sysroot import Sysroot

_RESOURCE = re.compile(r"^\s*[0-9a-f]{8,16}-[0-9a-f]{8,16} : ")


def read_firmware_table(root: Sysroot) -> Table:
    """Return the firmware's e820 table as the kernel got it, or an empty one.

    Raises:
        InputError: /sys/firmware/memmap or boot_params cannot be understood.
    """
    if root.exists(MEMMAP):
        folders = [f"{MEMMAP}/{n}" for n in root.listdir(MEMMAP) if n.isdigit()]
        entries = [
            parse_memmap_entry({n: root.read_text(f"{f}/{n}") for n in ("start", "end", "type")}, root.label(f))
            for f in folders
        ]
        found = make_firmware_map(entries, root.label(MEMMAP))
        return make_table((e.start, e.end, e.kind.e820) for e in found)
    params = read_boot_params(root)
    return make_table((e.start, e.end, e.kind.e820) for e in params.e820) if params else ()


def read_boot_params(root: Sysroot) -> BootParams | None:
    """Return the page that the boot loader passed to an x86 kernel, or None where the root has none."""
    if not root.exists(BOOT_PARAMS):
        return None
    return parse_boot_params(root.read_bytes(BOOT_PARAMS), root.label(BOOT_PARAMS))


def looks_like_iomem(text: str) -> bool:
    """Say whether most of a file's first lines are resources, as in /proc/iomem."""
    lines = [line for line in text.splitlines()[:60] if line.strip()]
    hits = sum(1 for line in lines if _RESOURCE.match(line))
    return bool(lines) and 2 * hits > len(lines)
