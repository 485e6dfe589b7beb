"""Runs the real purgatory in QEMU, between a stand-in for the old kernel and one for the next.

The stand-ins are a few dozen lines of assembly, so that each register is under the test's control; real kernels are
the lab's business.
"""

import json
import re
import shutil
import struct
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent

#: The order in which kernel.S reports what it was entered with.
REGISTERS = (
    *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
    *("rflags", "cs", "ds", "es", "ss", "fs", "gs", "cr0", "cr3", "cr4"),
)
_TARGET_OFFSET = 0x20
_RECORD = struct.Struct(f"<{len(REGISTERS)}Q")
_PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        how: ``entered`` (the next kernel ran), ``reset``, ``halted`` (inside the purgatory) or ``spinning``.
        serial: What was written on COM1.
        registers: What the next kernel found, empty if it was not entered.
        monitor: QEMU's register dump when the CPU halted or span.
        log: QEMU's log of CPU resets.
    """

    how: str
    serial: str
    registers: Mapping[str, int]
    monitor: str
    log: str


@dataclass(frozen=True, slots=True)
class Machine:
    """An x86_64 machine under software emulation, with its two stand-in kernels assembled.

    Attributes:
        work: Folder for its files.
        loader: The Multiboot image that jumps to the purgatory.
        kernel: The flat image of the next kernel, position independent, entry at 0x200.
    """

    work: Path
    loader: bytes
    kernel: bytes

    def run(self, purgatory: int, memory: Mapping[int, bytes], *, options: tuple[str, ...] = ()) -> Outcome:
        """Jumps to the purgatory at an address, with this content of memory, and waits for the end."""
        loader = bytearray(self.loader)
        struct.pack_into("<Q", loader, _TARGET_OFFSET, purgatory)
        (self.work / "loader").write_bytes(loader)
        for name in ("serial", "debug", "log"):
            (self.work / name).write_bytes(b"")
        devices: list[str] = []
        for number, (address, content) in enumerate(memory.items()):
            (self.work / f"memory{number}").write_bytes(content)
            devices += ["-device", f"loader,file={self.work}/memory{number},addr={address:#x},force-raw=on"]
        command = self._command(options or ("-serial", f"file:{self.work}/serial")) + devices
        how, monitor = _watch(command, range(purgatory, purgatory + len(memory[purgatory])), self.work / "debug")
        debug = (self.work / "debug").read_bytes()
        return Outcome(
            how=how,
            serial=(self.work / "serial").read_text(),
            registers=dict(zip(REGISTERS, _RECORD.unpack(debug), strict=True)) if debug else {},
            monitor=monitor,
            log=(self.work / "log").read_text(),
        )

    def _command(self, options: tuple[str, ...]) -> list[str]:
        return [
            *("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "6G", "-no-reboot", "-no-shutdown"),
            *("-display", "none", "-vga", "none", "-net", "none", "-qmp", "stdio"),
            *("-kernel", f"{self.work}/loader", "-debugcon", f"file:{self.work}/debug"),
            *("-D", f"{self.work}/log", "-d", "cpu_reset"),
            *options,
        ]


def make_machine(work: Path) -> Machine:
    """Assembles the stand-ins, or skips the test and says which program is missing."""
    for program in ("gcc", "ld", "objcopy", "qemu-system-x86_64"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    return Machine(work, _assemble("loader", 0x100000, work), _assemble("kernel", 0, work))


# Flat bytes of one of our assembly files, linked for an address.
def _assemble(name: str, address: int, work: Path) -> bytes:
    source, elf, flat = HERE / f"{name}.S", work / f"{name}.elf", work / f"{name}.bin"
    subprocess.run(["gcc", "-c", source, "-o", work / f"{name}.o"], check=True)
    subprocess.run(
        ["ld", "--no-warn-rwx-segments", "-N", f"--section-start=.image={address:#x}", "-o", elf, work / f"{name}.o"],
        check=True,
    )
    subprocess.run(["objcopy", "-O", "binary", "-j", ".image", elf, flat], check=True)
    return flat.read_bytes()


# Polls until the next kernel has reported, the machine was reset, or the CPU sits halted or spinning in the purgatory.
# QEMU never ends by itself here (-no-shutdown): a QMP command in flight at that moment can hang its end.
def _watch(command: list[str], inside: range, record: Path) -> tuple[str, str]:
    entry = inside[:0x40]
    seen_at_entry = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as qemu:
        watchdog = Timer(_PATIENCE, qemu.kill)
        watchdog.start()
        try:
            _ask(qemu, "qmp_capabilities")
            while True:
                if _ask(qemu, "query-status")["status"] == "shutdown":
                    return "reset", ""
                if record.stat().st_size == _RECORD.size:
                    return "entered", ""
                dump = str(_ask(qemu, "human-monitor-command", {"command-line": "info registers"}))
                rip = int(re.findall(r"[RE]IP=([0-9a-f]+)", dump)[0], 16)
                seen_at_entry = seen_at_entry + 1 if rip in entry else 0
                if rip in inside and "HLT=1" in dump:
                    return "halted", dump
                if seen_at_entry > 2:
                    return "spinning", dump
                time.sleep(0.05)
        finally:
            watchdog.cancel()
            qemu.kill()


# The answer of QEMU's monitor.
def _ask(qemu: subprocess.Popen[bytes], execute: str, arguments: dict[str, str] | None = None) -> Any:
    assert qemu.stdin is not None
    assert qemu.stdout is not None
    qemu.stdin.write(json.dumps({"execute": execute, "arguments": arguments or {}}).encode() + b"\n")
    while line := qemu.stdout.readline():
        message: dict[str, Any] = json.loads(line)
        assert "error" not in message, message
        if "return" in message:
            return message["return"]
    raise AssertionError(f"QEMU ended, or was ended after {_PATIENCE} s")
