"""Machine descriptions and the QEMU command lines they mean."""

from itertools import pairwise
from pathlib import Path

import pytest

from kexeckit.lab.machine import Machine, MachineFiles, NumaNode, kernel_command_line, qemu_command

GIB = 1 << 30
KERNEL = Path("/k/vmlinuz")


def _command(machine: Machine) -> list[str]:
    return qemu_command(machine, MachineFiles(Path("/run")))


def _values(command: list[str], option: str) -> list[str]:
    return [value for word, value in pairwise(command) if word == option]


def test_plain_machine() -> None:
    """Emulated, headless, ending at a restart; console and records on two serial ports."""
    command = _command(Machine(KERNEL, memory=3 * GIB, cpus=2, append="crashkernel=256M"))
    assert command[0] == "qemu-system-x86_64"
    assert {"-nodefaults", "-no-reboot"} < set(command)
    assert _values(command, "-accel") == ["tcg"]
    assert _values(command, "-machine") == ["pc,memory-backend=ram"]
    assert _values(command, "-m") == ["3072M"]
    assert _values(command, "-object") == ["memory-backend-ram,id=ram,size=3072M,reserve=off"]
    assert _values(command, "-smp") == ["2"]
    assert _values(command, "-serial") == ["file:/run/console", "file:/run/channel"]
    assert _values(command, "-kernel") == ["/k/vmlinuz"]
    assert _values(command, "-initrd") == ["/run/initrd"]
    assert _values(command, "-append")[0].endswith(" crashkernel=256M")


def test_arm64_machine() -> None:
    """The virt machine has one UART, so records leave through a PCI one."""
    command = _command(Machine(KERNEL, arch="arm64"))
    assert command[0] == "qemu-system-aarch64"
    assert _values(command, "-machine") == ["virt,gic-version=3,memory-backend=ram"]
    assert _values(command, "-cpu") == ["cortex-a72"]
    assert _values(command, "-serial") == ["file:/run/console"]
    assert _values(command, "-device") == ["pci-serial,chardev=channel"]


def test_numa_nodes_have_their_own_memory() -> None:
    """Uneven nodes, one without memory and one without CPUs, in their order."""
    nodes = (NumaNode(GIB, 2), NumaNode(0, 1), NumaNode(GIB // 2))
    machine = Machine(KERNEL, memory=0, nodes=nodes)
    command = _command(machine)
    assert (machine.memory, machine.cpus) == (GIB * 3 // 2, 3)
    assert _values(command, "-numa") == [
        "node,nodeid=0,cpus=0-1,memdev=ram0",
        "node,nodeid=1,cpus=2",
        "node,nodeid=2,memdev=ram2",
    ]
    assert _values(command, "-machine") == ["pc"]


def test_nodes_without_any_cpu_get_one_in_the_first() -> None:
    """QEMU places each CPU in some node."""
    command = _command(Machine(KERNEL, nodes=(NumaNode(GIB), NumaNode(GIB))))
    assert _values(command, "-numa")[0] == "node,nodeid=0,cpus=0,memdev=ram0"
    assert _values(command, "-smp") == ["1"]


def test_hotplug_slots() -> None:
    """Memory can be plugged up to a limit."""
    command = _command(Machine(KERNEL, slots=2, max_memory=4 * GIB))
    assert _values(command, "-m") == ["1024M,slots=2,maxmem=4096M"]


def test_options_of_a_run() -> None:
    """The gdb stub, a stopped start, hardware virtualisation and free words are each taken over."""
    machine = Machine(KERNEL, gdb=True, paused=True, kvm=True, machine_options=("hpet=off",), extra=("-device", "edu"))
    command = _command(machine)
    assert _values(command, "-gdb") == ["unix:/run/gdb,server=on,wait=off"]
    assert "-S" in command
    assert _values(command, "-accel") == ["kvm"]
    assert _values(command, "-cpu") == ["host"]
    assert _values(command, "-machine") == ["pc,hpet=off,memory-backend=ram"]
    assert command[-2:] == ["-device", "edu"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [(None, "max,cx16=off"), ("qemu64,-la57", "qemu64,-la57,cx16=off"), ("max,cx16=on", "max,cx16=on")],
)
def test_emulated_x86_avoids_cmpxchg16b(model: str | None, expected: str) -> None:
    """The instruction whose emulation is unsound is off, unless somebody asks for it."""
    assert _values(_command(Machine(KERNEL, cpu_model=model)), "-cpu") == [expected]


def test_kernel_command_line() -> None:
    """Randomisation is off and the console quiet unless asked for otherwise."""
    words = kernel_command_line(Machine(KERNEL, append="a=b")).split()
    assert {"console=ttyS0", "panic=-1", "quiet", "nokaslr", "no_timer_check"} < set(words)
    assert words[-1] == "a=b"
    open_words = kernel_command_line(Machine(KERNEL, arch="arm64", kaslr=True, quiet=False)).split()
    assert "console=ttyAMA0" in open_words
    assert not {"quiet", "nokaslr", "no_timer_check"}.intersection(open_words)


@pytest.mark.parametrize(
    "wrong",
    [
        {"arch": "vax"},
        {"memory": 0},
        {"memory": GIB + 1},
        {"cpus": 0},
        {"slots": 1},
        {"max_memory": GIB},
        {"memory": 0, "nodes": (NumaNode(0, 1),)},
    ],
)
def test_impossible_machines_are_refused(wrong: dict[str, object]) -> None:
    """A description that QEMU could not run cannot be made."""
    with pytest.raises(ValueError, match=r"."):
        Machine(KERNEL, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", [-1, 4096])
def test_impossible_nodes_are_refused(memory: int) -> None:
    """A node has whole MiB."""
    with pytest.raises(ValueError, match="whole MiB"):
        NumaNode(memory)
