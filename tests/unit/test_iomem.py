"""/proc/iomem: every line becomes a resource or an error with its line number."""

import pytest

from formatters import format_iomem
from kexeckit.errors import InputError, MaskedAddressesError
from kexeckit.formats.iomem import parse_iomem
from kexeckit.memory.range import MemRange

TEXT = """\
00001000-0009fbff : System RAM
00100000-bffdffff : System RAM
  01000000-01dfffff : Kernel code
  a0000000-afffffff : Crash kernel
fec00000-fec003ff : PCI Bus 0001:01 : odd : name
100000000-13fffffff : System RAM
"""


def test_nesting_follows_indentation() -> None:
    """Two spaces a level; ends are inclusive in the file and exclusive here."""
    tree = parse_iomem(TEXT)
    assert [r.name for r in tree.roots] == ["System RAM", "System RAM", "PCI Bus 0001:01 : odd : name", "System RAM"]
    assert [c.name for c in tree.roots[1].children] == ["Kernel code", "Crash kernel"]
    assert tree.roots[1].children[1].range == MemRange(0xA0000000, 0xB0000000)


def test_what_is_parsed_is_written_back() -> None:
    """The text of a kernel survives the way through the tree."""
    assert format_iomem(parse_iomem(TEXT)) == TEXT


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("  ", "\t"), ("\n", "\n\n")])
def test_harmless_differences_are_accepted(change: tuple[str, str]) -> None:
    """CRLF, tabs for indentation and blank lines."""
    assert parse_iomem(TEXT.replace(*change)) == parse_iomem(TEXT)


def test_the_last_byte_of_the_address_space() -> None:
    """An inclusive end of 16 f."""
    tree = parse_iomem("fd00000000-ffffffffffffffff : Reserved\n")
    assert tree.roots[0].range.end == 1 << 64


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (TEXT + "garbage\n", 7, "not an entry: 'garbage'"),
        ("00001000-0009fbff System RAM\n", 1, "not an entry"),
        (TEXT + "\n\n00002000-00001000 : Reserved\n", 9, "0x1000 lies before the start 0x2000"),
        ("00000000000000001-2 : x\n", 1, "not an entry"),
        ("-1-5 : x\n", 1, "not an entry"),
        ("1000-1fff :\n", 1, "not an entry"),
        ("\x00" * 4096, 1, "not an entry"),
        ("1000-1fff : a\n\x1b[31mred\n", 2, r"'\x1b[31mred'"),
        ("\ufeff1000-1fff : a\n", 1, r"'\ufeff1000"),
    ],
)
def test_a_line_that_is_no_entry_is_an_error_with_its_number(text: str, line: int, what: str) -> None:
    """Shown so that it cannot act on a terminal."""
    with pytest.raises(InputError) as caught:
        parse_iomem(text, "iomem")
    assert str(caught.value.location) == f"iomem:{line}"
    assert what in str(caught.value)
    assert str(caught.value).isascii()


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n"])
def test_an_empty_file_is_not_an_empty_machine(text: str) -> None:
    """No entry is an error, not a map without memory."""
    with pytest.raises(InputError, match="holds no entry"):
        parse_iomem(text)


def test_masked_addresses_are_their_own_error() -> None:
    """All zero means hidden, not empty; the exit code says permission."""
    masked = "00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n"
    with pytest.raises(MaskedAddressesError, match="CAP_SYS_ADMIN") as caught:
        parse_iomem(masked)
    assert caught.value.exit_code == 77
    assert caught.value.remedy == "read it as root"


def test_one_real_address_is_enough_not_to_be_masked() -> None:
    """A zero entry among others is an entry."""
    assert len(parse_iomem("00000000-00000000 : a\n00001000-00001fff : b\n").roots) == 2


def test_a_child_after_a_jump_in_depth_belongs_to_the_last_one_above_it() -> None:
    """Three levels at once are as good as one; the way back finds the right parent."""
    tree = parse_iomem("0-ff : a\n      0-f : b\n  10-1f : c\n100-1ff : d\n")
    assert [c.name for c in tree.roots[0].children] == ["b", "c"]
    assert tree.roots[1].name == "d"


def test_nesting_without_end_is_refused() -> None:
    """A file that is nested a thousand times is no iomem, and must not exhaust the stack."""
    deep = "".join(f"{'  ' * n}0-fff : x\n" for n in range(5000))
    with pytest.raises(InputError, match="nested deeper") as caught:
        parse_iomem(deep)
    assert caught.value.location.line == 101


def test_a_long_line_is_shown_short() -> None:
    """One line of a message, however long the line of the file."""
    with pytest.raises(InputError) as caught:
        parse_iomem("x" * 100_000)
    assert len(str(caught.value)) < 200
