"""/proc/iomem: text to `ResourceTree`.

A line is ``<two spaces per depth><first>-<last> : <name>`` with inclusive hexadecimal addresses. The name may hold
anything, also further colons ("PCI Bus 0001:01"). Every line becomes a resource or an error; the parser skips
nothing but blank lines.

Source: kernel/resource.c, r_show() and seq_file's MAX_IORES_LEVEL.
"""

import re
from dataclasses import dataclass, field

from kexeckit.errors import InputError, MaskedAddressesError
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import Resource, ResourceTree

_LINE = re.compile(r"^(?P<indent>[ \t]*)(?P<first>[0-9a-fA-F]{1,16})-(?P<last>[0-9a-fA-F]{1,16}) : (?P<name>.*)$")
_EXPECTED = "a line like '00100000-bffdffff : System RAM'"
# The kernel indents eight levels at most (MAX_IORES_LEVEL); far more than that is no iomem.
_DEEPEST = 100
_RESOURCE = re.compile(r"^\s*[0-9a-f]{8,16}-[0-9a-f]{8,16} : ")
_HEAD = 16384


@dataclass(slots=True)
class _Node:
    # A resource under construction: children arrive on later lines.
    range: MemRange
    name: str
    depth: int
    children: "list[_Node]" = field(default_factory=list)

    def frozen(self) -> Resource:
        return Resource(self.range, self.name, tuple(c.frozen() for c in self.children))


def parse_iomem(text: str, source: str = "/proc/iomem") -> ResourceTree:
    """Read the text of /proc/iomem.

    Args:
        text: The whole file; CRLF and tabs for two spaces are accepted.
        source: How messages name it.

    Raises:
        MaskedAddressesError: Every address is zero: read without CAP_SYS_ADMIN.
        InputError: A line is no entry, or its end lies before its start; or there is no entry at all.
    """
    lines = [(n, line.rstrip("\r")) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise InputError(source, "the file holds no entry", expected=_EXPECTED)
    matches = [(n, _matched(line, source, n)) for n, line in lines]
    if all(int(m["first"], 16) == int(m["last"], 16) == 0 for _, m in matches):
        raise MaskedAddressesError(
            source,
            "all addresses are zero: the kernel hides them from readers without CAP_SYS_ADMIN",
            remedy="read it as root",
        )
    return _nested([(n, _node(m, source, n)) for n, m in matches], source)


def looks_like_iomem(text: str) -> bool:
    """Say whether most of a file's first lines are resources, as in /proc/iomem."""
    lines = [line for line in text[:_HEAD].splitlines()[:60] if line.strip()]
    hits = sum(1 for line in lines if _RESOURCE.match(line))
    return bool(lines) and 2 * hits > len(lines)


def _matched(line: str, source: str, number: int) -> re.Match[str]:
    found = _LINE.match(line)
    if not found:
        raise InputError(source, f"not an entry: {_shown(line)}", expected=_EXPECTED, line=number)
    return found


def _node(found: re.Match[str], source: str, number: int) -> _Node:
    first, last = int(found["first"], 16), int(found["last"], 16)
    if last < first:
        raise InputError(source, f"the end {last:#x} lies before the start {first:#x}", line=number)
    depth = len(found["indent"].replace("\t", "  ")) // 2
    return _Node(MemRange.from_inclusive(first, last), found["name"], depth)


def _nested(nodes: list[tuple[int, _Node]], source: str) -> ResourceTree:
    roots: list[_Node] = []
    open_nodes: list[_Node] = []
    for number, node in nodes:
        while open_nodes and open_nodes[-1].depth >= node.depth:
            open_nodes.pop()
        (open_nodes[-1].children if open_nodes else roots).append(node)
        open_nodes.append(node)
        if len(open_nodes) > _DEEPEST:
            raise InputError(source, f"nested deeper than {_DEEPEST} levels", expected=_EXPECTED, line=number)
    return ResourceTree(tuple(r.frozen() for r in roots))


def _shown(line: str, width: int = 60) -> str:
    # Any bytes can be in a file: show them so that they cannot act on a terminal.
    return ascii(line if len(line) <= width else line[:width] + "...")
