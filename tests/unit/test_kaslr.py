"""Where the kernel's image can be at the next boot: words, the programs that choose, what an image needs."""

from dataclasses import replace

import pytest

from kexeckit.kernel.behaviour.kaslr import KaslrRules, kaslr_rules
from kexeckit.kernel.boot.kaslr import ImageRoom, image_slots, needed_size
from kexeckit.kernel.boot.kaslr_words import KaslrWords, kaslr_off, kaslr_words, pinned, takes_special
from kexeckit.kernel.boot.slots import Slots, count
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import GIB, KIB, MIB, TIB

STEP = 2 * MIB


def rules(release: str, arch: str = "x86_64") -> KaslrRules:
    """What a release does."""
    return kaslr_rules(arch, parse_kernel_version(release))


NEW, OLD = rules("6.12.107"), rules("4.19.1")
RAM = (MemRange(0, 640 * KIB), MemRange(MIB, GIB))


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        ("quiet", KaslrWords()),
        ("mem=2G", KaslrWords(2 * GIB)),
        ("mem=2G memmap=1G", KaslrWords(GIB)),
        ("mem=1G memmap=2G", KaslrWords(GIB)),
        ("mem=nopentium mem=1G", KaslrWords(GIB)),
        ("mem=junk mem=1G", KaslrWords()),
        ("mem mem=1G", KaslrWords(GIB)),
        ("-- mem=1G", KaslrWords()),
        ("memmap=64M$1G", KaslrWords(avoid=((GIB, GIB + 64 * MIB),))),
        ("memmap=64M#1G,1M!2G", KaslrWords(avoid=((GIB, GIB + 64 * MIB), (2 * GIB, 2 * GIB + MIB)))),
        ("memmap=64M@1G", KaslrWords()),
        ("memmap=64M$0", KaslrWords(64 * MIB)),
        ("memmap=exactmap,64M$1G", KaslrWords()),
        ("memmap=junk,64M$1G", KaslrWords()),
        ("memmap", KaslrWords()),
        ("memmap=1M%1G-1+2", KaslrWords(MIB)),
        ("memmap=15E$8E", KaslrWords(avoid=((1 << 63, 1 << 64),))),
        ("hugepagesz=1G hugepages=3", KaslrWords(gib_pages=3)),
        ("hugepagesz=2M hugepages=3", KaslrWords()),
        ("hugepages=3 hugepagesz=1G", KaslrWords()),
        ("hugepagesz=1G hugepagesz=2M hugepages=3", KaslrWords()),
    ],
)
def test_words_for_the_decompressor(words: str, taken: KaslrWords) -> None:
    """Its parser is its own."""
    assert kaslr_words(words, NEW) == taken


def test_of_several_limits() -> None:
    """The smallest since 5.10; before, the last."""
    assert kaslr_words("mem=1G mem=2G", NEW).limit == GIB
    assert kaslr_words("mem=1G mem=2G", OLD).limit == 2 * GIB


def test_five_ranges_in_one_word_are_too_many() -> None:
    """Four fit; a fifth word is ignored, a fifth range of one word makes the place not random."""
    items = [f"1M${n}G" for n in range(1, 6)]
    four = kaslr_words(f"memmap={','.join(items[:4])}", NEW)
    assert (len(four.avoid), four.refused) == (4, False)
    five = kaslr_words(f"memmap={','.join(items)}", NEW)
    assert (len(five.avoid), five.refused) == (4, True)
    apart = kaslr_words(" ".join(f"memmap={i}" for i in items), NEW)
    assert (len(apart.avoid), apart.refused) == (4, False)
    words = f"memmap={','.join(items)}"
    assert image_slots(ImageRoom(RAM), NEW, words, size=32 * MIB) == (Slots(16 * MIB, 16 * MIB, STEP),)


def test_nokaslr_and_efi_words() -> None:
    """Whole words; an efi= word is a list."""
    assert kaslr_off("quiet nokaslr")
    assert kaslr_off("-- nokaslr")
    assert not kaslr_off("nokaslr=1 xnokaslr")
    assert takes_special("efi=debug,nosoftreserve")
    assert not takes_special("efi=debug xefi=nosoftreserve nosoftreserve")


@pytest.mark.parametrize(
    ("words", "is_pinned"),
    [
        ("mem=1G", True),
        ("quiet memmap=1M$1G", True),
        ("quiet hugepages=2", True),
        ("crashkernel=1G", False),
        ("hugepagesz=1G", False),
        ("xmem=1 mem=2G", False),
    ],
)
def test_words_that_pin_the_stub(words: str, is_pinned: bool) -> None:
    """It looks for the text, and only where it first stands."""
    assert pinned(words, NEW) is is_pinned
    assert not pinned(words, OLD)


def test_a_bios_machine() -> None:
    """No place at or below 16 MiB, where the decompressor works, none in the initrd; the last one ends with RAM."""
    room = ImageRoom(RAM, avoid=(MemRange.from_size(16 * MIB, 55 * MIB), MemRange(GIB - 3 * MIB, GIB - MIB)))
    assert image_slots(room, NEW, "", size=56 * MIB) == (Slots(72 * MIB, GIB - 60 * MIB, STEP),)


def test_where_no_place_is_random() -> None:
    """nokaslr, memory that ends too early, an arm64 kernel that nothing moves."""
    only = (Slots(16 * MIB, 16 * MIB, STEP),)
    assert image_slots(ImageRoom(RAM), NEW, "nokaslr", size=56 * MIB) == only
    assert image_slots(ImageRoom(RAM), NEW, "mem=64M", size=56 * MIB) == only
    assert image_slots(ImageRoom((MemRange(0, 70 * MIB),)), NEW, "", size=56 * MIB) == only
    arm = ImageRoom((MemRange(GIB, 2 * GIB),), load=GIB)
    assert image_slots(arm, rules("6.12.107", "arm64"), "", size=56 * MIB) == (Slots(GIB, GIB, STEP),)


def test_what_is_not_modelled() -> None:
    """An old kernel, and a stub without room: it does not boot."""
    assert image_slots(ImageRoom(RAM), rules("4.18"), "", size=56 * MIB) is None
    assert image_slots(ImageRoom(RAM[:1], efi=True), NEW, "", size=56 * MIB) is None


def test_from_where_on() -> None:
    """From the load address on, but from 512 MiB on at the latest; 5.10 rounds up."""
    low = image_slots(ImageRoom(RAM, load=100 * MIB + 1), NEW, "", size=56 * MIB)
    high = image_slots(ImageRoom(RAM, load=900 * MIB), NEW, "", size=56 * MIB)
    assert low
    assert high
    assert (low[0].first, high[0].first) == (102 * MIB, 512 * MIB)


def test_a_hundred_rows_fit() -> None:
    """Behind them the kernel looks no further."""
    memory = tuple(MemRange(n * 64 * MIB, n * 64 * MIB + 56 * MIB) for n in range(1, 130))
    rows = image_slots(ImageRoom(memory), NEW, "", size=56 * MIB)
    assert rows
    assert (len(rows), rows[-1].first) == (100, 6400 * MIB)


def test_hot_pluggable_memory_is_left_alone() -> None:
    """Since 5.10, where there is a SRAT; QEMU's window for DIMMs is in it."""
    room = ImageRoom((MemRange(MIB, 2 * GIB), MemRange(4 * GIB, 6 * GIB)), immovable=(MemRange(0, 4 * GIB),))
    new = image_slots(room, NEW, "", size=56 * MIB)
    old = image_slots(room, OLD, "", size=56 * MIB)
    assert new
    assert old
    assert [len(new), len(old)] == [1, 2]


def test_nothing_above_what_the_decompressor_reaches() -> None:
    """64 TiB with four levels of page tables."""
    room = ImageRoom((MemRange(MIB, 65 * TIB),))
    rows = image_slots(room, NEW, "", size=56 * MIB)
    assert rows
    assert rows[0].last + 56 * MIB == 64 * TIB
    assert count(rows) == (64 * TIB - 72 * MIB) // STEP + 1
    wider = image_slots(replace(room, reach=1 << 52), NEW, "", size=56 * MIB)
    assert wider
    assert wider[0].last + 56 * MIB == 65 * TIB


def test_the_stub_takes_the_lowest_place_without_kaslr() -> None:
    """Also where a word takes memory away; 2.5 MiB of OVMF's own memory push it from 16 to 22 MiB."""
    room = ImageRoom((MemRange(MIB, 8 * MIB), MemRange(21 * MIB, GIB)), efi=True)
    only = (Slots(22 * MIB, 22 * MIB, STEP),)
    assert image_slots(room, NEW, "nokaslr", size=56 * MIB) == only
    assert image_slots(room, NEW, "mem=1G", size=56 * MIB) == only
    assert image_slots(room, NEW, "", size=56 * MIB) == (Slots(22 * MIB, GIB - 56 * MIB, STEP),)
    # The stub of 6.6 looked at no word, and began below 16 MiB.
    low = ImageRoom((MemRange(MIB, GIB),), efi=True)
    assert image_slots(low, rules("6.6"), "mem=1G", size=56 * MIB) == (Slots(2 * MIB, GIB - 56 * MIB, STEP),)


def test_the_stub_and_mirrored_memory() -> None:
    """Mirrored pieces alone, where one of them has a place."""
    small, large = MemRange(GIB, GIB + 8 * MIB), MemRange(2 * GIB, 3 * GIB)
    room = ImageRoom((small, large), efi=True)
    assert image_slots(replace(room, mirrored=RangeSet([large])), NEW, "", size=56 * MIB) == (
        Slots(2 * GIB, 3 * GIB - 56 * MIB, STEP),
    )
    all_of_it = image_slots(replace(room, mirrored=RangeSet([small])), NEW, "", size=4 * MIB)
    assert all_of_it == (Slots(GIB, GIB + 4 * MIB, STEP),)
    assert image_slots(replace(room, mirrored=RangeSet([small])), NEW, "", size=56 * MIB) == (
        Slots(2 * GIB, 3 * GIB - 56 * MIB, STEP),
    )


def test_arm64_by_its_stub() -> None:
    """In steps of 64 KiB; without KASLR where firmware loaded it, in steps of 2 MiB."""
    arm = rules("6.12.107", "arm64")
    room = ImageRoom((MemRange(0, GIB),), efi=True, load=900 * MIB)
    assert image_slots(room, arm, "", size=32 * MIB - 5) == (Slots(64 * KIB, GIB - 32 * MIB, 64 * KIB),)
    assert image_slots(room, arm, "nokaslr", size=32 * MIB) == (Slots(900 * MIB, 900 * MIB, STEP),)
    old = image_slots(room, rules("6.1.100", "arm64"), "", size=32 * MIB)
    assert old
    assert old[0].first == 0


def test_borders_of_whole_gibs() -> None:
    """In front of and behind the pages that are left out, an image that just fits has a place."""
    size, one = 56 * MIB, "hugepagesz=1G hugepages=1"
    around = ImageRoom((MemRange(GIB - size, 2 * GIB + size),))
    both = (Slots(GIB - size, GIB - size, STEP), Slots(2 * GIB, 2 * GIB, STEP))
    assert image_slots(around, NEW, one, size=size) == both
    less = ImageRoom((MemRange(GIB - size + STEP, 2 * GIB + size - STEP), MemRange(4 * GIB, 4 * GIB + size)))
    assert image_slots(less, NEW, one, size=size) == (Slots(4 * GIB, 4 * GIB, STEP),)
    # A range that ends with its only whole GiB: since 5.10 that GiB is left out, too.
    whole = ImageRoom((MemRange(GIB, 2 * GIB), MemRange(4 * GIB, 4 * GIB + size)))
    assert image_slots(whole, NEW, one, size=size) == (Slots(4 * GIB, 4 * GIB, STEP),)
    old = image_slots(whole, OLD, one, size=size)
    assert old
    assert old[0] == Slots(GIB, 2 * GIB - size, STEP)


def test_memory_that_just_suffices() -> None:
    """Up to a limit, and from address 0 on, where the stub compares the last byte with the size."""
    room = ImageRoom((MemRange(0, GIB),), load=18 * MIB)
    assert image_slots(room, NEW, "mem=74M", size=56 * MIB) == (Slots(18 * MIB, 18 * MIB, STEP),)
    assert image_slots(room, NEW, "mem=76M", size=56 * MIB) == (Slots(18 * MIB, 20 * MIB, STEP),)
    above = ImageRoom((MemRange(0, GIB),), load=900 * MIB)
    assert image_slots(above, NEW, "mem=568M", size=56 * MIB) == (Slots(512 * MIB, 512 * MIB, STEP),)
    assert image_slots(above, NEW, "mem=566M", size=56 * MIB) == (Slots(900 * MIB, 900 * MIB, STEP),)
    first = replace(NEW, stub_lowest=0)
    assert image_slots(ImageRoom((MemRange(0, 56 * MIB),), efi=True), first, "", size=56 * MIB) is None
    exact = image_slots(ImageRoom((MemRange(0, 58 * MIB),), efi=True), first, "", size=56 * MIB)
    assert exact == (Slots(0, STEP, STEP),)


@pytest.mark.parametrize(
    ("init_size", "image", "unpacked"),
    [
        (0x2D5E000, 0x2200000, 0x2CB8B34),
        (0x3378000, 0x2800000, 0x32C680C),
        (0x37DD000, 0x2C00000, 0x36E802C),
        (0x3C3B000, 0x3200000, 0x3B378C4),
    ],
    ids=["5.10.223", "6.1.176", "6.12.107", "7.2.13"],
)
def test_what_debians_kernels_need(init_size: int, image: int, unpacked: int) -> None:
    """The file says what it unpacks to; the header bounds it."""
    true = -(-unpacked // STEP) * STEP
    assert needed_size(init_size, image)[1] == true
    least, most = needed_size(init_size)
    assert least <= true <= most <= true + STEP


def test_an_image_that_is_larger_than_its_file_unpacks_to() -> None:
    """A kernel with a large bss: init_size is the kernel's own size, brk included."""
    assert needed_size(100 * MIB, 99 * MIB) == (100 * MIB, 100 * MIB)


def test_boot_params_of_a_new_stub_have_no_size() -> None:
    """Nothing can be told from 0."""
    with pytest.raises(ValueError, match="more than 0 bytes"):
        needed_size(0, 44 * MIB)
