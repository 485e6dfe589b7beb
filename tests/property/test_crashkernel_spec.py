"""crashkernel= values: parsing and formatting are inverse, and the kernel's parser agrees on well-formed text."""

from hypothesis import given
from hypothesis import strategies as st

from kexeckit.errors import UsageError
from kexeckit.formats.crashkernel_spec import (
    SUFFIXES,
    AutoSize,
    CrashkernelSpec,
    FixedSize,
    RangedSize,
    RangeRule,
    SuffixedSize,
    format_crashkernel,
    parse_crashkernel,
)
from kexeckit.kernel.behaviour.reservation import crash_rules
from kexeckit.kernel.reservation.request import evaluate
from kexeckit.machine.version import parse_kernel_version

SIZES = st.one_of(
    st.integers(0, (1 << 64) - 1),
    st.builds(lambda n, s: n << s, st.integers(0, 1023), st.sampled_from((0, 10, 20, 30, 40))),
)
OFFSETS = st.one_of(st.none(), SIZES)


@st.composite
def rules(draw: st.DrawFn) -> RangeRule:
    """One rule of a list of ranges."""
    start = draw(st.integers(0, (1 << 63)))
    end = draw(st.one_of(st.none(), st.integers(start + 1, (1 << 64) - 1)))
    return RangeRule(start, end, draw(SIZES))


SPECS: st.SearchStrategy[CrashkernelSpec] = st.one_of(
    st.builds(FixedSize, SIZES, OFFSETS),
    st.builds(SuffixedSize, SIZES, st.sampled_from(SUFFIXES)),
    st.builds(RangedSize, st.lists(rules(), min_size=1, max_size=4).map(tuple), OFFSETS),
    st.just(AutoSize()),
)


@given(SPECS)
def test_parsing_and_formatting_are_inverse(spec: CrashkernelSpec) -> None:
    """What is written is read back."""
    assert parse_crashkernel(format_crashkernel(spec)) == spec


@given(st.text(alphabet="0123456789KMGx@:,-highlowcma ", max_size=24))
def test_any_text_is_read_or_refused(text: str) -> None:
    """A text is refused with our error, or means something that can be written again."""
    try:
        spec = parse_crashkernel(text)
    except UsageError:
        return
    assert parse_crashkernel(format_crashkernel(spec)) == spec


@given(st.lists(rules(), min_size=1, max_size=4).map(tuple), st.integers(1 << 30, 1 << 46))
def test_the_kernel_reads_well_formed_lists_alike(entries: tuple[RangeRule, ...], ram: int) -> None:
    """On RAM that needs no rounding, the first matching rule gives the size, unless a rule before asks for all RAM."""
    total = ram // (128 << 20) * (128 << 20)
    spec = RangedSize(entries)
    found = evaluate(format_crashkernel(spec), total, crash_rules("x86_64", parse_kernel_version("6.12")))
    seen = []
    for rule in entries:
        seen.append(rule)
        if rule.start <= total and (rule.end is None or total < rule.end):
            break
    if any(rule.size >= total for rule in seen):
        assert found.outcome == "refused"
    else:
        assert found.size == spec.size_for(total)


@given(st.text(max_size=60))
def test_no_command_line_breaks_the_kernels_parser(text: str) -> None:
    """Any text behind the option leads to an outcome."""
    for version in ("2.6.32", "5.10", "6.12", "7.2"):
        for arch in ("x86_64", "arm64"):
            found = evaluate(f"a crashkernel={text}", 4 << 30, crash_rules(arch, parse_kernel_version(version)))
            assert found.outcome in ("asked", "none", "refused")
