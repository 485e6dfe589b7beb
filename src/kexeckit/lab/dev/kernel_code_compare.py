"""What we say happens, in the lines in which the kernel's compiled code tells what it does (see kernel_code.c).

says ...                                what the parser of the words says
search size align [start, end): found   one search of the allocator, 0 for none
search nowhere                          the same in a window that holds nothing
cma size, main start size, low start size
memory start size node flags            one region; flags: 1 hotplug, 2 mirror, 4 not mapped
zero                                    a search for 0 bytes: what arm64's rounding to pages makes of 2^64 - 1.
                                        The kernel may reserve a low part without a main one then; to us that is
                                        no reservation, and only what is said is compared
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.boot.memblock import Memblock
from kexeckit.kernel.reservation.request import Request, evaluate
from kexeckit.kernel.reservation.search import Limits, Placement, place
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import MIB, align_up

__all__ = ["Rule", "place_lines", "region_lines", "told_lines", "words_lines"]


# What arm64 wants of a given address before 5.19; see oracle_is_memory().
_FIXED = 2 * MIB
# What is said may itself be a line feed.
_LINE = re.compile(r"\n(?=says |search |cma |main |low |memory |zero|\Z)")


@dataclass(frozen=True, slots=True)
class Rule:
    """How searches are answered where there is no memory: oracle_answer() in kernel_code_hooks.h.

    Attributes:
        number: 0 the lowest address of the window; 1 the lowest above the border; 2 never any.
        border: An address.
    """

    number: int
    border: int

    def answer(self, size: int, align: int, window: MemRange) -> int:
        """Return an address, or 0."""
        if self.number == 2 or (self.number == 1 and window.end <= self.border):
            return 0
        at = align_up(max(window.start or align, self.border if self.number == 1 else 0), align)
        return at if at + size <= window.end else 0


@dataclass(frozen=True)
class _Scripted(Memblock):
    # Stands in for memblock in place(): answers by the rule and writes down what was asked.
    rule: Rule = field(default=Rule(0, 0))
    lines: list[str] = field(default_factory=list)

    def find(self, size: int, align: int, window: MemRange, *, bottom_up: bool = False) -> int | None:
        assert not bottom_up
        if window.end >= 1 << 64:
            self.lines.append("search nowhere")
            return None
        found = self.rule.answer(size, align, window)
        self.lines.append(f"search {size:x} {align:x} [{window.start:x}, {window.end:x}): {found:x}")
        return found or None

    def in_one_region(self, span: MemRange) -> bool:
        return self.find(span.size, _FIXED, span) == span.start

    def reserve(self, ranges: Iterable[MemRange]) -> Memblock:
        del ranges
        return self


def words_lines(cmdline: str, total: int, rules: CrashRules, rule: Rule, limits: Limits) -> list[str]:
    """Return the lines for words, an amount of RAM and a rule instead of memory."""
    memory = _Scripted((), rule=rule)
    return _lines(memory, evaluate(cmdline, total, rules), rules, limits)


def place_lines(memory: Memblock, cmdline: str, rules: CrashRules, limits: Limits) -> list[str]:
    """Return the lines for words and memory; without searches."""
    return _lines(memory, evaluate(cmdline, memory.total, rules), rules, limits)


def _lines(memory: Memblock, request: Request, rules: CrashRules, limits: Limits) -> list[str]:
    says = [f"says {text}" for text in request.messages]
    if request.outcome != "asked":
        return says
    placement = place(memory, request, rules, limits)
    if placement.reads_low:
        says += [f"says {text}" for text in request.late]
    searches = memory.lines if isinstance(memory, _Scripted) else []
    return says + searches + _result(request, placement)


def region_lines(memory: Memblock) -> list[str]:
    """Return the lines for a layout."""
    return [
        f"memory {r.range.start:x} {r.range.size:x} {-1 if r.node is None else r.node} "
        f"{r.hotplug + 2 * r.mirror + 4 * r.nomap:x}"
        for r in memory.regions
    ]


def _result(request: Request, placement: Placement) -> list[str]:
    lines = [f"cma {request.cma:x}"] if request.cma else []
    for name, region in (("main", placement.main), ("low", placement.low)):
        if region:
            lines.append(f"{name} {region.start:x} {region.size:x}")
    return lines


def told_lines(text: bytes) -> list[str]:
    """Return the kernel's lines: what is said first, then what is done, both in order."""
    lines = [x for x in _LINE.split(text.decode("utf-8", "surrogateescape")) if x]
    says, does = ([x for x in lines if x.startswith("says ") == wanted] for wanted in (True, False))
    return says if "zero" in does else says + does
