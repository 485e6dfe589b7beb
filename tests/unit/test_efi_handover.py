"""An EFI memory map for the next kernel."""

import pytest

from kexeckit.formats.efi_memory_map import EFI_MEMORY_MORE_RELIABLE, EFI_MEMORY_WB, parse_efi_memory_map
from kexeckit.formats.sysfs_crash import EfiDescriptor
from kexeckit.plan.efi_handover import EfiHandover

DESCRIPTORS = (
    EfiDescriptor(7, 0x1000, 0, 0x9E, EFI_MEMORY_WB),
    EfiDescriptor(7, 0x100000, 0, 0x100, EFI_MEMORY_WB | EFI_MEMORY_MORE_RELIABLE),
)


def test_boot_params_point_into_the_segment() -> None:
    """The addresses that boot_params gets lead to the table and to the map."""
    handover = EfiHandover(DESCRIPTORS)
    base = 0x7000000
    data, info = handover.content(base), handover.info(base)
    assert info.present
    assert len(data) == handover.size
    assert data[info.systab - base :].startswith(b"IBI SYST")
    raw = data[info.memmap - base :][: info.memmap_size]
    assert parse_efi_memory_map(raw, "map", info.memdesc_size) == DESCRIPTORS
    assert info.memdesc_version == 1


@pytest.mark.parametrize(
    "descriptor",
    [EfiDescriptor(5, 0x1000, 0, 1, 1 << 63), EfiDescriptor(3, 0x1000, 0, 1, 8), EfiDescriptor(4, 0, 0, 1, 8)],
)
def test_services_that_are_not_there_are_refused(descriptor: EfiDescriptor) -> None:
    """A map with boot or runtime services would have the next kernel map or call them."""
    with pytest.raises(ValueError, match="services"):
        EfiHandover((*DESCRIPTORS, descriptor))


def test_an_empty_map_is_refused() -> None:
    """Without descriptors there is nothing to hand over."""
    with pytest.raises(ValueError, match="at least one"):
        EfiHandover(())
