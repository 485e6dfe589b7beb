"""Memory kinds: the known ones, and that an unknown one is neither lost nor taken for RAM."""

import pytest

from kexeckit.memory.kind import KNOWN_KINDS, RAM, RESERVED, MemoryKind, kind_from_e820, kind_from_label


def test_known_numbers_and_names_are_unique() -> None:
    """No two kinds share a number or a short name."""
    assert len({k.e820 for k in KNOWN_KINDS}) == len({k.name for k in KNOWN_KINDS}) == len(KNOWN_KINDS)


@pytest.mark.parametrize("kind", KNOWN_KINDS, ids=str)
def test_a_known_number_gives_its_kind(kind: MemoryKind) -> None:
    """Every constant is found by its number."""
    assert kind_from_e820(kind.e820) is kind


@pytest.mark.parametrize("number", [0, 6, 8, 13, 0x12345678, 0xFFFFFFFF])
def test_an_unknown_number_keeps_itself(number: int) -> None:
    """And is not RAM."""
    kind = kind_from_e820(number)
    assert (kind.e820, kind.name) == (number, f"type-{number}")
    assert kind != RAM


def test_labels_are_those_of_linux() -> None:
    """arm64 spells reserved in lower case; other resources are no kinds of memory."""
    assert kind_from_label("System RAM") is RAM
    assert kind_from_label(" reserved ") is RESERVED
    assert kind_from_label("PCI Bus 0000:00") is None
    assert kind_from_label("") is None


@pytest.mark.parametrize("number", [-1, 1 << 32])
def test_a_number_has_32_bits(number: int) -> None:
    """Anything else cannot be built."""
    with pytest.raises(ValueError, match="32 bits"):
        MemoryKind("x", number, "X")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "ram"),
        (2, "reserved"),
        (3, "acpi"),
        (4, "nvs"),
        (5, "unusable"),
        (7, "pmem"),
        (12, "pram"),
        (128, "reserved-kern"),
        (4026531839, "soft-reserved"),
    ],
)
def test_numbers_are_those_of_the_abi(number: int, name: str) -> None:
    """As firmware and boot loaders pass them: include/uapi/asm/setup_data.h, bootparam.h, enum e820_type."""
    assert kind_from_e820(number).name == name
    assert kind_from_e820(number + 1).name != name


@pytest.mark.parametrize("number", [0, (1 << 32) - 1])
def test_every_number_of_32_bits_is_a_kind(number: int) -> None:
    """Both ends included."""
    assert MemoryKind("x", number, "X").e820 == number


def test_ram_that_the_kernel_reserved_has_no_label_of_its_own() -> None:
    """Nothing that Linux prints gives it back."""
    assert [k.name for k in KNOWN_KINDS if kind_from_label(k.label) is not k] == ["reserved-kern"]
