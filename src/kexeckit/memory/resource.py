"""`ResourceTree`: the nested view of physical addresses (what /proc/iomem is).

A resource contains its children: "System RAM" *contains* "Kernel code" and "Crash kernel", and these bytes are RAM
too. So each conversion to a flat form has a name that says what it does:

    System RAM    |------------------------------------|
      Kernel code      |-----|
      Crash kernel                 |--------|
    ram()         |------------------------------------|      what PT_LOADs of a dump are made from
    crash_regions()                |--------|                 where a capture kernel is loaded
    flatten()     |ram | code|ram  | crash  |    ram   |      the innermost name of each byte

Source: kernel/resource.c; names from arch/x86/kernel/e820.c and arch/*/kernel/setup.c.
"""

from collections.abc import Iterator

from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet

SYSTEM_RAM = "System RAM"
CRASH_KERNEL = "Crash kernel"
CRASH_KERNEL_LOW = "Crash kernel (low)"


@dataclass(frozen=True, slots=True)
class Resource:
    """A named range and the resources inside it.

    Attributes:
        range: Addresses, half-open.
        name: As the kernel prints it.
        children: In file order. Normally sorted and inside `range`; real files do not always keep to that.
    """

    range: MemRange
    name: str
    children: "tuple[Resource, ...]" = ()

    def walk(self, depth: int = 0) -> "Iterator[tuple[int, Resource]]":
        """Yield this resource and all below it in file order, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)


@dataclass(frozen=True, slots=True)
class ResourceTree:
    """The top-level resources in file order."""

    roots: tuple[Resource, ...] = ()

    def walk(self) -> Iterator[tuple[int, Resource]]:
        """Yield every resource in file order with its depth (0 for the top level)."""
        for root in self.roots:
            yield from root.walk()

    def named(self, *names: str) -> list[Resource]:
        """Return the resources of exactly these names, at any depth, in file order."""
        return [r for _, r in self.walk() if r.name in names]

    def ranges(self, *names: str) -> RangeSet:
        """Return the addresses of the resources of these names, children included."""
        return RangeSet(r.range for r in self.named(*names))

    def ram(self) -> RangeSet:
        """Return the top-level "System RAM", with everything that lies in it."""
        return RangeSet(r.range for r in self.roots if r.name == SYSTEM_RAM)

    def crash_regions(self) -> tuple[MemRange, ...]:
        """Return every crash kernel reservation, lowest first."""
        return tuple(sorted(r.range for r in self.named(CRASH_KERNEL, CRASH_KERNEL_LOW)))

    def flatten(self) -> list[tuple[MemRange, str]]:
        """Return each byte's innermost name, sorted by address; touching pieces stay apart."""
        out: list[tuple[MemRange, str]] = []
        for root in self.roots:
            _flatten(root, out)
        return sorted(out)


def _flatten(resource: Resource, out: list[tuple[MemRange, str]]) -> None:
    # What the children leave over keeps the parent's name.
    rest = RangeSet((resource.range,)) - RangeSet(c.range for c in resource.children)
    out.extend((r, resource.name) for r in rest)
    for child in resource.children:
        _flatten(child, out)
