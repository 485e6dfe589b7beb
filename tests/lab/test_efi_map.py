"""The EFI map of a running kernel: read from its memory, it makes a reservation's address an answer."""

from pathlib import Path

import pytest

from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.reservation.predict import predict_reservation
from kexeckit.lab.dev.golden import MACHINES, make_capture
from kexeckit.system.sysroot import DirectoryRoot
from readings import facts_of_root

pytestmark = pytest.mark.lab


def test_a_capture_of_an_efi_machine_holds_the_whole_input(tmp_path: Path) -> None:
    """5.10 keeps the map in RAM: no candidate but what /proc/iomem shows."""
    name = "efi-1g-5.10"
    assert name in MACHINES
    folder = make_capture(name, tmp_path)
    assert (folder / "efi_memmap").is_file()
    found = predict_reservation(facts_of_root(DirectoryRoot(str(folder)), ()))
    shown = parse_iomem((folder / "proc/iomem").read_text(), "iomem").crash_regions()
    assert [(r.start, r.size) for r in found.regions] == [(r.start, r.size) for r in shown]
    assert not found.candidates
