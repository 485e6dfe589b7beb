"""`verify`: is a plan right? It shares no code with what makes plans, and is run on every plan before it is shown.

Rules of this file:
    1. Nothing is imported from the placer (hole, x86_64, contents, handover); addresses are compared here anew.
    2. Every invariant is one function that yields findings; a plan is right if none yields any.
    3. For each invariant there is a test with a plan that breaks only that one.

Source of the limits: kernel/kexec_core.c, sanity_check_segment_list(); Documentation/arch/x86/boot.rst.
"""

import hashlib
import struct
from collections.abc import Iterator

from kexeckit.formats.boot_params import parse_boot_params
from kexeckit.formats.bzimage import parse_bzimage
from kexeckit.formats.e820_table import parse_e820_entries
from kexeckit.formats.elfcorehdr import PT_LOAD, ElfCoreHeader, parse_program_headers
from kexeckit.frozen import dataclass
from kexeckit.memory.kind import RAM
from kexeckit.memory.memmap import MemoryEntry
from kexeckit.memory.range import MemRange
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.plan.segment import Segment

KEXEC_SEGMENT_MAX = 16
_PAGE = 4096
_LOW = 1 << 20
_ENTRY_64 = 0x200
_E820_EXT = 1


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a plan.

    Attributes:
        invariant: Name of the broken rule.
        text: What is wrong, with addresses.
    """

    invariant: str
    text: str


def verify(plan: LoadPlan, request: LoadRequest, facts: MachineFacts) -> list[Finding]:
    """Check a plan against what was asked for and the machine.

    Returns:
        Everything that is wrong; empty for a good plan.
    """
    checks = CHECKS if plan.syscall is Syscall.LOAD else FILE_CHECKS
    return [finding for check in checks for finding in check(plan, request, facts)]


def _count(plan: LoadPlan, request: LoadRequest, _facts: MachineFacts) -> Iterator[Finding]:
    if not 0 < len(plan.segments) <= KEXEC_SEGMENT_MAX:
        yield Finding("count", f"{len(plan.segments)} segments; the kernel takes 1 to {KEXEC_SEGMENT_MAX}")
    wanted = {"purgatory", "boot_params", "kernel"}
    wanted |= {"initrd"} if request.initrd else set()
    wanted |= {"elfcorehdr"} if request.panic else set()
    missing = wanted - {s.name for s in plan.segments}
    if missing:
        yield Finding("count", f"missing: {', '.join(sorted(missing))}")


def _aligned(plan: LoadPlan, _request: LoadRequest, _facts: MachineFacts) -> Iterator[Finding]:
    for s in plan.segments:
        if s.range.start % s.request.align or s.range.start % _PAGE or s.range.end % _PAGE:
            yield Finding("alignment", f"{s.name} at {s.range} is not aligned to {s.request.align:#x}")


def _disjoint(plan: LoadPlan, _request: LoadRequest, _facts: MachineFacts) -> Iterator[Finding]:
    for number, a in enumerate(plan.segments):
        for b in plan.segments[number + 1 :]:
            if a.range.start < b.range.end and b.range.start < a.range.end:
                yield Finding("overlap", f"{a.name} at {a.range} and {b.name} at {b.range} overlap")


def _inside_limits(plan: LoadPlan, _request: LoadRequest, _facts: MachineFacts) -> Iterator[Finding]:
    for s in plan.segments:
        if s.range.start < s.request.minimum or s.range.end > s.request.maximum:
            yield Finding("limits", f"{s.name} at {s.range} is outside its own limits")


def _sizes(plan: LoadPlan, _request: LoadRequest, _facts: MachineFacts) -> Iterator[Finding]:
    for s in plan.segments:
        size = s.range.end - s.range.start
        if size != s.request.memsz or s.bufsz > size:
            yield Finding("size", f"{s.name} at {s.range} does not take {s.request.memsz} bytes for {s.bufsz}")
        if s.content is not None and len(s.content) != s.bufsz:
            yield Finding("size", f"{s.name} has {len(s.content)} bytes of content, not {s.bufsz}")


def _in_memory(plan: LoadPlan, _request: LoadRequest, facts: MachineFacts) -> Iterator[Finding]:
    regions = [r.range for r in facts.resources.named("Crash kernel")]
    mains = [max(regions, key=lambda r: r.start)] if plan.panic and regions else []
    ram = mains if plan.panic else [r.range for r in facts.resources.roots if r.name == "System RAM"]
    avoid = [] if plan.panic else regions
    where = "the crash region" if plan.panic else "System RAM"
    for s in plan.segments:
        if not _covered(s.range, [(r.start, r.end) for r in ram]):
            yield Finding("memory", f"{s.name} at {s.range} is not inside {where}")
        if s.range.start < _LOW:
            yield Finding("memory", f"{s.name} at {s.range} reaches below 1 MiB")
        if any(s.range.start < a.end and a.start < s.range.end for a in avoid):
            yield Finding("memory", f"{s.name} at {s.range} overlaps a crash region")


def _covered(where: MemRange, ranges: list[tuple[int, int]]) -> bool:
    # Walk up from the start: every range that holds the next byte carries on to its own end.
    at = where.start
    for start, end in sorted(ranges):
        if start <= at < end:
            at = end
    return at >= where.end


def _entry(plan: LoadPlan, _request: LoadRequest, _facts: MachineFacts) -> Iterator[Finding]:
    entry = -1 if plan.entry is None else plan.entry
    inside = [s for s in plan.segments if s.range.start <= entry < s.range.end]
    if [s.name for s in inside] != ["purgatory"]:
        yield Finding("entry", f"the entry {entry:#x} is not in the purgatory")


def _digests(plan: LoadPlan, _request: LoadRequest, _facts: MachineFacts) -> Iterator[Finding]:
    # Hashing large files a second time would double the cost of a plan: what was built is hashed again, files are not.
    purgatory = _named(plan, "purgatory")
    block = bytes(purgatory.content) if purgatory and purgatory.content is not None else b""
    for s in plan.segments:
        if isinstance(s.content, bytes) and hashlib.sha256(s.content).hexdigest() != s.sha256:
            yield Finding("digest", f"{s.name}: its digest is not that of its content")
        if s is not purgatory and (s.sha256 is None or _region(s) not in block):
            yield Finding("digest", f"{s.name} is not checked by the purgatory")
    page, kernel = _named(plan, "boot_params"), _named(plan, "kernel")
    if page and kernel and struct.pack("<QQ", page.range.start, kernel.range.start + _ENTRY_64) not in block:
        yield Finding("digest", "the purgatory does not enter this kernel with this boot_params")


def _region(segment: Segment) -> bytes:
    return struct.pack("<QQ", segment.range.start, segment.bufsz) + bytes.fromhex(segment.sha256 or "")


def _kernel_room(plan: LoadPlan, request: LoadRequest, _facts: MachineFacts) -> Iterator[Finding]:
    image = parse_bzimage(memoryview(request.kernel.data), request.kernel.source)
    kernel = _named(plan, "kernel")
    if kernel and kernel.range.end - kernel.range.start < image.init_size:
        yield Finding("kernel", f"kernel at {kernel.range} has less room than init_size {image.init_size:#x}")
    if kernel and kernel.range.start % image.kernel_alignment:
        yield Finding("kernel", f"kernel at {kernel.range} is not aligned to {image.kernel_alignment:#x}")
    if kernel and kernel.bufsz != image.kernel_size:
        yield Finding("kernel", f"kernel has {kernel.bufsz} bytes, its file holds {image.kernel_size}")


def _handed_ram(plan: LoadPlan, _request: LoadRequest, facts: MachineFacts) -> Iterator[Finding]:
    ram = [(e.start, e.end) for e in plan.e820 if e.kind == RAM]
    kept = {"elfcorehdr"}
    for s in plan.segments:
        if s.name not in kept and not _covered(s.range, ram):
            yield Finding("handover", f"{s.name} at {s.range} is not RAM for the next kernel")
        if s.name in kept and any(a < s.range.end and s.range.start < b for a, b in ram):
            yield Finding("handover", f"{s.name} at {s.range} would be overwritten as RAM")
    if plan.panic:
        own = [(r.range.start, r.range.end) for r in facts.resources.named("Crash kernel", "Crash kernel (low)")]
        for start, end in ram:
            # Two reservations that touch are one entry, and low memory may touch one.
            if end > _LOW and not _covered(MemRange(max(start, _LOW), end), own):
                yield Finding("handover", f"[{start:#x}, {end:#x}) of the old kernel is RAM for the capture kernel")


def _old_memory(plan: LoadPlan, _request: LoadRequest, facts: MachineFacts) -> Iterator[Finding]:
    if plan.panic != (plan.elfcorehdr is not None):
        yield Finding("old memory", "an elfcorehdr belongs to a crash image and to no other")
    if plan.elfcorehdr is None:
        return
    loads = [load.range for load in plan.elfcorehdr.loads if not load.executable]
    crash = [r.range for r in facts.resources.named("Crash kernel", "Crash kernel (low)")]
    for load in loads:
        if any(load.start < c.end and c.start < load.end for c in crash):
            yield Finding("old memory", f"PT_LOAD {load} holds a part of the reservation")
    dumped = sum(r.end - r.start for r in loads)
    tops = [r.range for r in facts.resources.roots if r.name == "System RAM"]
    # Bytes of RAM without the reservations: what both cover together, less what the reservations cover.
    expected = _bytes_above_low([*tops, *crash]) - _bytes_above_low(crash)
    if dumped != expected:
        yield Finding("old memory", f"PT_LOADs hold {dumped} bytes, old RAM above 1 MiB has {expected}")
    yield from _core_bytes(plan, plan.elfcorehdr)


def _bytes_above_low(ranges: list[MemRange]) -> int:
    total, at = 0, _LOW
    for r in sorted(ranges, key=lambda r: r.start):
        total += max(0, r.end - max(r.start, at))
        at = max(at, r.end)
    return total


def _core_bytes(plan: LoadPlan, core: ElfCoreHeader) -> Iterator[Finding]:
    segment = _named(plan, "elfcorehdr")
    if segment is None or segment.content is None:
        return
    headers = parse_program_headers(bytes(segment.content), "elfcorehdr")
    seen = [(h.type == PT_LOAD, h.paddr, h.memsz, h.vaddr) for h in headers]
    notes = [(False, n.range.start, n.range.end - n.range.start, 0) for n in core.notes]
    loads = [(True, r.range.start, r.range.end - r.range.start, r.vaddr) for r in core.loads]
    if seen != notes + loads:
        yield Finding("old memory", "the elfcorehdr's bytes are not those of the plan")


def _command_line(plan: LoadPlan, request: LoadRequest, _facts: MachineFacts) -> Iterator[Finding]:
    segment = _named(plan, "boot_params")
    content = bytes(segment.content) if segment and segment.content is not None else b""
    text = plan.cmdline.encode("utf-8", "surrogateescape")
    if content[4096 : 4096 + len(text) + 1] != text + b"\0":
        yield Finding("command line", "the command line behind boot_params is not the plan's")
    if not plan.cmdline.endswith(request.cmdline.strip()):
        yield Finding("command line", "the command line does not end as the user wrote it")
    header = _named(plan, "elfcorehdr")
    if header and f"elfcorehdr={header.range.start:#x}" not in plan.cmdline.split():
        yield Finding("command line", "elfcorehdr= does not name the place of the elfcorehdr")


def _handover(plan: LoadPlan, _request: LoadRequest, facts: MachineFacts) -> Iterator[Finding]:
    segment = _named(plan, "boot_params")
    if segment is None or segment.content is None or len(segment.content) < _PAGE:
        yield Finding("boot_params", "there is no boot_params page")
        return
    page = parse_boot_params(bytes(segment.content[:_PAGE]), "boot_params")
    initrd, blobs = _named(plan, "initrd"), _named(plan, "setup_data")
    expected = {
        "command line": (page.cmdline_address, segment.range.start + _PAGE),
        "initrd": (page.initrd_address, initrd.range.start if initrd else 0),
        "initrd size": (page.initrd_size, initrd.bufsz if initrd else 0),
        "setup_data": (page.setup_data, blobs.range.start if blobs else 0),
        "RSDP": (page.rsdp, facts.rsdp),
    }
    for what, (there, wanted) in expected.items():
        if there != wanted:
            yield Finding("boot_params", f"its {what} is {there:#x}, not {wanted:#x}")
    beyond = _extended(blobs) if blobs else []
    if [*page.e820, *beyond] != list(plan.e820):
        yield Finding("boot_params", "its memory map, with what goes on in setup_data, is not the plan's")


def _extended(blobs: Segment) -> list[MemoryEntry]:
    # Follow the list as the next kernel does, and collect the entries of every SETUP_E820_EXT.
    data, base, at = bytes(blobs.content or b""), blobs.range.start, blobs.range.start
    out: list[MemoryEntry] = []
    seen: set[int] = set()
    while at and at not in seen and 0 <= at - base <= len(data) - 16:
        seen.add(at)
        after, kind, size = struct.unpack_from("<QII", data, at - base)
        if kind == _E820_EXT:
            out += parse_e820_entries(data[at - base + 16 : at - base + 16 + size], "setup_data")
        at = after
    return out


def _named(plan: LoadPlan, name: str) -> Segment | None:
    return next((s for s in plan.segments if s.name == name), None)


CHECKS = (
    _count,
    _aligned,
    _disjoint,
    _inside_limits,
    _sizes,
    _in_memory,
    _entry,
    _digests,
    _kernel_room,
    _handed_ram,
    _old_memory,
    _command_line,
    _handover,
)
# What holds of the running kernel's own choices too: it makes its own purgatory and contents, and may use low memory.
FILE_CHECKS = (_aligned, _disjoint, _inside_limits, _sizes, _kernel_room)
