"""crashkernel= values: the kernel's parser on any text, and on lists of ranges beside the obvious reading."""

from hypothesis import given
from hypothesis import strategies as st

from kexeckit.kernel.behaviour.reservation import crash_rules
from kexeckit.kernel.reservation.request import evaluate
from kexeckit.machine.version import parse_kernel_version

Rule = tuple[int, int | None, int]
SIZES = st.one_of(
    st.integers(0, (1 << 64) - 1),
    st.builds(lambda n, s: n << s, st.integers(0, 1023), st.sampled_from((0, 10, 20, 30, 40))),
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """One rule of a list of ranges: start, end, size."""
    start = draw(st.integers(0, (1 << 63)))
    end = draw(st.one_of(st.none(), st.integers(start + 1, (1 << 64) - 1)))
    return start, end, draw(SIZES)


@given(st.lists(rules(), min_size=1, max_size=4), st.integers(1 << 30, 1 << 46))
def test_the_first_rule_that_matches_gives_the_size(entries: list[Rule], ram: int) -> None:
    """On RAM that needs no rounding, unless a rule up to it asks for all RAM."""
    total = ram // (128 << 20) * (128 << 20)
    text = ",".join(f"{start}-{'' if end is None else end}:{size}" for start, end, size in entries)
    found = evaluate(f"crashkernel={text}", total, crash_rules("x86_64", parse_kernel_version("6.12")))
    matches = [start <= total and (end is None or total < end) for start, end, _ in entries]
    first = matches.index(True) if True in matches else len(entries)
    if any(size >= total for _, _, size in entries[: first + 1]):
        assert found.outcome == "refused"
    else:
        assert found.size == (entries[first][2] if first < len(entries) else 0)


@given(st.text(max_size=60))
def test_no_command_line_breaks_the_kernels_parser(text: str) -> None:
    """Any text behind the option leads to an outcome."""
    for version in ("2.6.32", "5.10", "6.12", "7.2"):
        for arch in ("x86_64", "arm64"):
            found = evaluate(f"a crashkernel={text}", 4 << 30, crash_rules(arch, parse_kernel_version(version)))
            assert found.outcome in ("asked", "none", "refused")
