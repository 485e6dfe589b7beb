"""What the next boot draws anew that its zones depend on.

    mem=, memmap=   whoever places the kernel may put it where these words take RAM away; the kernel makes its own
                    memory RAM again (x86), or adds it and the initrd back (arm64)
    movable_node    a node on which kernel, initrd or firmware hold memory is not movable

BIOS without KASLR puts the kernel where it is built for. The decompressor's KASLR heeds mem= and most of memmap=, and
avoids hot-pluggable memory. The EFI stub heeds neither; newer ones take the lowest place where they see these words.

Source: arch/x86/boot/compressed/kaslr.c, find_random_phys_addr(); drivers/firmware/efi/libstub/x86-stub.c,
efi_decompress_kernel(), parse_options(); arch/x86/kernel/setup.c, e820_add_kernel_range(); arch/arm64/mm/init.c,
arm64_memblock_init(); mm/numa_memblks.c, numa_clear_kernel_node_hotplug().
"""

from collections.abc import Iterator

from kexeckit.formats.cmdline import has_word, split_words, values
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.boot.e820 import early_words
from kexeckit.kernel.boot.kaslr_words import kaslr_words, pinned
from kexeckit.kernel.boot.kernel_range import LARGEST_IMAGE, LOAD_ADDRESS
from kexeckit.kernel.boot.memory import firmware_table, memory_at_boot
from kexeckit.kernel.boot.next_boot import Boot, placed_by_others
from kexeckit.kernel.boot.nodes import NodeLayout
from kexeckit.kernel.certainty import Certainty, of_share
from kexeckit.kernel.zones.doubt import MOVABLE, NODES, ZoneDoubt
from kexeckit.machine.arch import X86
from kexeckit.machine.value import Machine
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import ADDRESS_LIMIT, GIB

# Words that change the firmware's map in ways that are not modelled.
_MAP_WORDS = ("add_efi_memmap", "disable_mtrr_trim", "efi_fake_mem", "noefi")
_BACK = "where it lies outside of what mem= and memmap= leave, its memory is RAM as well"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked about.

    Attributes:
        machine: What the source shows.
        kernel: What the kernel does.
        cmdline: The next boot's command line.
        boot: What of it is random.
        image: Where the kernel is expected, with which the answer was made; None where that is not known.
        layout: Memory with its nodes and hot-plug marks.
        clears: The kernel takes the mark from nodes on which memory is held.
    """

    machine: Machine
    kernel: Behaviours
    cmdline: str
    boot: Boot
    image: MemRange | None
    layout: NodeLayout
    clears: bool


def drawn_anew(asked: Asked) -> Iterator[ZoneDoubt]:
    """Yield what is not taken from the last boot as certain."""
    if _cut_before(asked):
        yield ZoneDoubt(
            "the source shows only the memory that its own mem= or memmap= left: what they took away may come back",
            Certainty.OPEN,
        )
    elif early_words(asked.cmdline) and asked.machine.arch in X86:
        yield from _image_x86(asked)
    elif values(asked.cmdline, "mem") and asked.machine.arch == "arm64":
        yield from _image_arm64(asked)
    if has_word(asked.cmdline, "movable_node") and asked.clears:
        yield from _hotplug(asked)
    for name in _MAP_WORDS if asked.machine.arch in X86 else ():
        if _said(asked.cmdline, name) != _said(asked.machine.cmdline, name):
            yield ZoneDoubt(f"{name} changes the firmware's map, which is not modelled: the answer is without it")


def _cut_before(asked: Asked) -> bool:
    # Without the firmware's table, or on arm64, memory is what the last boot's own words left.
    seen, now = ([w.text for w in early_words(line)] for line in (asked.machine.cmdline, asked.cmdline))
    shown = asked.machine.arch in X86 and bool(firmware_table(asked.machine))
    return bool(seen) and seen != now and not shown


def _image_x86(asked: Asked) -> Iterator[ZoneDoubt]:
    kept, cut = _kept(asked)
    if not cut or not asked.kernel.zones.kernel_stays_ram:
        return
    if placed_by_others(asked.machine):
        yield _placed(asked, kept, cut)
    elif asked.boot.random and not _heeded(asked, cut):
        yield _anywhere("KASLR does not heed all of these words, and the kernel may lie anywhere", kept, cut)
    elif not asked.image or asked.boot.random:
        # Where KASLR finds no place, or is not built in, the kernel lies where it is built for.
        size = asked.image.size if asked.image else LARGEST_IMAGE
        if MemRange.from_size(LOAD_ADDRESS, size) not in kept:
            yield ZoneDoubt(f"the kernel may lie at 16 MiB, and its size is not shown: {_BACK}")


def _placed(asked: Asked, kept: RangeSet, cut: RangeSet) -> ZoneDoubt:
    stub = asked.kernel.kaslr.stub_places
    if asked.image:
        where = f"[{asked.image.start:#x}, {asked.image.end:#x})"
        return ZoneDoubt(f"EFI firmware or boot loader place the kernel anew, {where} is where it was: {_BACK}")
    if stub and (not asked.boot.random or pinned(asked.cmdline, asked.kernel.kaslr)):
        return ZoneDoubt(f"the EFI stub takes the lowest place for the kernel from 16 MiB on: {_BACK}")
    if asked.boot.random and not stub and _heeded(asked, cut):
        return ZoneDoubt(f"the kernel's KASLR heeds these words, but may find no place: {_BACK}")
    if not asked.boot.random and max(r.end for r in cut) > max(r.end for r in kept):
        text = "EFI firmware places the kernel, from the top of memory, and the source does not show where"
        return ZoneDoubt(f'{text}; "Kernel code" in /proc/iomem would decide: {_BACK}', Certainty.OPEN)
    return _anywhere("EFI firmware or its stub place the kernel and heed no mem= and memmap=", kept, cut)


def _anywhere(why: str, kept: RangeSet, cut: RangeSet) -> ZoneDoubt:
    share = kept.size / (kept.size + cut.size)
    return ZoneDoubt(f"{why}; these words leave {share:.0%} of RAM: {_BACK}", of_share(share))


def _heeded(asked: Asked, cut: RangeSet) -> bool:
    # Whether KASLR avoids all that the words take away, or takes no random place at all.
    rules = asked.kernel.kaslr
    if not rules.anywhere:
        return False
    words = kaslr_words(asked.cmdline, rules)
    avoided = [MemRange(start, end) for start, end in words.avoid if start < end]
    limit = [MemRange(words.limit, ADDRESS_LIMIT)] if words.limit else []
    return words.refused or not cut - RangeSet([*avoided, *limit])


def _kept(asked: Asked) -> tuple[RangeSet, RangeSet]:
    # RAM that the words leave, without the kernel's own, and what they take away.
    bare = " ".join(w.text for w in split_words(asked.cmdline) if w.name not in ("mem", "memmap"))
    both = (
        memory_at_boot(asked.machine, line, asked.kernel.zones, next_boot=True).memory for line in (asked.cmdline, bare)
    )
    kept, whole = both
    return kept, whole - kept


def _image_arm64(asked: Asked) -> Iterator[ZoneDoubt]:
    if not _kept(asked)[1]:
        return
    text = "mem= leaves kernel and initrd, wherever they lie: above the limit, their memory stays"
    if placed_by_others(asked.machine):
        # EFI gives out memory from the top of it, which is what mem= takes away.
        yield ZoneDoubt(f"{text}; EFI places them anew, from the top of memory", Certainty.OPEN)
    else:
        yield ZoneDoubt(f"{text}; the boot loader places them anew")


def _hotplug(asked: Asked) -> Iterator[ZoneDoubt]:
    hot = [r for r in asked.layout.regions if r.hotplug]
    if not hot:
        return
    gone = "a node on which they lie has no ZONE_MOVABLE of its own by movable_node"
    touches = frozenset((NODES, MOVABLE))
    if placed_by_others(asked.machine) or (asked.boot.random and not asked.kernel.kaslr.immovable_only):
        whole, own = (sum(r.range.size for r in part) for part in (asked.layout.regions, hot))
        text = f"kernel, initrd and firmware may lie in hot-pluggable memory, {own / whole:.0%} of RAM: {gone}"
        yield ZoneDoubt(text, of_share(1 - own / whole), touches)
    elif any(r.range.start < 4 * GIB for r in hot):
        yield ZoneDoubt(
            f"the boot loader may put the initrd into hot-pluggable memory below 4 GiB: {gone}", touches=touches
        )


def _said(cmdline: str, name: str) -> list[str | None]:
    return [w.value for w in split_words(cmdline) if w.name.replace("-", "_") == name]
