"""The copy at the jump, with an allocator that hands out pages in any order."""

from hypothesis import given
from hypothesis import strategies as st

from kexeckit.kernel.load.kimage import indirection_pages
from kexeckit.kernel.load.kimage_pages import LoadedImage, load_normal_image
from kexeckit.memory.range import MemRange
from strategies import range_sets

PAGE = 4096
SPACE = 48


@st.composite
def loads(draw: st.DrawFn) -> LoadedImage:
    """A load into a small memory: free pages in any order, destinations among them or not."""
    toy = draw(range_sets(SPACE))
    destinations = [MemRange(r.start * PAGE, r.end * PAGE) for r in toy]
    # Enough pages beyond the toy memory that the load always ends.
    inside = draw(st.lists(st.integers(0, SPACE - 1), unique=True))
    order = draw(st.permutations([*inside, *range(1000, 1000 + 2 * SPACE)]))
    return load_normal_image(destinations, iter([p * PAGE for p in order]))


def jump(image: LoadedImage, exchange: bool) -> dict[int, str]:
    """Memory after the jump: every source page holds what its destination shall get."""
    copies = list(image.copies())
    memory = {source: f"content of {to:#x}" for source, to in copies}
    for source, to in copies:
        content = memory[source]
        if exchange:
            memory[source] = memory.get(to, "old")
        memory[to] = content
    return memory


@given(loads(), st.booleans())
def test_every_destination_gets_its_content(image: LoadedImage, exchange: bool) -> None:
    """Copying in the order of the entries, or exchanging, as old kernels do."""
    memory = jump(image, exchange)
    for d in image.destinations:
        for at in range(d.start, d.end, PAGE):
            assert memory[at] == f"content of {at:#x}"


@given(loads())
def test_no_intermediate_page_sits_on_a_destination(image: LoadedImage) -> None:
    """A source page is its own destination or none at all; pages of entries are none."""
    for source, to in image.copies():
        assert source == to or not any(d.holds(source) for d in image.destinations)
    for page in image.chain:
        assert not any(d.holds(page) for d in image.destinations)


@given(loads())
def test_number_of_entry_pages_is_the_closed_form(image: LoadedImage) -> None:
    """Whatever the allocator did."""
    assert len(image.chain) == indirection_pages(image.destinations)
    assert len({source for source, _ in image.copies()}) == sum(d.size for d in image.destinations) // PAGE
