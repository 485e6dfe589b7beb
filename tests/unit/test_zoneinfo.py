"""/proc/zoneinfo."""

import pytest

from kexeckit.errors import InputError
from kexeckit.formats.zoneinfo import ZoneInfo, parse_zoneinfo

TEXT = """\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 11
  pages free     12
        min      1
        spanned  4095
        present  3990
        managed  3800
        protection: (0, 1, 2)
  start_pfn:           1
Node 1, zone  Movable
  pages free     0
        spanned  0
        present  0
        managed  0
"""


def test_place_and_size() -> None:
    """Spans and counts are read; a zone without pages has no start."""
    assert parse_zoneinfo(TEXT, "zoneinfo") == (
        ZoneInfo(0, "DMA", 4095, 3990, 3800, 1),
        ZoneInfo(1, "Movable", 0, 0, 0, None),
    )


def test_quoted_text() -> None:
    """A copy quoted in a mail is read as well."""
    quoted = "".join(f"> >> {line}\n" for line in TEXT.splitlines())
    assert parse_zoneinfo(quoted, "mail") == parse_zoneinfo(TEXT, "zoneinfo")


def test_old_kernels_have_no_managed_pages() -> None:
    """Up to 3.8 there is no managed count, which is not the same as 0."""
    text = "\n".join(line for line in TEXT.splitlines() if "managed" not in line)
    assert parse_zoneinfo(text, "zoneinfo")[0].managed is None


def test_no_zone_is_an_error() -> None:
    """A file without any zone is not an empty machine."""
    with pytest.raises(InputError, match="no zone"):
        parse_zoneinfo("MemTotal: 1 kB\n", "zoneinfo")


def test_a_zone_without_its_span_is_an_error() -> None:
    """A cut file is refused with the line at which its zone begins."""
    with pytest.raises(InputError, match="zoneinfo:2: zone Normal"):
        parse_zoneinfo("\nNode 0, zone Normal\n  pages free 1\n", "zoneinfo")
