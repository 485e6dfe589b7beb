"""The kernel's parser of crashkernel= and its memblock as a shared object: cut out, put between ours, compiled.

kernel_code.h          types and helpers                        ours
memblock, memparse     as cut out of the kernel's files         fetched
kernel_code_hooks.h    between memblock and the reservation     ours
reserve_crashkernel    as cut out of the kernel's files         fetched
kernel_code.c          the driver                               ours
"""

import ctypes
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kexeckit.errors import UnavailableError
from kexeckit.kernel.behaviour.reservation import CrashRules, crash_rules
from kexeckit.lab.dev.kernel_code_cut import cut, defines
from kexeckit.lab.dev.kernel_source import KernelSource
from kexeckit.machine.version import parse_kernel_version

__all__ = ["ARCHES", "KernelCode", "build_code"]

ARCHES = {"x86_64": ("x86", "arch/x86/kernel/setup.c"), "arm64": ("arm64", "arch/arm64/mm/init.c")}
"""Architecture -> its folder in the kernel, and the file that reserves."""

_MEMBLOCK = (
    "include/linux/memblock.h", "lib/kstrtox.h", "lib/kstrtox.c", "lib/vsprintf.c", "lib/cmdline.c", "mm/memblock.c",
)  # fmt: skip
_ENTRIES = ("arch_reserve_crashkernel", "reserve_crashkernel")
_FREES = ("memblock_phys_free", "memblock_free")
_WANTED = (
    "memblock_add", "memblock_set_node", "memblock_mark_mirror", "memblock_mark_hotplug", "memblock_mark_nomap",
    "memblock_clear_hotplug", "memblock_reserve", "memblock_phys_alloc_range", "memblock_phys_mem_size",
    "memblock_is_region_memory", "memblock_is_region_reserved", "system_has_some_mirror", "memparse",
    # Reached from 7.3 on, by names that are put together.
    "_parse_integer0", "_parse_integer1", "_parse_integer2",
)  # fmt: skip
# Defined by our part; arrays that grow are not modelled, so layouts stay below their first size.
_GIVEN = (
    "reserve_crashkernel_cma", "swiotlb_size_or_default", "movable_node_is_enabled", "mirrored_kernelcore",
    "memblock_double_array", "numa_valid_node", "crashk_cma_ranges", "PAGE_ALIGN", "memblock_discard",
    "memblock_dbg", "insert_resource", "iomem_resource", "boot_command_line",
    "__init_memblock", "__initdata_memblock", "__free_reserved_area",
)  # fmt: skip
_OURS = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class KernelCode:
    """One kernel's code, loaded.

    Attributes:
        suite: Debian suite.
        release: The kernel's release.
        arch: Architecture that it was compiled as.
        rules: Our rules for it.
        library: The shared object.
    """

    suite: str
    release: str
    arch: str
    rules: CrashRules
    library: Any


def build_code(source: KernelSource, arch: str, folder: Path) -> KernelCode:
    """Compile a kernel's code and load it.

    Args:
        source: The kernel's files.
        arch: One of ARCHES; decides which file reserves, not which machine runs it.
        folder: An existing folder to build in.

    Raises:
        UnavailableError: There is no gcc, or it does not take the code.
    """
    name = f"{source.suite}-{arch}"
    (folder / f"{name}.c").write_text(_unit(source, arch))
    gcc = shutil.which("gcc")
    if gcc is None:
        raise UnavailableError("the program gcc is not installed", remedy="sh tools/system-packages")
    command = [gcc, "-O2", "-w", "-fwrapv", "-fno-strict-aliasing", "-shared", "-fPIC"]
    command += [f"-I{_OURS}", "-o", str(folder / f"{name}.so"), str(folder / f"{name}.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        problem = next((line for line in done.stderr.splitlines() if "error" in line), "no reason given")
        raise UnavailableError(f"the code of {source.release} ({arch}) does not compile: {problem}")
    library = ctypes.CDLL(str(folder / f"{name}.so"))
    for function in (library.oracle_words, library.oracle_layout, library.oracle_place):
        function.restype = ctypes.c_char_p
    number = ctypes.c_uint64
    library.oracle_find.restype = number
    library.oracle_find.argtypes = [number] * 4 + [ctypes.c_int]
    library.oracle_words.argtypes = [ctypes.c_char_p, number, ctypes.c_int, number]
    library.oracle_machine.argtypes = [number, number, ctypes.c_int, ctypes.c_int]
    rules = crash_rules(arch, parse_kernel_version(source.release))
    return KernelCode(source.suite, source.release, arch, rules, library)


def _unit(source: KernelSource, arch: str) -> str:
    folder, reserving = ARCHES[arch]
    headers = (f"arch/{folder}/include/asm/crash_reserve.h", "include/linux/crash_reserve.h")
    paths = (*_MEMBLOCK, *headers, "kernel/crash_core.c", "kernel/crash_reserve.c", reserving)
    texts = [source.text(path) for path in paths]
    entry = next(name for name in _ENTRIES if defines(texts[-1], name))
    free = next(name for name in _FREES if defines(source.text("mm/memblock.c"), name))
    parts = cut(texts, (*_WANTED, entry, free), _GIVEN)
    below, above = "".join(parts[: len(_MEMBLOCK)]), "".join(parts[len(_MEMBLOCK) :])
    settings = [f"#define ORACLE_ENTRY {entry}", f"#define ORACLE_FREE {free}"]
    settings += ["#define ORACLE_ARM64"] if arch == "arm64" else []
    settings += ["#define ORACLE_FIND_IN_RANGE"] if "memblock_find_in_range" in above else []
    includes = ['#include "kernel_code.h"', '#include "kernel_code_hooks.h"', '#include "kernel_code.c"']
    return "\n".join([*settings, includes[0], below, includes[1], above, includes[2], ""])
