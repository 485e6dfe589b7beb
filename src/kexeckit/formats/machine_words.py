"""A machine described in a line of words, behind the name of its architecture.

    ram:64G               all of its RAM; has to be said
    node:2                nodes, numbered from 0; RAM is split evenly between them, in whole MiB, by address
    hole:2G-4G            where there is no RAM, the end exclusive; may be repeated; hole:none for no hole at all
    mirror:1G             the first GiB of each node is mirrored
    hotplug:1G            the last GiB of each node can be removed while the machine runs
    kernel:6.12           as uname -r prints it
    efi, efi:no           booted by EFI, or not
    kaslr:off, kaslr:on   put at a random place, or not
    cpus:8                CPUs
    levels:5              levels of page tables that the CPUs can walk
    initrd:64M            the size of the initrd, whose place is not known
    page:64K              bytes of a page
    crashkernel=512M      any word with = is one of the command line; behind a lone -- all words are

Where RAM lies is assumed unless a hole is given, and said to be so.

Source of the assumed places, QEMU: hw/i386/pc_piix.c, pc_init1(); hw/arm/virt.c, base_memmap; hw/riscv/virt.c,
virt_memmap; hw/loongarch/virt.c. Of what a PC's firmware keeps: SeaBIOS, src/post.c and src/malloc.c,
malloc_prepboot().
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from kexeckit.errors import UsageError
from kexeckit.formats.machine_description import (
    MOST_CPUS,
    MOST_NODES,
    PAGE_SIZES,
    MachineDescription,
    NodeDescription,
    contradictions,
    is_page_size,
)
from kexeckit.memory.kind import RAM, RESERVED
from kexeckit.memory.memmap import MemoryEntry
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.units import GIB, KIB, MIB, TIB, align_down, format_size, parse_size

# What each word is followed by, as messages say it.
_WORDS = {
    "ram": "a size in whole MiB up to 4096T, as ram:64G",
    "node": f"a number from 1 to {MOST_NODES}, as node:2",
    "hole": "START-END in whole MiB, as hole:3G-4G, or hole:none",
    "mirror": "a size in whole MiB, as mirror:1G",
    "hotplug": "a size in whole MiB, as hotplug:1G",
    "kernel": "a release, as kernel:6.12",
    "efi": "nothing, or yes or no, as efi:no",
    "kaslr": "on or off, as kaslr:off",
    "cpus": f"a number from 1 to {MOST_CPUS}, as cpus:8",
    "levels": "4 or 5, as levels:5",
    "initrd": "a size, as initrd:64M",
    "page": f"{PAGE_SIZES}, as page:64K",
}
_X86 = ("x86_64", "i386")
# x86 can address 2^52 bytes, and no other architecture more.
_MOST_RAM = 4096 * TIB
# A PC of QEMU has its RAM below 3.5 GiB where all of it fits there, else up to 3 GiB and from 4 GiB on.
_PC_LOW, _PC_BORDER = 0xE0000000, 3 * GIB
# The EBDA and the BIOS: what the firmware keeps of the lowest MiB; and its tables, as guests of the lab show them.
_PC_RESERVED = (MemRange(639 * KIB, 640 * KIB), MemRange(960 * KIB, MIB))
_PC_DEVICES = MemRange(639 * KIB, MIB)
_PC_TABLES = 128 * KIB
_HOLES = {
    "arm64": (MemRange(0, GIB),),
    "riscv64": (MemRange(0, 2 * GIB),),
    "loongarch64": (MemRange(256 * MIB, 2 * GIB),),
}
_RELEASE = re.compile(r"v?[0-9]{1,4}\.[0-9]{1,4}(?![0-9])")
_SWITCH = {"": True, "yes": True, "on": True, "no": False, "off": False}


def parse_machine_words(arch: str, words: Sequence[str]) -> MachineDescription:
    """Read the words behind the architecture.

    Args:
        arch: The kernel's name of the architecture; it decides where RAM is assumed to lie.
        words: As the module describes them, in any order.

    Raises:
        UsageError: A word cannot be understood or stands there twice, or the words contradict each other.
    """
    found = _Words(words)
    ram = found.ram()
    holes = found.holes()
    assumed = [] if holes is not None else [_layout(arch, ram)]
    spans = _placed(ram, _holes(arch, ram) if holes is None else holes)
    firmware = _pc_map(spans) if arch in _X86 else ()
    memory = RangeSet(e.range for e in firmware if e.kind == RAM) if firmware else spans
    shares = list(_shares(spans, found))
    if len(shares) > 1:
        assumed.append(f"RAM is split evenly between {len(shares)} nodes, by address")
    movable = found.size("hotplug")
    if "initrd" not in found.values:
        assumed.append("no initrd is loaded")
    if firmware:
        assumed.append("firmware keeps what SeaBIOS keeps of the RAM of a PC")
    description = MachineDescription(
        arch=arch,
        kernel=found.release(),
        cmdline=" ".join(found.cmdline),
        mirrored=RangeSet(r for s in shares for r in _head(s, found.size("mirror")) & memory),
        zone_dma=None,
        page_size=found.page_size(),
        dma_limit=None,
        nodes=tuple(
            NodeDescription(nid, s & memory, (s - _head(s, s.size - movable)) & memory) for nid, s in enumerate(shares)
        ),
        firmware=firmware,
        initrd_size=found.size("initrd", unit=1) or None,
        efi=found.switch("efi"),
        kaslr=found.switch("kaslr"),
        levels=found.number("levels", 4, 5),
        cpus=found.number("cpus", 1, MOST_CPUS),
        assumed=tuple(assumed),
    )
    for problem in contradictions(description):
        raise UsageError(f"the words of the machine contradict each other: {problem}")
    return description


class _Words:
    # The words by name; each is read by what may follow it.

    def __init__(self, words: Sequence[str]) -> None:
        self.values: dict[str, str] = {}
        self.hole_texts: list[str] = []
        self.cmdline: list[str] = []
        for at, word in enumerate(words):
            if word == "--":
                self.cmdline += words[at + 1 :]
                break
            self._take(word)

    def _take(self, word: str) -> None:
        name, colon, value = word.partition(":")
        if "=" in name:
            self.cmdline.append(word)
        elif name not in _WORDS or bool(colon) != bool(value) or (not colon and name != "efi"):
            raise self._wrong(name, word)
        elif name == "hole":
            self.hole_texts.append(value)
        elif name in self.values:
            raise UsageError(f"{_shown(word)}: {name} is described twice")
        else:
            self.values[name] = value

    def _wrong(self, name: str, word: str) -> UsageError:
        if name in _WORDS:
            return UsageError(f"cannot understand {_shown(word)}: {name} is followed by {_WORDS[name]}")
        return UsageError(
            f"cannot understand {_shown(word)}: expected a word of the command line with =, or one of "
            + ", ".join(f"{known}:" for known in _WORDS)
        )

    def _refused(self, name: str, value: str | None = None) -> UsageError:
        return self._wrong(name, f"{name}:{self.values.get(name, '') if value is None else value}")

    def size(self, name: str, *, unit: int = MIB, most: int = _MOST_RAM) -> int:
        """Return a size in bytes that is a multiple of `unit`; 0 where the word is absent."""
        if name not in self.values:
            return 0
        try:
            size = parse_size(self.values[name])
        except UsageError:
            size = 0
        if size % unit or not 0 < size <= most:
            raise self._refused(name)
        return size

    def number(self, name: str, least: int, most: int) -> int | None:
        """Return a decimal number; None where the word is absent."""
        text = self.values.get(name)
        if text is None:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) < 9 and least <= int(text) <= most):
            raise self._refused(name)
        return int(text)

    def switch(self, name: str) -> bool | None:
        """Return whether something is on; None where the word is absent."""
        text = self.values.get(name)
        if text is not None and text not in _SWITCH:
            raise self._refused(name)
        return None if text is None else _SWITCH[text]

    def ram(self) -> int:
        """Return all RAM, in bytes."""
        if "ram" not in self.values:
            raise UsageError(f"the words of the machine do not say how much RAM it has: expected {_WORDS['ram']}")
        return self.size("ram")

    def release(self) -> str:
        """Return the kernel's release, or an empty text where the word is absent."""
        text = self.values.get("kernel", "")
        if text and not _RELEASE.match(text):
            raise self._refused("kernel")
        return text

    def page_size(self) -> int:
        """Return the bytes of a page."""
        size = self.size("page", unit=1)
        if size and not is_page_size(size):
            raise self._refused("page")
        return size or 4096

    def holes(self) -> tuple[MemRange, ...] | None:
        """Return where there is no RAM; None where nothing is said about it."""
        texts = [t for t in self.hole_texts if t != "none"]
        if texts and len(texts) < len(self.hole_texts):
            raise UsageError("hole:none stands beside another hole")
        return tuple(self._hole(t) for t in texts) if self.hole_texts else None

    def _hole(self, text: str) -> MemRange:
        start, _, end = text.partition("-")
        try:
            hole = MemRange(parse_size(start), parse_size(end))
        except (UsageError, ValueError):
            raise self._refused("hole", text) from None
        if hole.start % MIB or hole.end % MIB or hole.end > 2 * _MOST_RAM:
            raise self._refused("hole", text)
        return hole


def _holes(arch: str, ram: int) -> tuple[MemRange, ...]:
    if arch in _X86:
        return (MemRange(_PC_BORDER if ram >= _PC_LOW else _PC_LOW, 4 * GIB),)
    return _HOLES.get(arch, ())


def _layout(arch: str, ram: int) -> str:
    places = ", ".join(str(r) for r in _placed(ram, _holes(arch, ram)))
    return f"{format_size(ram)} of RAM at {places}, where QEMU puts the RAM of {arch}"


def _placed(ram: int, holes: Iterable[MemRange]) -> RangeSet:
    # RAM from address 0 upwards, around the holes.
    out, at, left = [], 0, ram
    for hole in RangeSet(holes):
        size = min(hole.start - at, left)
        if size:
            out.append(MemRange.from_size(at, size))
        at, left = hole.end, left - size
    if left:
        out.append(MemRange.from_size(at, left))
    return RangeSet(out)


def _shares(spans: RangeSet, words: _Words) -> Iterator[RangeSet]:
    # What each node has, by address.
    count = words.number("node", 1, MOST_NODES) or 1
    share = align_down(spans.size // count, MIB)
    if not share:
        raise UsageError(f"{format_size(spans.size)} of RAM is too little for {count} nodes of whole MiB")
    rest = spans
    for nid in range(count):
        # What does not divide evenly goes to the last node.
        span = _head(rest, share) if nid < count - 1 else rest
        rest = rest - span
        for name in ("mirror", "hotplug"):
            if words.size(name) > span.size:
                raise UsageError(f"{name}:{words.values[name]} is more than the {format_size(span.size)} of a node")
        yield span


def _head(ranges: RangeSet, size: int) -> RangeSet:
    # The lowest bytes.
    out = []
    for r in ranges:
        if not size:
            break
        part = MemRange.from_size(r.start, min(r.size, size))
        out.append(part)
        size -= part.size
    return RangeSet(out) if out else EMPTY


def _pc_map(spans: RangeSet) -> tuple[MemoryEntry, ...]:
    # What a BIOS tells of the RAM of a PC: it keeps the end of what lies below 4 GiB for its tables.
    kept = list(_PC_RESERVED)
    low = [r for r in spans if r.end <= 4 * GIB]
    if low and low[-1].size > _PC_TABLES and low[-1].end > MIB + _PC_TABLES:
        kept.append(MemRange(low[-1].end - _PC_TABLES, low[-1].end))
    ram = spans - RangeSet((*kept, _PC_DEVICES))
    entries = [MemoryEntry(r, RAM) for r in ram] + [MemoryEntry(r, RESERVED) for r in kept]
    return tuple(sorted(entries, key=lambda e: e.range))


def _shown(word: str) -> str:
    text = ascii(word)
    return text if len(text) <= 60 else f"{text[:57]}..."
