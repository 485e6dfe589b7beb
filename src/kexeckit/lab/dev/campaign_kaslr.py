"""One machine, booted many times with KASLR: ``make lab-kaslr N=200 ARGS="--suites trixie --firmware bios"``.

The first boot shows the machine: its map, its boot parameters, its initrd. From them the places follow at which the
image can be at the next boot. Each further boot says where it was. No image may lie elsewhere, and the places drawn
must look as if each were as likely as any other, by a chi-squared test over bins of at least five boots.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from kexeckit.errors import UnavailableError
from kexeckit.formats.boot_params import BootParams, parse_boot_params
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.efi import EfiMapEntry, efi_map
from kexeckit.formats.bzimage import parse_bzimage, unpacked_size
from kexeckit.formats.efi_memory_map import LOADER_CODE
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.behaviour.kaslr import KaslrRules, kaslr_rules
from kexeckit.kernel.boot.efi_room import efi_room
from kexeckit.kernel.boot.kaslr import ImageRoom, image_slots, needed_size
from kexeckit.kernel.boot.kernel_range import LOAD_ADDRESS
from kexeckit.kernel.boot.slots import Slots, count
from kexeckit.lab.dev.campaign import Campaign, Record
from kexeckit.lab.dev.campaign_command import campaign_parser, run_and_print
from kexeckit.lab.dev.chi_squared import chi_squared, p_value
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import EFI_FIRMWARE, Machine
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.report import GuestReport, run_guest
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.kind import RAM
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import MIB, align_up

__all__ = ["KaslrBoot", "KaslrCampaign", "KaslrPlace", "Places", "flatness", "place_number", "places"]

_ALIGN = 2 * MIB
_BIN = 5
_WIDTH = 60
# What is looked at, and nothing else: a boot is two to five seconds, a whole report one more.
_JOB = """
cat /proc/iomem >/tmp/iomem; emit iomem /tmp/iomem
cat /proc/cmdline >/tmp/cmdline; emit cmdline /tmp/cmdline
cat /sys/kernel/boot_params/data >/tmp/boot_params; emit boot_params /tmp/boot_params
dmesg >/tmp/dmesg; emit dmesg /tmp/dmesg
"""


@dataclass(frozen=True, slots=True)
class KaslrBoot:
    """One boot to come.

    Attributes:
        suite: Debian suite of the kernel.
        firmware: ``bios`` or ``efi``.
        memory: MiB of RAM.
        number: Which boot of the machine, from 1.
    """

    suite: str
    firmware: str
    memory: int
    number: int


@dataclass(frozen=True, slots=True)
class KaslrPlace:
    """Where a boot put the image.

    Attributes:
        suite: Debian suite of the kernel.
        firmware: ``bios`` or ``efi``.
        memory: MiB of RAM.
        number: Which boot of the machine.
        release: The kernel's.
        start: First byte of the image.
        end: End of its bss.
        place: Its number among all places that the first boot lets expect, from 0; -1 where it is none of them.
        of: How many places there are.
        problem: Why there is no result, or empty.
    """

    suite: str
    firmware: str
    memory: int
    number: int
    release: str = ""
    start: int = 0
    end: int = 0
    place: int = -1
    of: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """What the first boot lets expect.

    Attributes:
        release: The kernel's.
        rows: The places.
    """

    release: str
    rows: tuple[Slots, ...]


@dataclass(frozen=True)
class KaslrCampaign(Campaign[KaslrBoot, Places, KaslrPlace]):
    """Boots of one machine for each suite.

    Attributes:
        suites: Debian suites.
        firmware: ``bios`` or ``efi``.
        memory: MiB of RAM.
    """

    identity = ("suite", "firmware", "memory", "number")
    suites: tuple[str, ...] = ("trixie",)
    firmware: str = "bios"
    memory: int = 640

    def draw(self, count: int, seed: int) -> Iterator[tuple[KaslrBoot, ...]]:
        """Return so many boots of each suite's machine; the kernel draws, so that the seed only names the series."""
        del seed
        for suite in self.suites:
            yield tuple(KaslrBoot(suite, self.firmware, self.memory, n) for n in range(1, count + 1))

    def blank(self, case: KaslrBoot, problem: str = "") -> KaslrPlace:
        """Return a boot that has not happened."""
        return KaslrPlace(case.suite, case.firmware, case.memory, case.number, problem=problem)

    def share(self, cases: tuple[KaslrBoot, ...]) -> Places:
        """Boot once, and compute the places from what that boot shows."""
        return places(cases[0], _boot(cases[0]))

    def boot(self, case: KaslrBoot, shared: Places) -> KaslrPlace:
        """Boot, and look where the image is."""
        image = _image(_boot(case))
        number = place_number(shared.rows, image.start)
        blank = replace(self.blank(case), release=shared.release, start=image.start, end=image.end)
        return replace(blank, place=number, of=count(shared.rows))

    def verdict(self, record: Record) -> str:
        """Judge by whether the place was expected."""
        return super().verdict({**record, "differ": () if record["place"] >= 0 else ("outside",)})

    def lines(self, result: KaslrPlace) -> Iterator[str]:
        """Tell a boot."""
        what = f"place {result.place} of {result.of}" if result.place >= 0 else "OUTSIDE of all places"
        yield f"{result.release or result.suite} {result.firmware}: {result.problem or f'{result.start:#x}, {what}'}"


def places(case: KaslrBoot, report: GuestReport) -> Places:
    """Compute the places from a boot.

    Args:
        case: The boot.
        report: What it reported.

    Raises:
        UnavailableError: This kernel's places are not modelled.
    """
    kernel = fetch_kernel(case.suite)
    rules = kaslr_rules("x86_64", parse_kernel_version(kernel.version))
    params = parse_boot_params(report.data("boot_params"), "the guest's boot_params")
    size = _needed(kernel.vmlinuz, params, _image(report))
    room = _efi(report, rules, params, size) if case.firmware == "efi" else _bios(report, params)
    rows = image_slots(room, rules, report.text("cmdline"), size=size)
    if rows is None:
        raise UnavailableError(f"no places are known for {kernel.release}")
    return Places(kernel.release, rows)


# The file says how much it unpacks to; what is computed without it must agree. New stubs leave init_size empty.
def _needed(vmlinuz: Path, params: BootParams, image: MemRange) -> int:
    data = vmlinuz.read_bytes()
    size = align_up(max(unpacked_size(data, parse_bzimage(data, vmlinuz.name)) or 0, image.size), _ALIGN)
    least, most = needed_size(params.init_size, image.size) if params.init_size else (size, size)
    if not least <= size <= most:
        raise UnavailableError(f"the image needs {size:#x} bytes, and {least:#x} to {most:#x} were computed")
    return size


def _bios(report: GuestReport, params: BootParams) -> ImageRoom:
    held = [(LOAD_ADDRESS, params.init_size), (params.initrd_address, params.initrd_size)]
    held.append((params.cmdline_address, len(report.data("cmdline"))))
    memory = tuple(e.range for e in params.e820 if e.kind == RAM)
    return ImageRoom(memory, avoid=tuple(MemRange.from_size(start, size) for start, size in held if size))


def _efi(report: GuestReport, rules: KaslrRules, params: BootParams, size: int) -> ImageRoom:
    entries = efi_map(parse_boot_log(report.text("dmesg"), "the guest's log"))
    back = [MemRange.from_size(_image(report).start, size)]
    initrd = align_up(params.initrd_size, 4096)
    back += [MemRange.from_size(params.initrd_address, initrd)] if initrd else []
    load = max((_file_at(e) for e in entries if e.type == LOADER_CODE), default=LOAD_ADDRESS)
    return efi_room(entries, rules, report.text("cmdline"), given_back=back, load=load)


# Where an old stub leaves the image: where firmware loaded the file.
def _file_at(entry: EfiMapEntry) -> int:
    return align_up(entry.range.start, _ALIGN)


def _image(report: GuestReport) -> MemRange:
    parts = [r.range for r in parse_iomem(report.text("iomem")).named("Kernel code", "Kernel bss")]
    if not parts:
        raise UnavailableError("the guest's /proc/iomem shows no kernel")
    return MemRange(min(p.start for p in parts), max(p.end for p in parts))


def _boot(case: KaslrBoot) -> GuestReport:
    efi = case.firmware == "efi"
    machine = Machine(
        fetch_kernel(case.suite).vmlinuz,
        memory=case.memory * MIB,
        append="efi=debug log_buf_len=1M" if efi else "",
        kaslr=True,
        extra=EFI_FIRMWARE if efi else (),
    )
    return run_guest(machine, GuestImage(report=False, job=_JOB), timeout=90).report("boot")


def place_number(rows: Sequence[Slots], start: int) -> int:
    """Return the number of a place among all, in the order of the rows; -1 where it is none."""
    before = 0
    for row in rows:
        if start in row:
            return before + (start - row.first) // row.step
        before += len(row)
    return -1


def flatness(records: Sequence[Record]) -> Iterator[str]:
    """Tell how boots of one machine are spread over its places, and how likely that is by chance.

    Args:
        records: Results, all with a place.
    """
    total = records[0]["of"]
    # As many bins as there can be with the wanted number of boots expected in the smallest.
    bins = max(total // -(-_BIN * total // len(records)), 1)
    edges = [total * n // bins for n in range(bins + 1)]
    sizes = [high - low for low, high in pairwise(edges)]
    counts = [sum(low <= r["place"] < high for r in records) for low, high in pairwise(edges)]
    expected = [len(records) * size / total for size in sizes]
    first = records[0]
    yield f"{first['release']} {first['firmware']}, {first['memory']} MiB: {len(records)} boots over {total} places"
    for low, seen, due in zip(edges, counts, expected, strict=False):
        yield f"  from place {low:4}: {seen:3} boots, {due:.1f} expected  {'#' * min(seen, _WIDTH)}"
    if bins > 1:
        value = chi_squared(counts, expected)
        yield f"  chi-squared {value:.1f} with {bins - 1} degrees of freedom: p = {p_value(value, bins - 1):.3f}"


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print it; 1 where an image lay outside of the computed places or a boot has no result."""
    parser = campaign_parser(__doc__, 200, "boots of each machine")
    parser.add_argument("--firmware", choices=("bios", "efi"), default="bios", help="default: %(default)s")
    parser.add_argument("--memory", type=int, default=640, metavar="MIB", help="RAM (default: %(default)s)")
    args = parser.parse_args(argv)
    campaign = KaslrCampaign(args.suites or ("trixie",), args.firmware, args.memory)
    with tempfile.TemporaryDirectory() as folder:
        args.out = args.out or Path(folder, "boots.jsonl")
        status = run_and_print(campaign, args, sys.stdout)
        records = [json.loads(line) for line in args.out.read_text().splitlines()]
    for suite in campaign.suites:
        own = {"seed": args.seed, "suite": suite, "firmware": args.firmware, "memory": args.memory}
        placed = [r for r in records if own.items() <= r.items() and r["place"] >= 0]
        sys.stdout.writelines(f"{line}\n" for line in (flatness(placed) if placed else ()))
    return status


if __name__ == "__main__":
    sys.exit(main())
