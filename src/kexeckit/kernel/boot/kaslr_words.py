"""What the command line says to the code that chooses the kernel's place, long before the kernel itself reads it.

The x86 decompressor has a parser of its own: names are compared letter by letter, it remembers four ranges of
``memmap=`` and gives up where a word has more; further words are ignored. The EFI stub looks for the bare text.

Source: arch/x86/boot/compressed/kaslr.c, handle_mem_options(), mem_avoid_memmap(), parse_memmap(),
parse_gb_huge_pages(); drivers/firmware/efi/libstub/x86-stub.c, parse_options(); efi-stub-helper.c, efi_parse_options().
"""

from collections.abc import Iterator

from kexeckit.formats.cmdline import Word, split_words
from kexeckit.formats.memparse import parse_integer, parse_memory
from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.kaslr import KaslrRules
from kexeckit.memory.units import GIB

__all__ = ["KaslrWords", "Span", "kaslr_off", "kaslr_words", "pinned", "takes_special"]

_MOST_RANGES = 4
_WRAP = 1 << 64

Span = tuple[int, int]
"""First byte and end; empty where both are equal, which still divides the memory around it."""


@dataclass(frozen=True, slots=True)
class KaslrWords:
    """What the decompressor takes from the words.

    Attributes:
        limit: It uses no memory from this address on; None where no word says so.
        avoid: Ranges that words take away from RAM.
        gib_pages: How many whole GiB it leaves to 1 GiB pages.
        refused: One word names too many ranges: the place is not random.
    """

    limit: int | None = None
    avoid: tuple[Span, ...] = ()
    gib_pages: int = 0
    refused: bool = False


def kaslr_off(cmdline: str) -> bool:
    """Say whether the word ``nokaslr`` stands there; the decompressor sees it behind ``--``, too."""
    return any(w.text == "nokaslr" for w in split_words(cmdline))


def takes_special(cmdline: str) -> bool:
    """Say whether ``efi=nosoftreserve`` makes memory for special purposes ordinary."""
    return any("nosoftreserve" in (w.value or "").split(",") for w in _for_kernel(cmdline) if w.name == "efi")


def pinned(cmdline: str, rules: KaslrRules) -> bool:
    """Say whether a word makes the EFI stub take the lowest place: only the first spot of each text is looked at."""
    found = (cmdline.find(f"{name}=") for name in rules.stub_pinned_by)
    return any(at == 0 or (at > 0 and cmdline[at - 1].isspace()) for at in found)


def kaslr_words(cmdline: str, rules: KaslrRules) -> KaslrWords:
    """Return what the decompressor takes from a command line."""
    limits: list[int] = []
    avoid: list[Span] = []
    refused, gib, pages = False, False, 0
    for word in _for_kernel(cmdline):
        if word.name == "memmap":
            refused |= _memmap(word.value, limits, avoid)
        elif word.name == "hugepagesz":
            gib = parse_memory(word.value or "")[0] == GIB
        elif word.name == "hugepages" and gib:
            pages = parse_integer(word.value or "")[0]
        elif word.name == "mem" and word.value not in (None, "nopentium"):
            size, _ = parse_memory(word.value or "")
            if not size:
                break
            limits.append(size)
    limit = (min(limits) if rules.smallest_limit_counts else limits[-1]) if limits else None
    return KaslrWords(limit, tuple(avoid), pages, refused)


def _for_kernel(cmdline: str) -> Iterator[Word]:
    for word in split_words(cmdline):
        if word.name == "--" and word.value is None:
            return
        yield word


# The ranges of one word. Returns whether there were more than fit.
def _memmap(value: str | None, limits: list[int], avoid: list[Span]) -> bool:
    if len(avoid) >= _MOST_RANGES:
        return False
    items = value.split(",") if value is not None else []
    for number, item in enumerate(items, 1):
        size, at = parse_memory(item)
        if item.startswith("exactmap") or not at:
            return False
        # What is added with @ is no limit and no range to avoid.
        kind = item[at : at + 1]
        start = parse_memory(item, at + 1)[0] if kind and kind in "#$!" else 0
        if start:
            avoid.append((start, min(start + size, _WRAP)))
        elif size and kind != "@":
            limits.append(size)
        if len(avoid) >= _MOST_RANGES:
            return number < len(items)
    return False
