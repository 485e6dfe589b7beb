"""What the kernel makes of the crashkernel= words: a request, or a refusal in its own words.

This follows the kernel's parser character by character, because its odd corners are what people meet: the option is
found as a substring, the last word wins, words with a suffix are told from plain ones by their last letters, and in a
list of ranges nothing behind the first match is looked at.

Source: kernel/crash_core.c (to 6.8) and kernel/crash_reserve.c (6.9 on): get_last_crashkernel(),
parse_crashkernel_mem(), parse_crashkernel_simple(), parse_crashkernel_suffix(), parse_crashkernel();
arch/x86/kernel/setup.c, reserve_crashkernel().
"""

from dataclasses import replace

from kexeckit.formats.memparse import parse_memory
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.memory.units import GIB, MIB, align_up

_OPTION = "crashkernel="
_MAX = (1 << 64) - 1
# crashkernel=auto of RHEL 6 and 7: bytes at least, and the RAM from which on.
_AUTO = {"el6": (128 * MIB, 2 * GIB), "el7": (160 * MIB, 2 * GIB), "el7-s390": (160 * MIB, 4 * GIB)}


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be reserved.

    Attributes:
        outcome: ``asked``, ``none`` (nothing asked for, or the rule gives zero) or ``refused``.
        size: Bytes of the main part; 0 unless asked.
        base: Start that was asked for; 0 for any.
        high: The main part is to go high.
        low: Bytes of the low part that were asked for; None where nothing was said.
        cma: Bytes of CMA asked for.
        word: The word that decided, as written; empty where none did.
        messages: What the kernel says while it parses.
        late: What it says about the ``,low`` word, where it looks at that only once the main part lies above 4 GiB.
        total: RAM in bytes, as the range rules were compared with.
    """

    outcome: str
    size: int = 0
    base: int = 0
    high: bool = False
    low: int | None = None
    cma: int = 0
    word: str = ""
    messages: tuple[str, ...] = ()
    total: int = 0
    late: tuple[str, ...] = ()


@dataclass(slots=True)
class _Parsed:
    # One run of the kernel's parser. status: 0 parsed, else absent or bad.
    status: str
    size: int = 0
    base: int = 0
    word: str = ""


class _Parser:
    # Holds what the kernel's functions take from their surroundings, and collects what they print.
    def __init__(self, cmdline: str, total: int, rules: CrashRules) -> None:
        self.cmdline = cmdline
        self.rules = rules
        self.total = align_up(total, 128 * MIB) if rules.total_rounded else total
        self.messages: list[str] = []

    def run(self, suffix: str) -> _Parsed:
        text = last_word(self.cmdline, suffix, self.rules.suffixes)
        if text is None:
            return _Parsed("absent")
        word = text.partition(" ")[0]
        value = text[len(_OPTION) :]
        if suffix:
            return self._suffixed(value, suffix, word)
        if word[len(_OPTION) :].startswith("auto") and self.rules.auto:
            return self._auto(word)
        if ":" in word:
            return self._ranges(value, word)
        return self._simple(value, word)

    def _say(self, text: str, word: str) -> _Parsed:
        self.messages.append(text)
        return _Parsed("bad", word=word)

    def _stray(self, value: str, at: int, word: str) -> _Parsed:
        # The kernel says one byte, which may be the first of a letter's.
        follows = value[at : at + 1].encode("utf-8", "surrogateescape")[:1].decode("utf-8", "surrogateescape")
        return self._say(f"crashkernel: unrecognized char: {follows}", word)

    def _memory(self, value: str, at: int = 0) -> tuple[int, int]:
        return parse_memory(value, at, checked=self.rules.memparse_checked)

    def _simple(self, value: str, word: str) -> _Parsed:
        size, at = self._memory(value)
        if not at:
            return self._say("crashkernel: memory value expected", word)
        follows = value[at : at + 1]
        if follows == "@":
            return _Parsed("ok", size, self._memory(value, at + 1)[0], word)
        if follows not in ("", " "):
            return self._stray(value, at, word)
        return _Parsed("ok", size, 0, word)

    def _suffixed(self, value: str, suffix: str, word: str) -> _Parsed:
        size, at = self._memory(value)
        if not at:
            return self._say("crashkernel: memory value expected", word)
        # The size is stored before the rest is looked at, and whoever asks for CMA does not look at the outcome.
        if not value.startswith(suffix, at):
            return replace(self._stray(value, at, word), size=size)
        at += len(suffix)
        if value[at : at + 1] not in ("", " "):
            return replace(self._stray(value, at, word), size=size)
        return _Parsed("ok", size, 0, word)

    def _ranges(self, value: str, word: str) -> _Parsed:
        at, size = 0, 0
        while True:
            matched, at, problem = self._entry(value, at)
            if problem:
                return self._say(problem, word)
            if matched is not None:
                size = matched
                break
            if value[at : at + 1] != ",":
                break
            at += 1
        if not size:
            self.messages.append("crashkernel size resulted in zero bytes")
            return _Parsed("ok", 0, 0, word)
        while value[at : at + 1] not in ("", " ", "@"):
            at += 1
        if value[at : at + 1] != "@":
            return _Parsed("ok", size, 0, word)
        base, end = self._memory(value, at + 1)
        if end == at + 1:
            return self._say(_after_at(self.rules), word)
        return _Parsed("ok", size, base, word)

    def _entry(self, value: str, at: int) -> tuple[int | None, int, str]:
        # One "start-[end]:size": the size where it matches, where reading stopped, and what was wrong.
        start, after = self._memory(value, at)
        if after == at:
            return None, at, "crashkernel: Memory value expected"
        if value[after : after + 1] != "-":
            return None, after, "crashkernel: '-' expected"
        at, end = after + 1, _MAX
        if value[at : at + 1] != ":":
            end, after = self._memory(value, at)
            if after == at:
                return None, at, "crashkernel: Memory value expected"
            if end <= start:
                return None, at, "crashkernel: end <= start"
            at = after
        if value[at : at + 1] != ":":
            return None, at, "crashkernel: ':' expected"
        size, after = self._memory(value, at + 1)
        if after == at + 1:
            return (
                None,
                at,
                "crashkernel: Memory value expected" if self.rules.prefixed else "Memory value expected",
            )
        if size >= self.total:
            return None, at, "crashkernel: invalid size"
        return (size if start <= self.total < end else None), after, ""

    def _auto(self, word: str) -> _Parsed:
        if self.rules.auto not in _AUTO:
            return self._ranges(self.rules.auto, word)
        # Two bits for every 4 KiB page on top. Only for the threshold the total is rounded.
        least, threshold = _AUTO[self.rules.auto]
        if align_up(self.total, 128 * MIB) < threshold:
            self.messages.append("crashkernel=auto resulted in zero bytes of reserved memory.")
            return _Parsed("ok", 0, 0, word)
        return _Parsed("ok", least + align_up((self.total - least) // (4096 * 4), MIB), 0, word)


def last_word(cmdline: str, suffix: str, known: tuple[str, ...]) -> str | None:
    """Return the command line from the deciding crashkernel= word on, or None.

    Args:
        cmdline: The kernel's command line.
        suffix: ``,high``, ``,low`` or ``,cma``; empty for the plain word.
        known: The suffixes that this kernel's parser knows.
    """
    found = None
    at = cmdline.find(_OPTION)
    while at >= 0:
        word = cmdline[at:].partition(" ")[0]
        if word.endswith(suffix) if suffix else not word.endswith(known or ("\0",)):
            found = cmdline[at:]
        at = cmdline.find(_OPTION, at + 1)
    return found


def evaluate(cmdline: str, total: int, rules: CrashRules) -> Request:
    """Return what a kernel is asked for.

    Args:
        cmdline: Its whole command line.
        total: Bytes of RAM as the kernel counts them (see `CrashRules.total_is_span`).
        rules: Its rules.
    """
    parser = _Parser(cmdline, total, rules)
    return _plain_or_high(parser, total) if rules.words == "plain-or-high" else _plain_then_high(parser, total)


def _plain_or_high(parser: _Parser, total: int) -> Request:
    # arm64 from 5.19 and everybody from 6.7 on: a plain word, however bad, leaves ,high and ,low unread.
    main = parser.run("")
    high = main.status == "absent"
    low = None
    if high:
        main = parser.run(",high")
        if main.status != "ok" or not main.size:
            return _nothing(parser, main)
        lower = parser.run(",low")
        if lower.status == "bad":
            return _nothing(parser, lower)
        low = lower.size if lower.status == "ok" else None
    cma = parser.run(",cma").size if parser.rules.asks_cma else 0
    if main.status != "ok" or (parser.rules.size_checked and main.size >= total):
        return _nothing(parser, main)
    return replace(_asked(parser, main), high=high, low=low, cma=cma if main.size else 0)


def _plain_then_high(parser: _Parser, total: int) -> Request:
    # x86 up to 6.6: a plain word that comes to nothing lets ,high have its turn, and ,low is looked at late. Other
    # architectures know the plain word alone.
    main, high = parser.run(""), False
    takes_high = parser.rules.words == "plain-then-high"
    if takes_high and (main.status != "ok" or not main.size):
        second = parser.run(",high")
        high = second.status == "ok" and second.size > 0
        main = second if high or main.status == "absent" else main
    elif main.status == "absent" and not takes_high:
        passed = _passed_over(parser)
        main = _Parsed("bad", word=passed) if passed else main
    if main.status != "ok" or not main.size or (parser.rules.size_checked and main.size >= total):
        return _nothing(parser, main)
    found = _asked(parser, main)
    if not takes_high or not (high or parser.rules.low_by_word):
        return replace(found, high=high)
    lower = parser.run(",low")
    late = tuple(parser.messages[len(found.messages) :])
    return replace(found, high=high, low=lower.size if lower.status == "ok" else None, late=late)


def _passed_over(parser: _Parser) -> str:
    # A word with a suffix that nothing asks for: no request, but not for want of a word.
    known = parser.rules.suffixes
    others = (last_word(parser.cmdline, suffix, known) for suffix in known)
    return next((text.partition(" ")[0] for text in others if text), "")


def _nothing(parser: _Parser, main: _Parsed) -> Request:
    # No word at all, or a plain zero, asks for nothing; all else is refused.
    zero = main.status == "ok" and not main.size and parser.rules.words != "plain-or-high"
    outcome = "none" if main.status == "absent" or zero else "refused"
    return Request(outcome, word=main.word, messages=tuple(parser.messages), total=parser.total)


def _asked(parser: _Parser, main: _Parsed) -> Request:
    # Rounding up to pages may come to 2^64, which is 0 to the kernel.
    size = align_up(main.size, parser.rules.page) % (_MAX + 1) if parser.rules.page_rounded else main.size
    messages = tuple(parser.messages)
    return Request(
        "asked" if size else "none",
        size,
        main.base if size else 0,
        word=main.word,
        messages=messages,
        total=parser.total,
    )


def _after_at(rules: CrashRules) -> str:
    if ",cma" in rules.suffixes:
        return "crashkernel: Memory value expected after '@'"
    return "crahskernel: Memory value expected after '@'" if rules.prefixed else "Memory value expected after '@'"
