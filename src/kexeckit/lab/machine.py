"""Descriptions of guest machines, and the QEMU command line that each one means.

A pure part of the lab: values in, words out. No file is opened and nothing is started here.
Source: qemu-system(1), sections "Standard options" and "Block device options"; docs/system/i386/pc.rst.
"""

from dataclasses import dataclass, field
from pathlib import Path

__all__ = [
    "ARM64_EFI_FIRMWARE",
    "EFI_FIRMWARE",
    "Machine",
    "MachineFiles",
    "NumaNode",
    "channel_device",
    "kernel_command_line",
    "kernel_words",
    "qemu_command",
]

_MIB = 1 << 20
EFI_FIRMWARE = ("-bios", "/usr/share/ovmf/OVMF.fd")
"""Arguments that give a PC EFI firmware, from Debian's package ovmf."""

ARM64_EFI_FIRMWARE = ("-bios", "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd")
"""The same for arm64's virt machine, from Debian's package qemu-efi-aarch64."""


@dataclass(frozen=True, slots=True)
class NumaNode:
    """One NUMA node of a guest.

    Attributes:
        memory: Bytes of RAM; 0 makes a node without memory.
        cpus: How many CPUs it has; 0 makes a node without CPUs.
    """

    memory: int
    cpus: int = 0

    def __post_init__(self) -> None:
        if self.memory < 0 or self.memory % _MIB or self.cpus < 0:
            raise ValueError(f"a node has whole MiB of memory and no negative counts: {self}")


@dataclass(frozen=True, slots=True)
class Machine:
    """A guest machine and the kernel that it boots first.

    Attributes:
        kernel: Kernel image.
        arch: ``x86_64`` or ``arm64``.
        memory: Bytes of RAM, whole MiB; the sum of the nodes where there are nodes, and then 0 is fine.
        cpus: Number of CPUs; the sum of the nodes' where there are nodes.
        nodes: NUMA nodes in the order of their numbers; none means no SRAT.
        append: Words for the kernel command line, after those that every guest gets.
        kaslr: Leave address randomisation on.
        quiet: Keep boot messages off the console; the report has them all anyway, and it is faster.
        cpu_model: QEMU's ``-cpu``; None for the lab's choice.
        machine_type: QEMU's ``-machine``, e.g. ``q35``; None for the lab's choice.
        machine_options: More QEMU machine properties, e.g. ``("max-ram-below-4g=1G",)``.
        slots: DIMM slots for memory hotplug; needs max_memory.
        max_memory: Bytes up to which memory can be plugged; 0 for no hotplug.
        extra: More QEMU arguments (devices, drives, firmware), as they are.
        gdb: Offer QEMU's gdb stub on a socket.
        paused: Do not start the CPUs until told to.
        kvm: Use the host's hardware virtualisation instead of emulation.
    """

    kernel: Path
    arch: str = "x86_64"
    memory: int = 1 << 30
    cpus: int = 1
    nodes: tuple[NumaNode, ...] = ()
    append: str = ""
    kaslr: bool = False
    quiet: bool = True
    cpu_model: str | None = None
    machine_type: str | None = None
    machine_options: tuple[str, ...] = ()
    slots: int = 0
    max_memory: int = 0
    extra: tuple[str, ...] = ()
    gdb: bool = False
    paused: bool = False
    kvm: bool = False

    def __post_init__(self) -> None:
        if self.arch not in _ARCHES:
            raise ValueError(f"no lab machine for architecture {self.arch!r}, only {', '.join(_ARCHES)}")
        if self.nodes:
            # The dataclass is frozen; a total beside its parts could only disagree with them.
            object.__setattr__(self, "memory", sum(node.memory for node in self.nodes))
            object.__setattr__(self, "cpus", max(1, sum(node.cpus for node in self.nodes)))
        if self.memory <= 0 or self.memory % _MIB:
            raise ValueError(f"the memory of a guest is a positive number of whole MiB, not {self.memory} bytes")
        if self.cpus < 1:
            raise ValueError("a guest has at least one CPU")
        if bool(self.slots) != bool(self.max_memory):
            raise ValueError("memory hotplug needs both slots and max_memory")


@dataclass(frozen=True, slots=True)
class MachineFiles:
    """Where one run of a machine keeps its files.

    Attributes:
        folder: A private folder; everything below is in it.
    """

    folder: Path
    initrd: Path = field(init=False)
    console: Path = field(init=False)
    channel: Path = field(init=False)
    monitor: Path = field(init=False)
    gdb: Path = field(init=False)

    def __post_init__(self) -> None:
        for name in ("initrd", "console", "channel", "monitor", "gdb"):
            object.__setattr__(self, name, self.folder / name)


# What differs by architecture: program, machine type, CPU model, console device, record channel device in the guest.
@dataclass(frozen=True, slots=True)
class _Arch:
    program: str
    machine: str
    cpu: str
    console: str
    channel: str


# arm64's virt machine has a single UART, so the channel is a 16550 on PCI there, which every kernel under
# test has built in (virtio consoles are modules in the older ones).
_ARCHES = {
    "x86_64": _Arch("qemu-system-x86_64", "pc", "max", "ttyS0", "ttyS1"),
    "arm64": _Arch("qemu-system-aarch64", "virt,gic-version=3", "cortex-a72", "ttyAMA0", "ttyS0"),
}


def channel_device(arch: str) -> str:
    """Name the device in a guest whose output becomes records, e.g. ``/dev/ttyS1``."""
    return f"/dev/{_ARCHES[arch].channel}"


def kernel_words(machine: Machine) -> str:
    """Return the command line words that any kernel wants in a machine of this kind, the second one too.

    ``panic=-1`` restarts at once, which ends QEMU: a guest that panics with nobody to take over does not
    hang. ``no_timer_check``: on a busy host emulated time stands still long enough for the kernel to find
    that its timer does not work, and to panic. The rest saves time and moves no memory.

    Source: Documentation/admin-guide/kernel-parameters.txt.
    """
    words = [f"console={_ARCHES[machine.arch].console}", "panic=-1"]
    words += ["no_timer_check"] if machine.arch == "x86_64" else []
    words += ["mitigations=off", "cryptomgr.notests"]
    words += ["quiet"] if machine.quiet else []
    words += [] if machine.kaslr else ["nokaslr"]
    return " ".join(words)


def kernel_command_line(machine: Machine) -> str:
    """Compose the command line of the first kernel: what every guest gets, then the machine's own words."""
    return f"{kernel_words(machine)} {machine.append}".strip()


def qemu_command(machine: Machine, files: MachineFiles) -> list[str]:
    """Return the program and arguments that run a machine.

    Args:
        machine: What to run.
        files: Where its initrd lies and its console, channel and sockets will be.
    """
    arch = _ARCHES[machine.arch]
    command = [arch.program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    command += ["-accel", "kvm" if machine.kvm else "tcg"]
    command += ["-cpu", _cpu(machine)]
    command += _memory(machine, arch)
    command += ["-smp", str(machine.cpus)]
    command += ["-serial", f"file:{files.console}"]
    command += _channel(machine, files)
    command += ["-qmp", f"unix:{files.monitor},server=on,wait=off"]
    command += ["-gdb", f"unix:{files.gdb},server=on,wait=off"] if machine.gdb else []
    command += ["-S"] if machine.paused else []
    command += ["-kernel", str(machine.kernel), "-initrd", str(files.initrd)]
    command += ["-append", kernel_command_line(machine)]
    return [*command, *machine.extra]


# cx16=off: until QEMU 8.0 emulated cmpxchg16b computes the flags without storing the translator's condition code first
# (target/i386/tcg, gen_cmpxchg16b() and its helper). The garbage shows when an interrupt comes at that very
# instruction: now and then a boot of a 6.x kernel, whose slab allocator uses it, panics.
def _cpu(machine: Machine) -> str:
    model = machine.cpu_model or ("host" if machine.kvm else _ARCHES[machine.arch].cpu)
    emulated_x86 = machine.arch == "x86_64" and not machine.kvm
    return f"{model},cx16=off" if emulated_x86 and "cx16" not in model else model


# Memory backends with reserve=off let a guest be larger than its host: pages cost something once touched.
def _memory(machine: Machine, arch: _Arch) -> list[str]:
    properties = [machine.machine_type or arch.machine, *machine.machine_options]
    size = f"{machine.memory // _MIB}M"
    if machine.slots:
        size += f",slots={machine.slots},maxmem={machine.max_memory // _MIB}M"
    if machine.nodes:
        return ["-machine", ",".join(properties), "-m", size, *_numa(machine.nodes)]
    backend = _backend("ram", machine.memory)
    return ["-machine", ",".join([*properties, "memory-backend=ram"]), "-m", size, *backend]


def _backend(name: str, size: int) -> list[str]:
    return ["-object", f"memory-backend-ram,id={name},size={size // _MIB}M,reserve=off"]


def _numa(nodes: tuple[NumaNode, ...]) -> list[str]:
    command: list[str] = []
    cpu = 0
    # QEMU wants each CPU in some node: where none claims one, node 0 has the only one.
    counts = [node.cpus for node in nodes]
    if not any(counts):
        counts[0] = 1
    for number, (node, count) in enumerate(zip(nodes, counts, strict=True)):
        words = ["node", f"nodeid={number}"]
        if count:
            words.append(f"cpus={cpu}" if count == 1 else f"cpus={cpu}-{cpu + count - 1}")
            cpu += count
        if node.memory:
            command += _backend(f"ram{number}", node.memory)
            words.append(f"memdev=ram{number}")
        command += ["-numa", ",".join(words)]
    return command


def _channel(machine: Machine, files: MachineFiles) -> list[str]:
    if machine.arch == "x86_64":
        return ["-serial", f"file:{files.channel}"]
    return ["-chardev", f"file,id=channel,path={files.channel}", "-device", "pci-serial,chardev=channel"]
