"""From a text or a folder to what a prediction takes, as the commands do it."""

from collections.abc import Mapping, Sequence

from kexeckit.formats.bootlog.boot import BootLog, parse_boot_log
from kexeckit.kernel.behaviour.of_machine import behaviours_of
from kexeckit.kernel.reservation.facts import ReservationInput
from kexeckit.kernel.reservation.from_machine import reservation_input
from kexeckit.kernel.zones.from_machine import ZoneQuestion, zone_question
from kexeckit.machine import merge
from kexeckit.machine.sources.log import machine_from_log
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import Sysroot


def facts_of_log(
    log: str | BootLog,
    words: Sequence[str] = (),
    arch: str | None = None,
    release: str | None = None,
    stated: Mapping[str, object] | None = None,
) -> ReservationInput:
    """Return what a reservation is predicted from, for a boot log, words and stated behaviour."""
    read = parse_boot_log(log, "log") if isinstance(log, str) else log
    machine = merge.stated(machine_from_log(read), arch, release)
    return reservation_input(machine, words, behaviours_of(machine, stated))


def facts_of_root(root: Sysroot, words: Sequence[str] = (), arch: str | None = None) -> ReservationInput:
    """Do the same for a root."""
    return reservation_input(read_machine(root, arch=arch), words)


def zones_of_root(
    root: Sysroot,
    words: Sequence[str] = (),
    arch: str | None = None,
    release: str | None = None,
    raw_efi_map: bytes | None = None,
) -> ZoneQuestion:
    """Return the question about zones that a root and words make."""
    machine = read_machine(root, arch=arch, release=release)
    if raw_efi_map is not None:
        machine = merge.with_efi_map(machine, raw_efi_map, "the EFI memory map")
    return zone_question(machine, words)
