"""From a listing of /proc/iomem to a partial `Machine`: resources, and with them crash regions and the kernel image."""

from kexeckit.machine.fact import Fact, How
from kexeckit.machine.value import KernelFacts, Machine, MemoryFacts
from kexeckit.memory.resource import ResourceTree

# Names that only one architecture's kernel gives: arch/x86/kernel/e820.c, apic/, pci/. arm64's kernel/setup.c prints
# "reserved" in lower case, inside System RAM too.
_X86 = (
    "Reserved",
    "ACPI Tables",
    "ACPI Non-volatile Storage",
    "Local APIC",
    "IOAPIC 0",
    "HPET 0",
    "System ROM",
    "Video ROM",
    "PCI Bus 0000:00",
)


def machine_from_iomem(tree: ResourceTree, source: str) -> Machine:
    """Return what a listing shows."""
    arch = arch_of_resources(tree)
    return Machine(
        source=source,
        kind="iomem",
        kernel=KernelFacts(arch=Fact(arch, source, how=How.DERIVED) if arch else None),
        memory=MemoryFacts(resources=Fact(tree, source)),
    )


def arch_of_resources(tree: ResourceTree) -> str:
    """Return the architecture that names in a listing betray, or an empty text."""
    names = {r.name for _, r in tree.walk()}
    inside = {child.name for root in tree.roots if root.name == "System RAM" for child in root.children}
    if names.intersection(_X86[:-1]):
        return "x86_64"
    if "reserved" in inside:
        return "arm64"
    return "x86_64" if names.intersection(_X86) else ""
