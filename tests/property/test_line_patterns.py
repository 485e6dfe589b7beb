"""Every pattern for a log's lines has its signs in all that it matches: without one of them it is never tried."""

from importlib import import_module
from pkgutil import iter_modules

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kexeckit.formats import bootlog
from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.line import LogLine
from kexeckit.formats.bootlog.pattern import LinePattern


def _patterns() -> dict[str, LinePattern]:
    found = {}
    for info in iter_modules(bootlog.__path__):
        for name, value in vars(import_module(f"kexeckit.formats.bootlog.{info.name}")).items():
            rows = value if isinstance(value, tuple) else ((name, value),)
            for row in rows:
                if isinstance(row, tuple) and len(row) == 2 and isinstance(row[1], LinePattern):
                    found[f"{info.name}.{name}.{row[0]}"] = row[1]
    return found


PATTERNS = _patterns()


def test_the_patterns_are_found() -> None:
    """Those of every topic, and those of a table."""
    assert len(PATTERNS) > 60
    assert "boot._ARCHES.arm64" in PATTERNS


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
@settings(max_examples=40)
@given(data=st.data())
def test_what_matches_has_a_sign(pattern: LinePattern, data: st.DataObject) -> None:
    """Also where case does not count."""
    ascii_only = st.characters(min_codepoint=1, max_codepoint=126)
    text = data.draw(st.from_regex(pattern.compiled, alphabet=ascii_only))
    assert pattern.signs
    assert pattern.search(text)
    assert any(sign in text.casefold() for sign in pattern.signs)


def test_a_pattern_is_compiled_for_a_log_that_may_hold_it() -> None:
    """And for no other."""
    log = BootLog("log", (LogLine(1, "Memory: 1K"),))
    absent, present = LinePattern(r"^Zone (\d)", "zone "), LinePattern(r"^MEMORY: (\d)", "memory: ", ignore_case=True)
    assert log.find(absent) is None
    assert absent._compiled is None
    found = log.find(present)
    assert found
    assert found[1] == "1"


def test_letters_that_count_as_others_are_seen() -> None:
    """A long s counts as an s where case does not count."""
    log = BootLog("log", (LogLine(1, "\u017fetup: \u212a"),))
    assert log.find(LinePattern("^setup: k", "setup: k", ignore_case=True))
