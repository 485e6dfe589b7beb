"""The zone words, read as the kernel reads them."""

import pytest

from kexeckit.formats.cmdline import with_words
from kexeckit.kernel.behaviour.zones import ZoneBehaviour
from kexeckit.kernel.zones.parameters import CoreSize, idle_words, parse_zone_parameters

MIB = 1 << 20


@pytest.mark.parametrize(
    ("cmdline", "size", "percent"),
    [
        ("kernelcore=512M", 512 * MIB, 0),
        ("kernelcore=0x20000000", 512 * MIB, 0),
        ("kernelcore=01000", 512, 0),
        ("kernelcore=2gjunk", 2048 * MIB, 0),
        ("kernelcore=30%", 0, 30),
        ("kernelcore=200M kernelcore=60%", 200 * MIB, 60),
        ("kernelcore=60% kernelcore=300M", 300 * MIB, 0),
        ("kernelcore=300M kernelcore=0%", 300 * MIB, 0),
        ('kernelcore="64M"', 64 * MIB, 0),
        ("movablecore=1G", 0, 0),
        ("nokernelcore=1G", 0, 0),
    ],
)
def test_sizes_and_percents(cmdline: str, size: int, percent: int) -> None:
    """A size clears a percentage, a percentage keeps the size, the last word of a kind counts."""
    assert parse_zone_parameters(cmdline).kernelcore == CoreSize(size, percent)


def test_mirror_is_never_cleared() -> None:
    """kernelcore=mirror stays, whatever follows; a list with mirror in it counts as well."""
    assert parse_zone_parameters("kernelcore=mirror kernelcore=1G").mirror
    assert parse_zone_parameters("kernelcore=a,mirror").mirror
    assert not parse_zone_parameters("kernelcore=mirrored").mirror


def test_movable_node_with_or_without_value() -> None:
    """movable_node counts however it is spelt."""
    for word in ("movable_node", "movable-node", "movable_node=1"):
        assert parse_zone_parameters(word).movable_node


def test_warnings_of_the_parser() -> None:
    """What the kernel complains about or silently takes for zero is said."""
    assert parse_zone_parameters("kernelcore").warnings == ("Malformed early option 'kernelcore'",)
    assert "more than 100 %" in parse_zone_parameters("movablecore=101%").warnings[0]
    assert "reads as 0" in parse_zone_parameters("kernelcore=junk").warnings[0]
    assert parse_zone_parameters("kernelcore=1G movablecore=10%").warnings == ()


def test_pages_of_a_percentage() -> None:
    """A percentage is of all page frames, rounded down; without one the size in whole pages counts."""
    assert CoreSize(percent=33).pages(1001, 4096) == 330
    assert CoreSize(size=4097).pages(1001, 4096) == 1


def test_typed_words_replace_those_of_the_source() -> None:
    """Words of the same name go, all others stay, the typed ones come last."""
    assert with_words("ro kernelcore=1G quiet", ["kernelcore=2G"]) == "ro quiet kernelcore=2G"
    assert with_words("ro", []) == "ro"
    assert with_words("", ["movable_node"]) == "movable_node"


def test_truth_says_whether_anything_was_asked() -> None:
    """Parameters without zone words are false."""
    assert not parse_zone_parameters("ro quiet mem=1G")
    assert parse_zone_parameters("movablecore=1%")


@pytest.mark.parametrize("word", ["mem=1G", "memmap=1G", "numa=off", "acpi=off", "elfcorehdr=1G", "kernelcore=1G"])
def test_words_that_zones_are_made_of(word: str) -> None:
    """Each may be typed and counts; any other name is told to be idle."""
    assert idle_words([word]) == []
    assert idle_words([f"x{word}"]) == [f"x{word}"]


@pytest.mark.parametrize(("percent", "count"), [(99, 0), (100, 0), (101, 1)])
def test_all_of_memory_is_no_mistake(percent: int, count: int) -> None:
    """More than that is."""
    assert len(parse_zone_parameters(f"kernelcore={percent}%").warnings) == count


def test_mirror_is_a_value_of_kernelcore_alone() -> None:
    """For movablecore it is no number."""
    found = parse_zone_parameters("movablecore=mirror")
    assert not found.mirror
    assert "reads as 0" in found.warnings[0]


@pytest.mark.parametrize(
    ("words", "core", "movable"),
    [
        ("movablecore=30%", CoreSize(), CoreSize(30)),
        ("kernelcore=30%", CoreSize(30), CoreSize()),
        ("kernelcore=1M movablecore=30%", CoreSize(MIB), CoreSize(30)),
        ("kernelcore=30% movablecore=1M", CoreSize(30), CoreSize(MIB)),
        ("kernelcore=mirror movablecore=1M", CoreSize(), CoreSize(MIB)),
        ("kernelcore=mirror movablecore=10%", CoreSize(), CoreSize(10)),
        ("kernelcore=1M movablecore=2M", CoreSize(MIB), CoreSize(2 * MIB)),
    ],
)
def test_words_for_a_kernel_that_reads_numbers_alone(words: str, core: CoreSize, movable: CoreSize) -> None:
    """Before 4.6 mirror is no size, before 4.17 a percentage is so many bytes; each is said."""
    found = parse_zone_parameters(words).as_read_by(ZoneBehaviour())
    assert (found.kernelcore, found.movablecore, found.mirror) == (core, movable, False)
    told = [mark for mark, word in (("kernelcore=mirror", "mirror"), ("percentages", "%")) if word in words]
    assert all(mark in warning for mark, warning in zip(told, found.warnings, strict=True))
    both = ZoneBehaviour(core_mirror=True, core_percent=True)
    assert parse_zone_parameters(words).as_read_by(both) == parse_zone_parameters(words)
