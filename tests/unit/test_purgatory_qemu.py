"""The real code on an emulated machine: it enters what is intact, in the promised state, and nothing else."""

import hashlib
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kexeckit.purgatory import DigestRegion, OnDamage, load_purgatory
from purgatory_machine import Machine, Outcome, make_machine

pytestmark = pytest.mark.lab

# Well above the stand-in loader at 1 MiB, well below the firmware's tables at the end of low RAM.
PURGATORY = 0x0200_1000
KERNEL = 0x0300_0000
DATA = 0x0400_0000
BOOT_PARAMS = 0x0123_4560
COM1 = 0x3F8
NOISE = random.Random(1).randbytes(70_000)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """QEMU with the two stand-in kernels."""
    return make_machine(tmp_path)


def region(name: str, start: int, content: bytes) -> DigestRegion:
    """A region with the digest of what should be there."""
    return DigestRegion(name, start, len(content), hashlib.sha256(content).digest())


def run(
    machine: Machine,
    regions: Sequence[DigestRegion],
    *,
    at: int = PURGATORY,
    kernel_at: int = KERNEL,
    data: bytes = NOISE,
    damage: Sequence[int] = (),
    options: tuple[str, ...] = (),
    **patch: Any,
) -> Outcome:
    """Runs the shipped purgatory over the kernel and the data, with one bit flipped at each address of ``damage``."""
    values = {"boot_params": BOOT_PARAMS, "kernel_entry": kernel_at + 0x200, "serial_port": COM1}
    code = load_purgatory("x86_64").patched(**(values | {"regions": regions} | patch))
    memory = {at: bytearray(code), kernel_at: bytearray(machine.kernel), DATA: bytearray(data)}
    for address in damage:
        (start,) = (start for start, content in memory.items() if start <= address < start + len(content))
        memory[start][address - start] ^= 0x10
    return machine.run(at, {start: bytes(content) for start, content in memory.items()}, options=options)


def damaged_names(outcome: Outcome) -> list[str]:
    """The segments that the report names, in its order."""
    return re.findall(r'^kexeckit purgatory: segment "([^"]+)" at 0x', outcome.serial, flags=re.MULTILINE)


# Lengths around the edges of SHA-256 blocks, each beginning at another alignment: 16 regions.
LENGTHS = (0, 1, 3, 55, 56, 57, 63, 64, 65, 118, 119, 120, 127, 128, 129)
EDGES = [region(f"edge{n}", DATA + 4097 * i + i, NOISE[4097 * i + i :][:n]) for i, n in enumerate(LENGTHS)]


@pytest.mark.parametrize(
    ("at", "kernel_at"), [(PURGATORY, KERNEL), (0x1_2345_6000, 0x1_4000_0000), (0x0009_0000, 0x0100_0000)]
)
def test_intact_kernel_is_entered_in_the_promised_state(machine: Machine, at: int, kernel_at: int) -> None:
    """At any address, all registers are as the 64-bit boot protocol asks, and nothing is printed."""
    outcome = run(machine, [region("kernel", kernel_at, machine.kernel)], at=at, kernel_at=kernel_at)
    found = dict(outcome.registers)
    assert outcome.how == "entered"
    assert outcome.serial == ""
    assert found.pop("rsi") == BOOT_PARAMS
    assert at < found.pop("rsp") <= at + len(load_purgatory("x86_64").code)
    assert found.pop("rflags") & 0x600 == 0, "interrupts off, direction flag clear"
    assert (found.pop("cs"), *(found.pop(name) for name in ("ds", "es", "ss"))) == (0x10, 0x18, 0x18, 0x18)
    # Paging and the FPU's prohibition are as the stand-in loader left them; QEMU shows CR0.ET as set.
    assert (found.pop("cr0") & ~0x10, found.pop("cr4")) == (0x8001_000D, 0x20)
    assert found.pop("cr3") % 4096 == 0
    assert len(found) == 16
    assert set(found.values()) == {0}


def test_sixteen_regions_of_all_lengths_are_intact(machine: Machine) -> None:
    """Every length around a block's edge, at odd addresses, passes; the announcement counts the regions."""
    outcome = run(machine, [*EDGES, region("kernel", KERNEL, machine.kernel)], announce=True)
    assert outcome.how == "entered"
    assert outcome.serial == "kexeckit purgatory: segments checked: 16, all intact; entering 0x3000200\n"


@pytest.mark.parametrize("which", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
def test_each_damaged_region_is_found(machine: Machine, which: int) -> None:
    """One flipped bit in the last byte of any one region is found, named, and the kernel is not entered."""
    target = EDGES[which]
    outcome = run(
        machine, [*EDGES, region("kernel", KERNEL, machine.kernel)], damage=[target.start + target.length - 1]
    )
    assert outcome.how == "halted"
    assert outcome.registers == {}
    assert damaged_names(outcome) == [target.name]


def test_report_says_what_and_where(machine: Machine) -> None:
    """The line has the segment's name, address, size, both digests and the consequence."""
    kernel = region("kernel", KERNEL, machine.kernel)
    outcome = run(machine, [kernel], damage=[KERNEL])
    found = hashlib.sha256(bytes([machine.kernel[0] ^ 0x10]) + machine.kernel[1:]).hexdigest()
    assert outcome.serial == (
        f'kexeckit purgatory: segment "kernel" at 0x3000000 ({kernel.length} bytes) is damaged: '
        f"sha256 expected {kernel.sha256.hex()} found {found}; not entering it\n"
    )


def test_halted_machine_stays_halted(machine: Machine) -> None:
    """After damage the CPU sits in hlt with interrupts disabled, inside the purgatory."""
    outcome = run(machine, [region("kernel", KERNEL, machine.kernel)], damage=[KERNEL + 0x200])
    assert outcome.how == "halted"
    assert int(re.findall(r"RFL=([0-9a-f]+)", outcome.monitor)[0], 16) & 0x200 == 0


def test_all_damaged_regions_are_reported(machine: Machine) -> None:
    """The report does not stop at the first damage; a byte before or after a region is not its business."""
    regions = [region("kernel", KERNEL, machine.kernel), region("a", DATA + 1, NOISE[1:9]), region("b", DATA, NOISE)]
    outcome = run(machine, regions, damage=[DATA, DATA + 9, KERNEL + 1])
    assert outcome.how == "halted"
    assert damaged_names(outcome) == ["kernel", "b"]


def test_large_region_is_checked_to_its_last_byte(machine: Machine) -> None:
    """A region of many megabytes with an odd length is intact, and found damaged in its last byte."""
    data = NOISE * 400 + b"end"
    regions = [region("initrd", DATA, data), region("kernel", KERNEL, machine.kernel)]
    assert run(machine, regions, data=data).how == "entered"
    outcome = run(machine, regions, data=data, damage=[DATA + len(data) - 1])
    assert (outcome.how, damaged_names(outcome)) == ("halted", ["initrd"])


@pytest.mark.parametrize("which", [0, 15, 31])
def test_every_byte_of_a_digest_counts(machine: Machine, which: int) -> None:
    """A digest that differs in a single byte, the last included, is a mismatch."""
    kernel = region("kernel", KERNEL, machine.kernel)
    digest = bytearray(kernel.sha256)
    digest[which] ^= 1
    outcome = run(machine, [DigestRegion("kernel", kernel.start, kernel.length, bytes(digest))])
    assert (outcome.how, damaged_names(outcome)) == ("halted", ["kernel"])


# The reset register alone (PC without keyboard controller), the keyboard controller alone (ISA PC), neither.
@pytest.mark.parametrize(
    ("board", "triple_fault"),
    [("pc", False), ("q35", False), ("pc,i8042=off", False), ("isapc", False), ("isapc,i8042=off", True)],
)
def test_damage_can_reset_the_machine(machine: Machine, board: str, triple_fault: bool) -> None:
    """With RESET the report is complete on the wire, then the machine is reset; by a triple fault only at last."""
    memory = "256M" if board.startswith("isapc") else "6G"
    outcome = run(
        machine,
        [region("kernel", KERNEL, machine.kernel)],
        damage=[KERNEL],
        on_damage=OnDamage.RESET,
        options=("-machine", board, "-m", memory, "-serial", f"file:{machine.work}/serial"),
    )
    assert (outcome.how, damaged_names(outcome)) == ("reset", ["kernel"])
    assert outcome.serial.endswith("; not entering it\n")
    assert ("Triple fault" in outcome.log) == triple_fault


# COM1 without a UART; no port at all; and a port whose "line status" is a DMA page register, which reads 0 for ever.
@pytest.mark.parametrize(("port", "options"), [(COM1, ("-serial", "none")), (0, ()), (0x7C, ())])
@pytest.mark.parametrize("damage", [(), (KERNEL,)])
def test_missing_or_stuck_uart_does_not_hang(
    machine: Machine, port: int, options: tuple[str, ...], damage: tuple[int, ...]
) -> None:
    """Without a working UART the decision is the same, in silence."""
    kernel = region("kernel", KERNEL, machine.kernel)
    outcome = run(machine, [kernel], damage=damage, serial_port=port, options=options, announce=True)
    assert outcome.how == ("halted" if damage else "entered")
    assert outcome.serial == ""


@pytest.mark.parametrize("offset", [0x40, 0x48, 0x4C, 0x5D, 0x68, 0x80 + 16, 0x400, 0x480, 0x49F])
def test_damaged_parameter_block_is_not_believed(machine: Machine, offset: int) -> None:
    """One flipped bit in the block itself (magic, version, size, count, entry, digests) stops the boot."""
    outcome = run(machine, [region("kernel", KERNEL, machine.kernel)], damage=[PURGATORY + offset])
    assert outcome.how == "halted"
    assert outcome.registers == {}
    assert outcome.serial == "kexeckit purgatory: the parameter block is damaged; not entering the kernel\n"


def test_spin_leaves_the_machine_as_it_was(machine: Machine) -> None:
    """With the spin flag the CPU loops at the entry: registers and CR3 are still those of the old kernel."""
    outcome = run(machine, [region("kernel", KERNEL, machine.kernel)], spin=True)
    assert outcome.how == "spinning"
    registers = dict(re.findall(r"\b(R[A-Z0-9]{1,2}) *=([0-9a-f]{16})", outcome.monitor))
    assert registers.pop("RIP") in {f"{PURGATORY + offset:016x}" for offset in (0x21, 0x23)}
    assert registers["RSP"] == registers["RSI"] == "a5" * 8
    assert len(registers) == 16
    assert set(registers.values()) == {"a5" * 8}
    assert int(re.findall(r"CR3=([0-9a-f]+)", outcome.monitor)[0], 16) in range(0x10_0000, 0x11_0000), "the loader's"
