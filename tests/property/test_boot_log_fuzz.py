"""Any bytes as a source: an answer, or an error of ours; never another exception."""

from hypothesis import given
from hypothesis import strategies as st

from bootlogs import pc_table, x86_log
from kexeckit.errors import KexeckitError
from kexeckit.kernel.reservation.answer import answer_reservation
from kexeckit.kernel.reservation.explain import explain
from kexeckit.render.crashkernel import crashkernel_document, render_crashkernel
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import FileRoot, SingleFile

LOG = x86_log(pc_table(4 << 30), more=["efi: EFI v2.70 by someone", "cma: Reserved 16 MiB at 0x0000000090000000"])
LINES = LOG.split("\n")
WORDS = ("crashkernel=256M", "crashkernel=1G,high", "crashkernel=64M@1G mem=2G", "crashkernel=1G-:1G memmap=exactmap")


def answer(data: bytes, words: str) -> None:
    """Ask, and look at all of the answer."""
    try:
        machine = read_machine(FileRoot(SingleFile("log", data)))
        found = answer_reservation(machine, words.split(" "))
    except KexeckitError:
        return
    assert explain(found.predicted)
    assert crashkernel_document(found)["outcome"] == found.predicted.outcome
    assert render_crashkernel(found)


@given(st.binary(max_size=400), st.sampled_from(WORDS))
def test_any_bytes(data: bytes, words: str) -> None:
    """Noise."""
    answer(data, words)


@given(st.integers(0, len(LOG)), st.integers(0, len(LOG)), st.binary(max_size=12), st.sampled_from(WORDS))
def test_a_damaged_log(start: int, end: int, noise: bytes, words: str) -> None:
    """A piece of a log replaced by noise."""
    text = LOG.encode()
    answer(text[:start] + noise + text[max(start, end) :], words)


@given(st.permutations(range(len(LINES))), st.integers(1, len(LINES)), st.sampled_from(WORDS))
def test_shuffled_lines(order: list[int], count: int, words: str) -> None:
    """Lines lost and out of order."""
    answer("\n".join(LINES[n] for n in order[:count]).encode(), words)


@given(
    st.lists(
        st.tuples(st.integers(0, 1 << 65), st.integers(0, 1 << 65), st.sampled_from(("usable", "reserved", "type 9"))),
        max_size=12,
    ),
    st.sampled_from(WORDS),
)
def test_any_map(entries: list[tuple[int, int, str]], words: str) -> None:
    """Maps with overlaps, wraps and empty entries."""
    rows = [f"BIOS-e820: [mem {a:#018x}-{b:#018x}] {kind}" for a, b, kind in entries]
    text = "\n".join([*LINES[:3], *(f"[    0.000000] {row}" for row in rows), *LINES[-6:]])
    answer(text.encode(), words)
