"""The guest whose addresses were recorded on real kernels: 3 GiB, 256 MiB crash kernel, one CPU."""

from kexeckit.kernel.behaviour.loading import behaviour_of
from kexeckit.kernel.load.file_load_inputs import FileLoadKernel, FileLoadMachine, X86Image
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.resource import Resource, ResourceTree

CRASH = MemRange.from_inclusive(0xAE000000, 0xBDFFFFFF)
LOW_RAM = Resource(MemRange.from_inclusive(0x1000, 0x9FBFF), "System RAM")


def main_ram(*children: Resource) -> Resource:
    """The RAM above 1 MiB of a guest with 3 GiB."""
    return Resource(MemRange.from_inclusive(0x100000, 0xBFFDFFFF), "System RAM", children)


MACHINE = FileLoadMachine(ResourceTree((LOW_RAM, main_ram(Resource(CRASH, "Crash kernel")))))
IMAGES = {
    "6.1": X86Image(14149568, 39, 0x3378000, 0x200000, 0x1000000, 2047),
    "6.12.107": X86Image(11708352, 39, 0x37DD000, 0x200000, 0x1000000, 2047),
}


def kernel(version: str) -> FileLoadKernel:
    """A Debian kernel with one CPU."""
    return FileLoadKernel(behaviour_of(parse_kernel_version(version)), possible_cpus=1, present_cpus=1)
