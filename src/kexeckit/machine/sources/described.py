"""From a machine that somebody described, in TOML or in a line of words, to a `Machine`.

What is described as memory is what the kernel knows as memory: it stands for "Early memory node ranges".
"""

from typing import TypeVar

from kexeckit.formats.bootlog.memory import NodeRange
from kexeckit.formats.machine_toml import MachineDescription
from kexeckit.formats.srat import MemoryAffinity, Srat
from kexeckit.machine.arch import kernel_arch
from kexeckit.machine.fact import Fact, How
from kexeckit.machine.value import BootFacts, EfiFacts, KernelFacts, Machine, MemoryFacts, NodeFacts

T = TypeVar("T")


def machine_from_description(description: MachineDescription, source: str) -> Machine:
    """Return a machine that was described by hand; all of it is stated."""
    ranges = tuple(NodeRange(n.nid, r, 0) for n in description.nodes for r in n.memory)
    affinities: list[MemoryAffinity] = []
    for node in description.nodes:
        hot = node.memory & node.hotpluggable
        affinities += [MemoryAffinity(node.nid, r, hotplug=True) for r in hot]
        affinities += [MemoryAffinity(node.nid, r) for r in node.memory - hot]
    srat = Srat(tuple(affinities), tuple(n.nid for n in description.nodes))
    limit, dma = description.dma_limit, description.zone_dma
    return Machine(
        source=source,
        kind="described",
        kernel=KernelFacts(
            arch=_stated(kernel_arch(description.arch), source) if description.arch else None,
            release=_stated(description.kernel, source) if description.kernel else None,
            cmdline=_stated(description.cmdline, source),
            page_size=_stated(description.page_size, source),
            zone_dma=None if dma is None else _stated(dma, source),
        ),
        boot=BootFacts(initrd=Fact(None, source, how=How.STATED)),
        memory=MemoryFacts(
            ranges=_stated(tuple(sorted(ranges, key=lambda r: r.range)), source),
            dma_limit=None if limit is None else _stated(limit, source),
        ),
        nodes=NodeFacts(srat=_stated(srat, source)),
        efi=EfiFacts(
            mirrored=_stated(description.mirrored, source) if description.mirrored else None,
            mirror_whole=Fact(value=True, source=source, how=How.STATED),
        ),
    )


def _stated(value: T, source: str) -> Fact[T]:
    return Fact(value, source, how=How.STATED)
