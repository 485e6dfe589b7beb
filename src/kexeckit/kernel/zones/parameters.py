"""The words of the command line that decide about ZONE_MOVABLE, as a kernel understands them.

The kernel is more tolerant than a person: it reads a leading number and ignores what follows it, takes a word without
a number for zero, and lets the last word of a kind win. ``kernelcore=mirror`` sets a flag that no later word clears.

Source: mm/mm_init.c (mm/page_alloc.c up to 6.3), cmdline_parse_core(), cmdline_parse_kernelcore(),
cmdline_parse_movablecore(); mm/memory_hotplug.c, cmdline_parse_movable_node(); lib/cmdline.c, memparse(),
parse_option_str().
"""

from dataclasses import replace

from kexeckit.formats.cmdline import Word, split_words
from kexeckit.formats.memparse import parse_integer, parse_memory
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.zones import ZoneBehaviour

ZONE_WORDS = ("kernelcore", "movablecore", "movable_node")
# Words that change what zones are made of.
MACHINE_WORDS = ("mem", "memmap", "numa", "acpi", "elfcorehdr")

_MIRROR_UNKNOWN = "kernelcore=mirror: this kernel does not know the word and reads a size of 0 (known since 4.6)"
_PERCENT_UNKNOWN = "this kernel does not know percentages and reads the number before % as bytes (known since 4.17)"


@dataclass(frozen=True, slots=True)
class CoreSize:
    """What one of ``kernelcore=`` and ``movablecore=`` asks for.

    Attributes:
        size: Bytes; 0 where nothing is asked for.
        percent: Percent of all memory; it beats `size` unless it is 0.
    """

    size: int = 0
    percent: int = 0

    def __bool__(self) -> bool:
        return bool(self.size or self.percent)

    def pages(self, total: int, page_size: int) -> int:
        """Return the page frames asked for on a machine of `total` page frames."""
        if self.percent:
            return total * 100 * self.percent // 10000
        return self.size // page_size


@dataclass(frozen=True, slots=True)
class ZoneParameters:
    """The zone words of a command line, as the kernel holds them when it cuts the zones.

    Attributes:
        kernelcore: Memory that kernel allocations may use.
        movablecore: Memory that only movable allocations may use.
        mirror: ``kernelcore=mirror`` was given.
        movable_node: ``movable_node`` was given.
        warnings: What the kernel says while it reads them.
        plain_kernelcore: `kernelcore` for a kernel that reads numbers alone: ``mirror`` is 0, ``30%`` is 30 bytes; None
            where no word was read.
        plain_movablecore: `movablecore` for such a kernel.
    """

    kernelcore: CoreSize = CoreSize()
    movablecore: CoreSize = CoreSize()
    mirror: bool = False
    movable_node: bool = False
    warnings: tuple[str, ...] = ()
    plain_kernelcore: CoreSize | None = None
    plain_movablecore: CoreSize | None = None

    def __bool__(self) -> bool:
        return bool(self.kernelcore or self.movablecore or self.mirror or self.movable_node)

    def as_read_by(self, behaviour: ZoneBehaviour) -> "ZoneParameters":
        """Return the words as a kernel reads them that may not know ``mirror`` or percentages.

        Source: mm/page_alloc.c before 4.6 and before 4.17, cmdline_parse_core(): memparse() alone.
        """
        no_mirror = self.mirror and not behaviour.core_mirror
        percent = bool(self.kernelcore.percent or self.movablecore.percent) and not behaviour.core_percent
        if not no_mirror and not percent:
            return self
        warnings = [_MIRROR_UNKNOWN] * no_mirror + [_PERCENT_UNKNOWN] * percent
        return ZoneParameters(
            kernelcore=self.kernelcore if self.plain_kernelcore is None else self.plain_kernelcore,
            movablecore=self.plain_movablecore if percent and self.plain_movablecore else self.movablecore,
            mirror=self.mirror and not no_mirror,
            movable_node=self.movable_node,
            warnings=(*self.warnings, *warnings),
        )


def parse_zone_parameters(cmdline: str) -> ZoneParameters:
    """Read the zone words of a whole command line; all other words are left alone."""
    parameters = ZoneParameters()
    for word in split_words(cmdline):
        if word.name.replace("-", "_") in ZONE_WORDS:
            parameters = _with_word(parameters, word)
    return parameters


def idle_words(typed: list[str]) -> list[str]:
    """Return the typed words that no part of a prediction of zones looks at, such as misspelt ones."""
    known = (*ZONE_WORDS, *MACHINE_WORDS)
    return [w.text for w in split_words(" ".join(typed)) if w.name.replace("-", "_") not in known]


def _with_word(parameters: ZoneParameters, word: Word) -> ZoneParameters:
    name = word.name.replace("-", "_")
    if name == "movable_node":
        return replace(parameters, movable_node=True)
    if word.value is None:
        warning = f"Malformed early option '{word.name}'"
        return replace(parameters, warnings=(*parameters.warnings, warning))
    plain = CoreSize(parse_memory(word.value)[0])
    if name == "kernelcore" and "mirror" in word.value.split(","):
        return replace(parameters, mirror=True, plain_kernelcore=plain)
    core, warnings = _core(word, parameters.kernelcore if name == "kernelcore" else parameters.movablecore)
    parameters = replace(parameters, warnings=parameters.warnings + warnings)
    if name == "kernelcore":
        return replace(parameters, kernelcore=core, plain_kernelcore=plain)
    return replace(parameters, movablecore=core, plain_movablecore=plain)


def _core(word: Word, before: CoreSize) -> tuple[CoreSize, tuple[str, ...]]:
    # A percentage leaves an earlier size where it is (0% brings it back); a size clears an earlier percentage.
    text = word.value or ""
    number, end = parse_integer(text)
    if text[end : end + 1] == "%":
        warning = f"{word.text}: more than 100 % (the kernel prints a WARNING with a stack trace)"
        return replace(before, percent=number), (warning,) if number > 100 else ()
    warnings = () if end else (f"{word.text}: no number, which the kernel reads as 0",)
    return CoreSize(parse_memory(text)[0]), warnings
