"""A plan as text: everything that the document has, for people."""

from dataclasses import replace

from fakes import make_facts, make_request
from kexeckit.plan.file_plan import plan_file_load
from kexeckit.plan.x86_64 import plan_x86_64
from kexeckit.purgatory import load_purgatory
from kexeckit.render.plan import plan_document, render_plan

FACTS = make_facts()
PLAN = plan_x86_64(make_request(panic=True), FACTS, load_purgatory("x86_64"))


def test_segments_are_listed_by_address_with_size_and_limits() -> None:
    """The lowest first; reasons below, in the order of placement."""
    lines = render_plan(PLAN).splitlines()
    rows = [line.split() for line in lines[3 : 3 + len(PLAN.segments)]]
    assert [row[0] for row in rows] == [s.name for s in sorted(PLAN.segments, key=lambda s: s.range)]
    assert [int(row[1], 16) for row in rows] == sorted(s.range.start for s in PLAN.segments)
    reasons = lines[lines.index("why there") + 1 :][: len(PLAN.segments)]
    assert [r.split(":")[0].strip() for r in reasons] == [s.name for s in PLAN.segments]


def test_the_head_says_what_is_loaded_and_how() -> None:
    """By which call and into which slot."""
    assert render_plan(PLAN).startswith("capture kernel (loaded into the crash region), kexec_load, entry 0x")
    plain = plan_file_load(make_request(), FACTS)
    assert render_plan(plain).startswith("next kernel, kexec_file_load, entry 0x")


def test_an_upper_limit_is_shown_where_there_is_one() -> None:
    """And no limit is not shown as 2^64."""
    assert "0x10000000000000000" not in render_plan(PLAN)
    segment = PLAN.segments[0]
    bound = replace(segment, request=replace(segment.request, maximum=0xB0000000))
    assert "0x00100000 to 0xb0000000" in render_plan(replace(PLAN, segments=(bound,))).replace(" up to ", " to ")


def test_old_memory_without_addresses_is_not_determined() -> None:
    """Not shown as a very high address."""
    blind = plan_x86_64(make_request(panic=True), replace(FACTS, page_offset=None), load_purgatory("x86_64"))
    text = render_plan(blind)
    assert text.count("not determined") == 3
    assert "0xffffffffffffffff" not in text


def test_a_plan_without_old_memory_has_no_such_part() -> None:
    """And its document says null; an empty command line says so."""
    plain = plan_x86_64(make_request(cmdline=""), FACTS, load_purgatory("x86_64"))
    assert "old memory" not in render_plan(plain)
    assert plan_document(plain)["elfcorehdr"] is None
    assert render_plan(plain).endswith("command line\n  (empty)")


def test_text_and_document_agree() -> None:
    """Every address of the document stands in the text."""
    text, document = render_plan(PLAN), plan_document(PLAN)
    numbers = [s["start"] for s in document["segments"]]
    numbers += [e[k] for e in document["e820"] for k in ("start", "end")]
    numbers += [r["start"] for r in document["elfcorehdr"]["loads"]]
    assert all(f"0x{n:08x}" in text for n in numbers)
