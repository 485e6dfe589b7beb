"""Machines that are asked about their next boot: kept once, asked as often as one likes."""

import json
from pathlib import Path

import pytest

from kexeckit.errors import UnavailableError
from kexeckit.lab.dev.campaign import run_cases
from kexeckit.lab.dev.campaign_next_boot import NextBoot, NextBootCampaign
from kexeckit.lab.dev.next_boot_ask import judge_kept
from kexeckit.lab.dev.next_boot_cases import BIOS, EFI, EFI_DEVICE_TREE, NextMachine
from kexeckit.lab.machine import ARM64_EFI_FIRMWARE, EFI_FIRMWARE

pytestmark = pytest.mark.lab


def boots(machine: NextMachine) -> tuple[NextBoot, ...]:
    """Return a boot without words and one with."""
    return NextBoot("1-001-0", machine), NextBoot("1-001-1", machine, ("crashkernel=200M", "movablecore=10%"))


def test_nothing_is_drawn_anew(tmp_path: Path) -> None:
    """Without KASLR and EFI all sources are right about all; what is kept is not booted again."""
    machine = NextMachine("trixie", BIOS, (700, 500), padding=5 << 20, window=2048)
    for _ in range(2):
        assert [b.problem for b in run_cases(NextBootCampaign(folder=tmp_path), [boots(machine)])] == ["", ""]
        (tmp_path / "1-001-1/root/dmesg").touch()
        (tmp_path / "1-001-1/mark").touch()
    assert (tmp_path / "1-001-1/mark").exists()
    case = json.loads((tmp_path / "1-001-1/case.json").read_text())
    assert NextMachine.from_record(case["machine"]) == machine
    assert case["initrd"] > machine.padding
    judged = list(judge_kept(tmp_path))
    assert [b.problem for b in judged] == [""] * 3
    assert all(j.right for b in judged for j in b.judged), [b.judged for b in judged]


@pytest.mark.parametrize(
    ("machine", "firmware", "mark"),
    [
        (NextMachine("bullseye", EFI, (1024,), kaslr=True), EFI_FIRMWARE[1], "efi_memmap"),
        (NextMachine("sid", EFI_DEVICE_TREE, (1024,), kaslr=True), ARM64_EFI_FIRMWARE[1], "sys/firmware/fdt"),
    ],
)
def test_firmware(tmp_path: Path, machine: NextMachine, firmware: str, mark: str) -> None:
    """EFI starts it, on either architecture; its map is printed by the boot with words alone."""
    if not Path(firmware).exists():
        pytest.skip(f"{firmware} is absent: sh tools/system-packages")
    try:
        results = list(run_cases(NextBootCampaign(folder=tmp_path), [boots(machine)]))
    except UnavailableError as error:
        pytest.skip(str(error))
    assert [b.problem for b in results] == ["", ""]
    roots = [tmp_path / f"1-001-{at}" / "root" for at in (0, 1)]
    logs = [(root / "dmesg").read_text() for root in roots]
    assert ["efi: mem00:" in log or "efi:   0x" in log for log in logs] == [False, True]
    assert all((root / mark).stat().st_size for root in roots)
    assert [len(b.judged) for b in judge_kept(tmp_path)] == [4, 4, 4]
