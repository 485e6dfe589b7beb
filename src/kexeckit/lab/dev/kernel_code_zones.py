"""arm64's zones and the moment of its reservation beside the kernel's own code, compiled: ``make lab-limits``.

arm64_memblock_init() and bootmem_init() are cut out of a kernel's source and compiled with stubs that write down which
step is taken when, and with which limit. Both sides are asked about random machines: where the zones end, what limits a
plain crashkernel= and the CMA area, and which of NUMA set-up, struct pages and CMA come before the reservation.

Sources are Debian's linux-source packages, by suite. ``--source DIR`` takes a folder with a kernel's source instead,
for releases that no suite has any more: 5.10 differs by patch level (5.10.22, .37, .47, .110).
"""

import argparse
import ctypes
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from kexeckit.errors import UnavailableError
from kexeckit.kernel.behaviour.reservation import CrashRules, crash_rules
from kexeckit.kernel.behaviour.zones import ZoneBehaviour, zone_behaviour_of
from kexeckit.kernel.zones.limits import ArchFacts, zone_limits
from kexeckit.lab.dev.kernel_code_cut import cut, defines
from kexeckit.lab.dev.kernel_source import KernelSource, fetch_source
from kexeckit.lab.packages import SUITES
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.units import GIB, MIB, PAGE_SIZE

__all__ = ["ZoneCode", "ZoneMachineFacts", "build_zone_code", "compare_zone_code", "random_facts"]

_FILE = "arch/arm64/mm/init.c"
_LATE = "arch_zone_limits_init"
_WANTED = ("arm64_memblock_init", "bootmem_init", _LATE)
_GIVEN = (
    "reserve_crashkernel", "arch_reserve_crashkernel", "reserve_elfcorehdr", "fdt_enforce_memory_region",
    "arm64_hugetlb_cma_reserve", "defer_reserve_crashkernel", "ARM64_MEMSTART_ALIGN",
)  # fmt: skip
_LIMIT = re.compile(r"memblock_(?:find_in_range|phys_alloc_range)\([^;]*?(arm64_dma32_phys_limit|arm64_dma_phys_limit)")
_NO_LIMIT = (1 << 64) - 1
# Highest addresses; one of them is no last byte of a page.
_REACHED = (GIB - 1, 0x3BFFFFFF, 0xBFFFFFFF, 3 * GIB, 4 * GIB - 1, 64 * GIB - 1)


@dataclass(frozen=True, slots=True)
class ZoneMachineFacts:
    """One machine: memory is one range, and firmware may limit what devices reach.

    Attributes:
        start: Lowest address of memory.
        end: Address after the highest.
        device_tree: Highest address that all devices reach by the device tree; 2^64-1 for no limit.
        iort: The same by the IORT.
    """

    start: int
    end: int
    device_tree: int = _NO_LIMIT
    iort: int = _NO_LIMIT


@dataclass(frozen=True, slots=True)
class ZoneCode:
    """One kernel's code, loaded.

    Attributes:
        release: The kernel's release.
        with_dma: It is built with ZONE_DMA and ZONE_DMA32.
        behaviour: Our rules for its zones.
        rules: Our rules for its reservation.
        library: The shared object.
    """

    release: str
    with_dma: bool
    behaviour: ZoneBehaviour
    rules: CrashRules
    library: Any


def build_zone_code(source: KernelSource, folder: Path, *, with_dma: bool = True) -> ZoneCode:
    """Compile a kernel's code and load it.

    Args:
        source: The kernel's files.
        folder: An existing folder to build in.
        with_dma: Build it with ZONE_DMA and ZONE_DMA32.

    Raises:
        UnavailableError: There is no gcc, or it does not take the code.
    """
    text = source.text(_FILE)
    found = _LIMIT.search(text)
    # From 6.7 on the limit stands in a header, as CRASH_ADDR_LOW_MAX.
    settings = ["#define ORACLE_ARM64", f"#define ORACLE_LIMIT {found[1] if found else 'arm64_dma_phys_limit'}"]
    settings += ["#define CONFIG_ZONE_DMA 1", "#define CONFIG_ZONE_DMA32 1"] if with_dma else []
    settings += ["#define ORACLE_LATE_ZONES"] if defines(text, _LATE) else []
    parts = cut([text], _WANTED, _GIVEN)
    includes = ['#include "kernel_code.h"', '#include "kernel_zones.h"', '#include "kernel_zones.c"']
    name = f"zones-{source.release}-{int(with_dma)}"
    (folder / f"{name}.c").write_text("\n".join([*settings, *includes[:2], *parts, includes[2], ""]))
    library = _compiled(folder, name)
    library.oracle_zones.restype = ctypes.c_char_p
    library.oracle_zones.argtypes = [ctypes.c_uint64] * 4
    version = parse_kernel_version(source.release)
    return ZoneCode(source.release, with_dma, zone_behaviour_of(version), crash_rules("arm64", version), library)


def _compiled(folder: Path, name: str) -> ctypes.CDLL:
    gcc = shutil.which("gcc")
    if gcc is None:
        raise UnavailableError("the program gcc is not installed", remedy="sh tools/system-packages")
    command = [gcc, "-O2", "-w", "-fwrapv", "-fno-strict-aliasing", "-shared", "-fPIC"]
    command += [f"-I{Path(__file__).parent}", "-o", str(folder / f"{name}.so"), str(folder / f"{name}.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        problem = next((line for line in done.stderr.splitlines() if "error" in line), "no reason given")
        raise UnavailableError(f"{name} does not compile: {problem}")
    try:
        return ctypes.CDLL(str(folder / f"{name}.so"))
    except OSError as error:
        # A name that is defined nowhere shows here.
        raise UnavailableError(f"{name} cannot be loaded: {error}") from error


def random_facts(random: Random) -> ZoneMachineFacts:
    """Draw a machine: memory from below 1 GiB to above 4 GiB, and now and then limits of devices.

    Devices always reach some of memory: where they do not, nothing of a machine works.
    """
    start = random.choice((0, 128 * MIB, GIB, 2 * GIB, 3 * GIB, 4 * GIB - 16 * MIB, 4 * GIB, 5 * GIB, 512 * GIB))
    end = start + random.choice((16, 512, 1024, 3072, 4096, 9000, 65536)) * MIB + random.randrange(64) * PAGE_SIZE
    reached = [limit for limit in _REACHED if limit > start]
    limits = [random.choice((_NO_LIMIT, *reached)) for _ in range(2)]
    return ZoneMachineFacts(start, end, *limits)


def compare_zone_code(code: ZoneCode, count: int, seed: int) -> Iterator[tuple[ZoneMachineFacts, list[str], list[str]]]:
    """Ask both sides about random machines; yield the machine, the kernel's lines and ours where they differ."""
    random = Random(seed)
    for _ in range(count):
        facts = random_facts(random)
        text = code.library.oracle_zones(facts.start, facts.end, facts.device_tree, facts.iort).decode()
        kernel, ours = _kernel_lines(text, facts, code), _our_lines(facts, code)
        if kernel != ours:
            yield facts, kernel, ours


def _kernel_lines(text: str, facts: ZoneMachineFacts, code: ZoneCode) -> list[str]:
    steps = [line.split() for line in text.splitlines()]
    order = [step[0] for step in steps]
    values = {step[0]: [int(x, 16) for x in step[1:]] for step in steps}
    crash = order.index("crash")
    before = [name for name in ("numa", "sparse", "cma") if name in order[:crash]]
    # free_area_init(): a zone ends no lower than the one before it. Limits count as far as memory goes.
    at, zones = facts.start // PAGE_SIZE, []
    for pfn in values["zones"] if code.with_dma else ():
        at = max(at, pfn)
        zones.append(at)
    limit = min(values["crash"][0], facts.end) // PAGE_SIZE * PAGE_SIZE
    return [f"before {before}", f"zones {zones}", f"crash {limit:#x}"]


def _our_lines(facts: ZoneMachineFacts, code: ZoneCode) -> list[str]:
    rules = code.rules
    early = not rules.after_numa or (rules.early_without_dma and not code.with_dma)
    flags = {"numa": not early, "sparse": rules.sparse_first and not early, "cma": rules.cma_first and not early}
    before = [name for name, there in flags.items() if there]
    limit = min(facts.device_tree, facts.iort)
    arch = ArchFacts("arm64", facts.start, facts.end, facts.end, dma_limit=None if limit == _NO_LIMIT else limit)
    zones = {z.zone: z for z in zone_limits(arch, code.behaviour) or ()}
    crash = facts.end
    names = ("DMA32", "DMA") if rules.dma32 else ("DMA", "DMA32")
    filled = [zones[n] for n in names if n in zones and not zones[n].empty] if code.with_dma else []
    if filled:
        crash = filled[0].end_pfn * PAGE_SIZE
    ends = [z.end_pfn for z in zones.values()] if code.with_dma else []
    return [f"before {before}", f"zones {ends}", f"crash {crash:#x}"]


def main(argv: list[str] | None = None) -> int:
    """Compare and print a table; 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=20000, help="machines for each kernel (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what to draw from (default: %(default)s)")
    parser.add_argument("--suites", default=",".join(SUITES), help="Debian suites, separated by commas")
    parser.add_argument("--source", type=Path, action="append", metavar="DIR", help="a kernel's source, not a suite's")
    parser.add_argument("--show", type=int, default=3, help="differences to print for each (default: %(default)s)")
    args = parser.parse_args(argv)
    sys.stdout.write("| kernel | DMA zones | machines | different |\n|---|---|--:|--:|\n")
    different = 0
    try:
        with tempfile.TemporaryDirectory(prefix="kexeckit-zones-") as folder:
            for source in _sources(args):
                for with_dma in (True, False):
                    code = build_zone_code(source, Path(folder), with_dma=with_dma)
                    found = list(compare_zone_code(code, args.n, args.seed))
                    built = "yes" if with_dma else "no"
                    sys.stdout.write(f"| {code.release} | {built} | {args.n:,} | {len(found)} |\n")
                    for facts, kernel, ours in found[: args.show]:
                        sys.stdout.write(f"{facts}\n    kernel  {kernel}\n    ours    {ours}\n")
                    different += len(found)
    except UnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 69
    return 1 if different else 0


def _sources(args: argparse.Namespace) -> Iterator[KernelSource]:
    if args.source:
        yield from (KernelSource(str(folder), "", folder) for folder in args.source)
        return
    yield from (fetch_source(suite) for suite in args.suites.split(","))


if __name__ == "__main__":
    sys.exit(main())
