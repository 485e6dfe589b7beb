"""Where source pages come from, and why the copy at the jump never destroys what it still needs.

The invariant: a source page is either its own destination or no destination at all. It is kept while pages are
allocated, in any order the allocator likes:

    got page         | is the wanted destination   -> use it, it is in place already
                     | is no destination           -> use it
                     | is a destination that has a source page  -> move that content here, use the page it frees
                     | is a destination without    -> park it until its turn comes

So at the jump the entries can be followed in their order: no page is written before it was read, except by itself.

Source: kernel/kexec_core.c, kimage_alloc_page() and kimage_dst_used().
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kexeckit.kernel.load.kimage import DESTINATION, DONE, ENTRIES_PER_PAGE, INDIRECTION, SOURCE
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import PAGE_SIZE

_FLAGS = PAGE_SIZE - 1


class OutOfPagesError(RuntimeError):
    """The allocator ran dry (ENOMEM in the kernel)."""


@dataclass(slots=True)
class LoadedImage:
    """A normal image while and after it is loaded: entries, and where content lies.

    Attributes:
        destinations: The segments.
        head: The first entry.
        chain: Pages of entries by address, 512 words each.
        parked: Destinations that the allocator handed out before their turn.
        moved: How often a source page had to be moved out of a destination.
    """

    destinations: tuple[MemRange, ...]
    head: int = 0
    chain: dict[int, list[int]] = field(default_factory=dict)
    parked: list[int] = field(default_factory=list)
    moved: int = 0

    def entries(self) -> Iterator[int]:
        """Yield the entries from the head to DONE, as the jump reads them."""
        entry = self.head
        page: Iterator[int] = iter(())
        while True:
            yield entry
            if entry & DONE:
                return
            if entry & INDIRECTION:
                page = iter(self.chain[entry & ~_FLAGS])
            entry = next(page)

    def copies(self) -> Iterator[tuple[int, int]]:
        """Yield (source, destination) of each page in the order of the jump."""
        to = 0
        for entry in self.entries():
            if entry & DESTINATION:
                to = entry & ~_FLAGS
            elif entry & SOURCE:
                yield entry & ~_FLAGS, to
                to += PAGE_SIZE


def load_normal_image(destinations: Sequence[MemRange], free_pages: Iterator[int]) -> LoadedImage:
    """Load a normal image with pages from an allocator.

    Args:
        destinations: The segments, whole pages, disjoint.
        free_pages: Addresses of free pages in the order in which the allocator gives them; each once.

    Returns:
        The image with its entries.

    Raises:
        OutOfPagesError: The allocator ran dry.
    """
    loader = _Loader(LoadedImage(tuple(destinations)), free_pages)
    for segment in destinations:
        loader.add(segment.start | DESTINATION)
        for at in range(segment.start, segment.end, PAGE_SIZE):
            loader.add(loader.page(at) | SOURCE)
    loader.finish()
    return loader.image


class _Loader:
    def __init__(self, image: LoadedImage, free_pages: Iterator[int]) -> None:
        self.image = image
        self.free = free_pages
        self.words: list[int] = []
        self.next_destination = 0
        # Address of a source page to the page of entries and the word where it stands.
        self.where: dict[int, tuple[list[int], int]] = {}

    def add(self, entry: int) -> None:
        # kimage_add_entry(): the last word of a page is for the link.
        if not self.image.chain or len(self.words) == ENTRIES_PER_PAGE:
            self._new_page()
        self.words.append(entry)
        if entry & DESTINATION:
            self.next_destination = entry & ~_FLAGS
        else:
            self.where[self.next_destination] = (self.words, len(self.words) - 1)
            self.next_destination += PAGE_SIZE

    def finish(self) -> None:
        if self.image.chain:
            self.words.append(DONE)
        else:
            self.image.head = DONE

    def _new_page(self) -> None:
        page = self.page(None)
        if self.image.chain:
            self.words.append(page | INDIRECTION)
        else:
            self.image.head = page | INDIRECTION
        self.words = []
        self.image.chain[page] = self.words

    def page(self, wanted: int | None) -> int:
        # kimage_alloc_page()
        if wanted in self.image.parked:
            self.image.parked.remove(wanted)
            return wanted
        for page in self.free:
            if page == wanted or not any(d.holds(page) for d in self.image.destinations):
                return page
            used = self.where.get(page)
            if used is None:
                self.image.parked.append(page)
                continue
            words, at = used
            old, words[at] = words[at] & ~_FLAGS, page | SOURCE
            self.image.moved += 1
            return old
        raise OutOfPagesError("no free page is left for the image")
