"""Where the EFI stub leaves a kernel, from the map that a boot log prints."""

import pytest

from bootlogs import MIB, x86_log
from kexeckit.formats.bootlog.early import ImageSize
from kexeckit.formats.bootlog.efi import EfiMapEntry
from kexeckit.kernel.reservation.image import efi_image
from kexeckit.kernel.reservation.predict import predict_reservation
from kexeckit.machine.fact import Fact
from kexeckit.machine.value import BootFacts, EfiFacts, Machine
from kexeckit.memory.range import MemRange
from readings import facts_of_log

SIZE = ImageSize(34 * MIB, 36 * MIB, 9)


def entry(start: int, end: int, kind: int = 1) -> EfiMapEntry:
    """Return a descriptor: loader code if nothing else is said."""
    return EfiMapEntry(MemRange(start, end), kind, "Loader Code", 0, 5)


def image(*entries: EfiMapEntry, randomised: bool = False) -> MemRange | None:
    """Return where the image is taken to be."""
    boot, efi = BootFacts(image_size=Fact(SIZE, "log")), EfiFacts(map=Fact(entries, "log"))
    found = efi_image(Machine("log", "log", boot=boot, efi=efi), randomised=randomised)
    return found.range if found else None


def test_a_kernel_that_unpacks_itself_where_it_was_loaded() -> None:
    """At the next multiple of 2 MiB, as far as it may reach."""
    assert image(entry(0x59017000, 0x5BF75000)) == MemRange(0x59200000, 0x59200000 + 36 * MIB)


def test_what_is_too_small_is_no_kernel() -> None:
    """The packed file is loader code, too, once the stub has unpacked it elsewhere; loader data is something else."""
    assert image(entry(0x3C57D000, 0x3D10D000), entry(0x1600000, 0x4E00000)) == MemRange(
        0x1600000, 0x1600000 + 36 * MIB
    )
    assert image(entry(0x1600000, 0x4E00000, kind=2)) is None


def test_two_large_ones_leave_it_open() -> None:
    """Nothing tells which."""
    assert image(entry(0x1600000, 0x4E00000), entry(0x8000000, 0xC000000)) is None


@pytest.mark.parametrize(("start", "end", "known"), [(0x1600000, 0x4E00000, True), (0x59017000, 0x5BF75000, False)])
def test_a_random_place_shows_where_the_stub_chose_it(start: int, end: int, *, known: bool) -> None:
    """Whole steps of 2 MiB are the stub's; a kernel that unpacks itself chooses later."""
    assert (image(entry(start, end), randomised=True) is not None) is known


def test_without_a_map_the_place_is_open() -> None:
    """Nokaslr says nothing where EFI firmware loaded the file: the likeliest address comes with others."""
    text = x86_log(version="5.10.0", initrd=(0xB0000000, 0xB8000000), more=("efi: EFI v2.70 by someone",))
    facts = facts_of_log(text, ("crashkernel=256M",))
    assert facts.unshown.kernel is not None
    found = predict_reservation(facts)
    assert [r.start for r in found.regions] == [0xA0000000]
    assert any(c.when == "the kernel image lies in its way" for c in found.candidates)
