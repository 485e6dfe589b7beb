"""Nodes of memory the slow way: page by page, as a second opinion for property tests.

Nothing is shared with the code under test. Memory and reservations are sets of page numbers, affinities are tuples
(node, first page, page after the last one, hot-pluggable).
"""

Affinity = tuple[int, int, int, bool]
Run = tuple[int, int, int | None, bool]


def closed(memory: set[int], affinities: list[Affinity]) -> dict[int, int] | None:
    """Give each page from the first to the last page of memory its node; None where two nodes claim one page.

    A page that nobody claims belongs to the node on both sides of it.
    """
    claims: dict[int, int] = {}
    for node, first, end, _ in affinities:
        if not memory & set(range(first, end)):
            continue
        for page in range(first, end):
            if claims.setdefault(page, node) != node:
                return None
    inside = {p: n for p, n in claims.items() if min(memory) <= p <= max(memory)}
    out = dict(inside)
    for page in range(min(memory), max(memory) + 1):
        below = [p for p in inside if p <= page]
        above = [p for p in inside if p >= page]
        if below and above and inside[max(below)] == inside[min(above)]:
            out[page] = inside[max(below)]
    return out


def painted(affinities: list[Affinity]) -> dict[int, int]:
    """Give each page the node that claims it last."""
    return {page: node for node, first, end, _ in affinities for page in range(first, end)}


def runs(memory: set[int], affinities: list[Affinity], owner: dict[int, int], reserved: set[int] | None) -> list[Run]:
    """Return the longest runs of pages of memory that are alike: (first, end, node, hot-pluggable).

    Args:
        memory: Pages.
        affinities: For the marks.
        owner: Page -> node.
        reserved: Pages that take the mark from their node, or None where nothing does.
    """
    marked = {
        p for _, first, end, hot in affinities if hot and memory & set(range(first, end)) for p in range(first, end)
    }
    held = {owner.get(p) for p in reserved or ()}
    out: list[Run] = []
    for page in sorted(memory):
        node = owner.get(page)
        kind = (node, page in marked and node is not None and node not in held)
        if out and out[-1][1] == page and out[-1][2:] == kind:
            out[-1] = (out[-1][0], page + 1, *kind)
        else:
            out.append((page, page + 1, *kind))
    return out
