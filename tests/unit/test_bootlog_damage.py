"""Damaged logs: the same prediction as from the whole log, one that leaves it open, or a refusal; never another one.

A refusal is no agreement: for each kind of damage a test says which logs may be refused, and why.
"""

import random
import re
import textwrap
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootlogs import GIB, MIB, pc_table, x86_log
from kexeckit.errors import InputError
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.kernel.certainty import Certainty
from kexeckit.kernel.reservation.predict import Reservation, predict_reservation
from readings import facts_of_log

Rows = list[str]
Damage = Callable[[Rows], Rows]

WORDS = "root=/dev/vda1 ro nokaslr console=ttyS0,115200n8 crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M quiet"
_STAMP = re.compile(r"^\[ *\d+\.\d+\] ")


def first_kernel(high: int = 29 * GIB) -> Rows:
    """Return a log with everything that a reservation depends on, and an hour of messages behind it."""
    nodes = ["ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0xbfffffff]", f"SMBIOS {high:#x} present."]
    rows = x86_log(pc_table(high), cmdline=WORDS, more=nodes).splitlines()
    rows.insert(1, "[    0.000000] KERNEL supported cpus:")
    rows.insert(-2, f"[    0.010000] Kernel command line: {WORDS}")
    rows += ["[    0.500000] Unpacking initramfs...", "[    0.700000] Freeing initrd memory: 19376K"]
    return [*rows, *(f"[ {100 + n}.000000] device {n}: something with a name: found" for n in range(60))]


def capture_kernel() -> Rows:
    """Return the beginning of the log of the capture kernel in that reservation."""
    table = ((0, 0x9FC00, 1), (0x9FC00, 0xA0000, 2), (0xAF000000, 0xBEF00000, 1))
    words = "root=/dev/vda1 ro nokaslr elfcorehdr=0xbef00000 irqpoll nr_cpus=1"
    return x86_log(table, cmdline=words, initrd=(0xBD000000, 0xBE000000)).splitlines()


def bare(rows: Rows) -> Rows:
    """Return the messages without their stamps."""
    return [_STAMP.sub("", row) for row in rows]


def soft(width: int) -> Damage:
    """Return the wrapping of a mail program: between words, and blanks at the break are lost."""
    return lambda rows: [
        piece
        for row in rows
        for piece in textwrap.wrap(row, width, break_long_words=False, break_on_hyphens=False) or [""]
    ]


def hard(width: int) -> Damage:
    """Return the wrapping of a terminal: at one column, whatever stands there."""
    return lambda rows: [row[at : at + width] for row in rows for at in range(0, max(len(row), 1), width)]


def prefixed(prefix: str, *, stamps: bool = True) -> Damage:
    """Return a prefix on every line."""
    return lambda rows: [prefix + row for row in (rows if stamps else bare(rows))]


COATS: dict[str, Damage] = {
    "caller id apart": prefixed("[    0.000000] [      T0] ", stamps=False),
    "caller id of a CPU": prefixed("[    0.000000][    C0] ", stamps=False),
    "colours": prefixed("\x1b[32m[    0.000000] \x1b[0m", stamps=False),
    "colours as syslog has them": prefixed("#033[32m[    0.000000] #033[0m", stamps=False),
    "web page": lambda rows: ["<html><body><pre>", *(r.replace(">", "&gt;") for r in rows), "</pre>"],
    "line breaks of a web page": lambda rows: [f"{r.replace('>', '&gt;')}<br>" for r in rows],
    "raw mail": lambda rows: [p for r in rows for p in re.sub("(.{70})", "\\1=\n", r.replace("=", "=3D")).split("\n")],
    "a date in another language": prefixed("[\u4e8c 10\u6708  5 13:21:05 2021 <    0.000000>] ", stamps=False),
    "no stamps": bare,
    "a terminal's clock": prefixed("[2026-01-05 10:00:00] "),
    "line numbers": lambda rows: [f"{n}:{row}" for n, row in enumerate(rows, 1)],
    "quoted": prefixed("> > "),
    "cut hard at 72": hard(72),
    "cut hard at 80": hard(80),
    "cut hard without stamps": lambda rows: hard(80)(bare(rows)),
    "wrapped at 72": soft(72),
    "wrapped behind a long prefix": lambda rows: soft(72)(
        [f"Jan  5 10:00:00 a-host.example kernel: {r}" for r in rows]
    ),
    "wrapped between prefix and message": lambda rows: soft(60)(
        [f"{'Jan  5 10:00:00 ' + 36 * 'h'} kernel: {r}" for r in rows]
    ),
    "wrapped without stamps": lambda rows: soft(76)(bare(rows)),
    "wrapped and quoted": lambda rows: [f"> {row}" for row in soft(76)(rows)],
    "twice": lambda rows: rows + rows,
    "a capture kernel behind": lambda rows: rows + capture_kernel(),
    "a capture kernel before": lambda rows: capture_kernel() + rows,
    "the end of another boot before": lambda rows: capture_kernel()[8:] + rows[-40:] + rows,
    "no line of the kernel's version in a later boot": lambda rows: rows + rows[1:],
    "a line of garbage": lambda rows: [*rows[:4], "login: \udcff\udcfe~~", *rows[4:]],
}


# What a user names whose log has lost its first line.
NAMED = ("x86_64", "6.1.0")


def answer(rows: Rows, named: tuple[str, str] | None = None) -> Reservation | None:
    """Return the prediction, or None where the log is refused."""
    try:
        text = "\n".join(rows) + "\n"
        return predict_reservation(facts_of_log(text, (), *(named or ())))
    except InputError:
        return None


def shown(found: Reservation) -> list[tuple[str, int | None, int]]:
    """Return kind, start and size of every region."""
    return [(r.kind, r.start, r.size) for r in found.regions]


def verdict(found: Reservation | None, whole: Reservation) -> str:
    """Return what a damaged log's answer is beside the whole log's: same, open, refused or wrong."""
    if found is None:
        return "refused"
    if (found.outcome, shown(found)) == (whole.outcome, shown(whole)):
        return "same"
    sizes = [(kind, size) for kind, _, size in shown(found)] == [(kind, size) for kind, _, size in shown(whole)]
    starts = zip(found.regions, whole.regions, strict=True) if sizes else ()
    left_open = sizes and all(
        is_.address_certainty is not Certainty.CERTAIN
        and (is_.start is None or any(c.part == is_.kind and c.holds(was.start or 0) for c in found.candidates))
        for is_, was in starts
    )
    return "open" if left_open else "wrong"


def row_of(text: str) -> int:
    """Return the number of the first line that has a text, from 0."""
    return next(at for at, row in enumerate(first_kernel()) if text in row)


@pytest.fixture(scope="module")
def whole() -> Reservation:
    """The prediction from the log as it was printed."""
    found = answer(first_kernel())
    assert found is not None
    assert (found.outcome, [size for _, _, size in shown(found)]) == ("reserved", [256 * MIB])
    return found


@pytest.mark.parametrize("coat", COATS)
def test_the_coat_does_not_matter(coat: str, whole: Reservation) -> None:
    """Prefixes, colours, HTML, wrapping and other boots in the file change nothing."""
    found = answer(COATS[coat](first_kernel()))
    assert found is not None
    assert (found.outcome, shown(found)) == (whole.outcome, shown(whole))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8-sig"])
def test_encodings(encoding: str, whole: Reservation) -> None:
    """What an editor on another system saves is read too, its byte order mark included."""
    mark = "\ufeff" if encoding != "utf-8-sig" else ""
    text = (mark + "\n".join(first_kernel())).encode(encoding).decode("utf-8", "surrogateescape")
    found = answer([text])
    assert found is not None
    assert shown(found) == shown(whole)


def test_a_log_that_is_cut_off_at_its_end(whole: Reservation) -> None:
    """As by a full disk: refused until the firmware's map has ended, open until the initrd is placed, then the same.

    A log that ends within the map cannot be told from one whose map goes on.
    """
    rows = first_kernel()
    found = [verdict(answer(rows[:at]), whole) for at in range(1, len(rows))]
    mapped, placed = row_of("e820: update"), row_of("RAMDISK")
    assert found[:mapped] == ["refused"] * mapped
    assert set(found[mapped:placed]) == {"open"}
    assert set(found[placed:]) == {"same"}


@pytest.mark.parametrize("behind", [[], capture_kernel()], ids=["alone", "a capture kernel behind"])
def test_a_log_that_has_lost_its_head(behind: Rows, whole: Reservation) -> None:
    """As by a ring buffer: the same while initrd and node ranges are there, then open, refused without the ranges.

    The version is lost with the first line, so the user names it. A capture kernel's own map is not taken instead.
    """
    rows = first_kernel()
    found = [verdict(answer(rows[at:] + behind, NAMED), whole) for at in range(1, len(rows))]
    initrd, ranges = row_of("RAMDISK"), row_of("Early memory node ranges")
    assert found[:initrd] == ["same"] * initrd
    assert set(found[initrd:ranges]) == {"open"}
    assert set(found[ranges:]) == {"refused"}


@pytest.mark.parametrize("behind", [[], capture_kernel()], ids=["alone", "a capture kernel behind"])
def test_a_log_without_its_first_line_and_without_a_version(behind: Rows) -> None:
    """Refused where the architecture is gone, too, and the message says what to name; else the version is assumed."""
    for at in range(1, len(first_kernel())):
        try:
            found = facts_of_log("\n".join(first_kernel()[at:] + behind))
        except InputError as error:
            assert "architecture" in str(error)  # noqa: PT017 - either is right; which one follows from the lines left
        else:
            assert any("7.2" in text for text in found.assumed)


@given(st.integers(0, 7), st.integers(1, 3))
def test_lost_lines(at: int, count: int) -> None:
    """Lines of the map that a serial console dropped are missed: node ranges and map stand in for each other."""
    rows = first_kernel()
    whole = answer(rows)
    assert whole is not None
    memory = [n for n, row in enumerate(rows) if "usable" in row or "node   0" in row]
    first = memory[at % len(memory)]
    assert verdict(answer(rows[:first] + rows[first + count :]), whole) == "same"


def test_a_lost_line_of_the_map_is_told() -> None:
    """The node ranges stand in for the firmware's map, and a note says which part it does not have."""
    rows = [row for row in first_kernel() if not re.search(r"BIOS-e820: \[mem 0x0000000100000000", row)]
    found = answer(rows)
    assert found is not None
    assert any("0x100000000" in note and "missing" in note for note in found.facts.notes)


def test_lost_node_ranges_are_refused() -> None:
    """Where the firmware's map is gone too, what the kernel counted shows that a line is missing; it is named."""
    rows = [row for row in first_kernel() if "e820" not in row and "0x0000000100000000-" not in row]
    with pytest.raises(InputError, match=r"log:\d+: the memory map adds up to .* lines of it are missing"):
        facts_of_log("\n".join(rows))


def test_a_wrapped_ring_buffer_does_not_show_the_firmware() -> None:
    """Where the lines about EFI may have been among the lost ones, boot services memory is in doubt."""
    rows = x86_log(initrd=(0x20000000, 0x22000000)).splitlines()
    rows = [
        *rows[next(n for n, row in enumerate(rows) if "RAMDISK" in row) :],
        "[    2.000000] Run /init as init process",
    ]
    log = parse_boot_log("\n".join([*rows, "[    0.010000] Kernel command line: nokaslr crashkernel=256M"]), "log")
    found = predict_reservation(facts_of_log(log, (), "x86_64", "6.1"))
    assert (found.certainty, shown(found)) == (Certainty.LIKELY, [("main", None, 256 * MIB)])
    assert any(d.what == "firmware" and d.decides for d in found.doubts)


def test_garbled_bytes(whole: Reservation) -> None:
    """Whatever bytes a bad line leaves behind, there is an answer or a refusal; most logs are answered all the same.

    A byte that makes another number of a digit cannot be seen, so some answers are others. What may be refused is a
    log whose damage hits the version, the command line or the map: a quarter of its bytes, with twelve hits each.
    """
    draw = random.Random(5)
    rows = first_kernel()
    found: Counter[str] = Counter()
    for _ in range(300):
        text = list("\n".join(rows))
        for _ in range(12):
            text[draw.randrange(len(text))] = draw.choice("\n\0\x1b[]-:x0 9&<>\udcff")
        found[verdict(answer(["".join(text)]), whole)] += 1
    assert found["same"] >= 150
    assert found["refused"] <= 100
    assert found["wrong"] <= 45
