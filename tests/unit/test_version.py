"""Kernel versions as they are written, and their order."""

import pytest

from kexeckit.errors import UsageError
from kexeckit.machine.version import parse_kernel_version


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("6.12", (6, 12, 0)),
        ("v6.12", (6, 12, 0)),
        (" 6.1.0-53-cloud-amd64\n", (6, 1, 0)),
        ("5.14.0-503.el9.x86_64", (5, 14, 0)),
        ("4.19.325", (4, 19, 325)),
        ("7.2-rc3", (7, 2, 0)),
    ],
)
def test_three_numbers(text: str, numbers: tuple[int, int, int]) -> None:
    """A third one that is absent is 0; the text stays as it is, without blanks around it."""
    found = parse_kernel_version(text)
    assert (found.major, found.minor, found.patch) == numbers
    assert str(found) == found.release == text.strip()


@pytest.mark.parametrize("text", ["", "6", "kernel", "6.x", "x6.1"])
def test_other_text(text: str) -> None:
    """Is no version."""
    with pytest.raises(UsageError, match="is not a kernel version"):
        parse_kernel_version(text)


@pytest.mark.parametrize(
    ("wanted", "enough"),
    [
        ((6, 1, 0), True),
        ((6, 1, 4), True),
        ((6, 1, 5), False),
        ((6, 2, 0), False),
        ((5, 99, 9), True),
        ((7, 0, 0), False),
    ],
)
def test_at_least(wanted: tuple[int, int, int], *, enough: bool) -> None:
    """Numbers count from the first to the third."""
    assert parse_kernel_version("6.1.4").at_least(*wanted) is enough
