"""Several partial machines into one, with precedence stated once.

    stated by the user  >  files of the running kernel  >  its boot log  >  a listing of /proc/iomem

The first that shows a fact wins. Two facts are put together from more than one source: the firmware's map, whose
entries of unknown type have their numbers in the boot log only (/sys/firmware/memmap prints one text for all of them);
and mirrored memory, of which one source may show a part and another the whole.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from kexeckit.formats.bootlog.entries import TableEntry
from kexeckit.formats.firmware_memmap import is_unknown
from kexeckit.machine.fact import Fact, How
from kexeckit.machine.value import EfiFacts, Machine

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

G = TypeVar("G", bound="DataclassInstance")
_GROUPS = ("kernel", "boot", "memory", "nodes", "efi", "cpus", "observed")


def merge(first: Machine, *others: Machine) -> Machine:
    """Return one machine; where two show the same fact, the earlier one counts.

    Args:
        first: The one with the highest precedence; it names the result.
        others: In falling order of precedence.
    """
    parts = (first, *others)
    groups: dict[str, Any] = {name: _first_shown(*(getattr(p, name) for p in parts)) for name in _GROUPS}
    groups["memory"] = replace(groups["memory"], firmware=_numbered([p.memory.firmware for p in parts]))
    groups["efi"] = _mirrored(groups["efi"], [p.efi for p in parts])
    return replace(
        first,
        **groups,
        taken=next((p.taken for p in parts if p.taken), None),
        handover=next((p.handover for p in parts if p.handover), None),
        notes=tuple(dict.fromkeys(n for p in parts for n in p.notes)),
        assumed=tuple(dict.fromkeys(a for p in parts for a in p.assumed)),
        problems=tuple(dict.fromkeys(x for p in parts for x in p.problems)),
    )


def stated(machine: Machine, arch: str | None = None, release: str | None = None) -> Machine:
    """Return the machine with what the user states about it, which counts more than any source.

    Args:
        machine: As it was read.
        arch: The kernel's name of the architecture, or None.
        release: As ``uname -r``, or None; the stable release of the source then no longer counts.
    """
    kernel = machine.kernel
    if arch:
        kernel = replace(kernel, arch=Fact(arch, "--arch", how=How.STATED))
    if release:
        kernel = replace(kernel, release=Fact(release, "--kernel-version", how=How.STATED), stable=None)
    return replace(machine, kernel=kernel) if kernel is not machine.kernel else machine


def with_efi_map(machine: Machine, data: bytes, source: str) -> Machine:
    """Return the machine with a raw EFI memory map that the user gives: it says which memory is mirrored.

    Raises:
        InputError: The bytes are no such map.
    """
    from kexeckit.formats.efi_memory_map import mirrored_memory, parse_efi_memory_map

    found = mirrored_memory(parse_efi_memory_map(data, source))
    whole = Fact(value=True, source=source, how=How.STATED)
    return replace(machine, efi=replace(machine.efi, mirrored=Fact(found, source, how=How.STATED), mirror_whole=whole))


def _first_shown(first: G, *others: G) -> G:
    shown = dict(_shown(first))
    for group in others:
        shown = dict(_shown(group)) | shown
    return replace(first, **shown)


def _shown(group: "DataclassInstance") -> Iterator[tuple[str, Any]]:
    return ((f.name, value) for f in fields(group) if (value := getattr(group, f.name)) is not None)


def _numbered(maps: Iterable[Fact[tuple[TableEntry, ...]] | None]) -> Fact[tuple[TableEntry, ...]] | None:
    found = [m for m in maps if m]
    if not found or not any(is_unknown(e.kind) for e in found[0].value):
        return found[0] if found else None
    kinds = {(e.start, e.end): e.kind for m in found[1:] for e in m.value if not is_unknown(e.kind)}
    entries = (
        replace(e, kind=kinds.get((e.start, e.end), e.kind)) if is_unknown(e.kind) else e for e in found[0].value
    )
    return replace(found[0], value=tuple(entries))


def _mirrored(merged: EfiFacts, parts: list[EfiFacts]) -> EfiFacts:
    # The whole, where any source shows it; else all the parts together.
    whole = next((p for p in parts if p.mirrored and p.mirror_whole and p.mirror_whole.value), None)
    if whole:
        return replace(merged, mirrored=whole.mirrored, mirror_whole=whole.mirror_whole)
    shown = [p.mirrored for p in parts if p.mirrored]
    if not shown:
        # None is mirrored if one that would know says so.
        said = [p.mirror_whole for p in parts if p.mirror_whole]
        doubt = next((f for f in said if not f.value), None)
        return replace(merged, mirror_whole=doubt or (said[0] if said else None))
    together = shown[0].value
    for other in shown[1:]:
        together = together | other.value
    return replace(
        merged, mirrored=replace(shown[0], value=together), mirror_whole=Fact(value=False, source=shown[0].source)
    )
