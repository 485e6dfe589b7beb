"""From a boot log to a partial `Machine`: each fact from its line."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from kexeckit.errors import InputError
from kexeckit.formats.banner import release_of_banner
from kexeckit.formats.bootlog import early, efi, memory, numa, outcome, setup, zones
from kexeckit.formats.bootlog.boot import VERSION_LINE, BootLog
from kexeckit.formats.bootlog.cma import knows_cma
from kexeckit.formats.bootlog.memblock_debug import MemblockStep, memblock_steps
from kexeckit.formats.bootlog.page_size import has_wide_addresses, page_size
from kexeckit.machine.arch import X86, kernel_arch
from kexeckit.machine.fact import Fact, How, Problem
from kexeckit.machine.taken import Taken, Taker
from kexeckit.machine.value import BootFacts, EfiFacts, KernelFacts, Machine, MemoryFacts, NodeFacts, ObservedFacts
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import MIB, PAGE_SIZE, align_down

T = TypeVar("T")
# Tables that the kernel reserves by their address, drivers/firmware/efi: memattr.c, tpm.c, mokvar-table.c, efi.c. Their
# sizes are not printed; a page stands for each, because only where it begins bounds what lies below.
_EFI_RESERVED = ("MEMATTR", "TPMEventLog", "TPMFinalLog", "MOKvar", "RNG", "MEMRESERVE", "Unaccepted", "INITRD")
# Those of the list of early reservations that are read elsewhere.
_NAMED = ("TEXT DATA BSS", "RAMDISK", "NEW RAMDISK")
_DMA = "DMA"


def machine_from_log(log: BootLog) -> Machine:
    """Return what a boot log shows; what is in it and cannot be read is among the problems."""
    return _Reader(log).machine()


class _Reader:
    # One pass over the topics of a log; problems are kept for whoever needs what the damaged part would have shown.

    def __init__(self, log: BootLog) -> None:
        self.log = log
        self.problems: list[Problem] = []

    def machine(self) -> Machine:
        log = self.log
        arch = kernel_arch(log.arch or "")
        steps = memblock_steps(log)
        known = self._memory(arch)
        return Machine(
            source=log.source,
            kind="log",
            kernel=self._kernel(arch),
            boot=self._boot(steps, known),
            memory=known,
            nodes=self._nodes(),
            efi=self._efi(),
            taken=Fact(tuple(self._taken(steps)), log.source),
            observed=self._observed(),
            notes=tuple(n for n in (log.note, self._image_note()) if n),
            problems=tuple(self.problems),
        )

    def _fact(self, value: T | None, line: int | None = None, how: How = How.OBSERVED) -> Fact[T] | None:
        return None if value is None else Fact(value, self.log.source, line, how)

    def _true(self, value: bool) -> Fact[bool] | None:  # noqa: FBT001
        # What a line says is true; no line says that it is not.
        return self._fact(value) if value else None

    def _list(self, values: Iterable[T]) -> Fact[tuple[T, ...]] | None:
        found = tuple(values)
        return self._fact(found) if found else None

    def _unless_damaged(self, about: str, read: Callable[[BootLog], tuple[T, ...]]) -> tuple[T, ...]:
        try:
            return read(self.log)
        except InputError as error:
            self.problems.append(Problem.of(about, error))
            return ()

    def _kernel(self, arch: str) -> KernelFacts:
        log = self.log
        version = next(log.matches(VERSION_LINE), None)
        line = version[0].number if version else None
        release = self._fact(version[1][1], line) if version else None
        auto = setup.says_auto(log)
        reach = setup.address_reach(log)
        names = {zone.zone for zone in zones.printed_zones(log)}
        return KernelFacts(
            arch=self._fact(arch or None),
            release=release or self._fact(log.image_release, how=How.DERIVED),
            stable=self._fact(release_of_banner(version[0].text) or None, line) if version else None,
            cmdline=self._fact(log.cmdline),
            page_size=self._fact(page_size(log), how=How.DERIVED),
            wide_addresses=self._true(has_wide_addresses(log)),
            zone_dma=self._fact(_DMA in names, how=How.DERIVED) if names else None,
            cma_word=self._fact(knows_cma(log), how=How.DERIVED),
            auto_word=self._fact(value=True, line=auto.number) if auto else None,
            gbpages=self._fact(setup.uses_gigabyte_pages(log)) if arch == "x86_64" else None,
            reach=self._fact(reach[0], reach[1].number) if reach else None,
        )

    def _image_note(self) -> str:
        log = self.log
        return (
            f"the kernel's version is taken from its file name: {log.image_release}"
            if log.image_release and not log.release
            else ""
        )

    def _boot(self, steps: tuple[MemblockStep, ...], known: MemoryFacts) -> BootFacts:
        log = self.log
        size, place = early.image_size(log), early.kernel_place(log)
        brk = next((s for s in steps if s.caller == "setup_arch" and s.range.start >= MIB), None)
        booted = efi.booted_by_efi(log)
        return BootFacts(
            efi=self._fact(booted) if booted or log.whole or known.firmware else None,
            kexec=self._true(early.booted_by_kexec(log)),
            xen_pv=self._true(setup.is_xen_pv(log)),
            encrypted=self._true(early.encrypts_memory(log)),
            kaslr_off=self._true(early.says_kaslr_disabled(log)),
            whole_log=self._fact(log.whole),
            map_log=self._fact(bool(known.firmware or known.ranges)),
            late_log=self._true(setup.reaches_zones(log)),
            init_log=self._true(setup.reaches_init(log)),
            initrd_size=self._fact(early.initrd_size(log)),
            image_size=self._fact(size, size.line) if size else None,
            image=self._fact(place.range, place.line or None) if place else None,
            mapped_end=self._fact(early.initially_mapped_end(log)),
            brk=self._fact(brk.range, brk.line, How.DERIVED) if brk else None,
            low_ram_end=self._fact(zones.low_ram_end(log)),
            last_pfn=self._fact(setup.last_pfn(log) or None),
            search_line=self._fact(outcome.search_line(log)),
            product=self._fact(setup.product(log)),
        )

    def _memory(self, arch: str) -> MemoryFacts:
        log = self.log
        table = self._unless_damaged("memory.firmware", _table) if arch in (*X86, "") else ()
        counted = memory.counted_memory(log)
        # Only as the one map of a log have they to be whole; where they are not, that is kept as a problem.
        self._unless_damaged("memory.ranges", memory.whole_node_ranges)
        return MemoryFacts(
            firmware=self._list(table),
            changes=self._list(setup.late_trims(log)),
            ranges=self._list(memory.node_ranges(log)),
            counted=self._fact(*counted) if counted else None,
        )

    def _nodes(self) -> NodeFacts:
        log = self.log
        return NodeFacts(
            srat=self._fact(numa.srat_of_log(log)),
            refused=self._true(numa.numa_refused(log)),
            memoryless=self._list(numa.memoryless_nodes(log)),
        )

    def _efi(self) -> EfiFacts:
        log = self.log
        found = efi.efi_map(log)
        mirrored = RangeSet(e.range for e in found if e.mirrored)
        said = setup.has_mirror_line(log)
        tables = ((name, address, line) for name, (address, line) in efi.efi_tables(log).items())
        vendor = efi.firmware_vendor(log)
        return EfiFacts(
            vendor=self._fact(*vendor) if vendor else None,
            map=self._list(found),
            tables=self._list(tables),
            mirrored=self._fact(mirrored) if mirrored else None,
            # A log that begins at the beginning would say that some memory is mirrored.
            mirror_whole=self._fact(bool(mirrored) or not said) if mirrored or said or log.whole else None,
        )

    def _taken(self, steps: tuple[MemblockStep, ...]) -> list[Taken]:
        log = self.log
        out = [
            _held(t, Taker.ACPI_TABLE if t.what.startswith("ACPI ") else Taker.ESRT) for t in early.reserved_tables(log)
        ]
        out += [_held(t, Taker.SETUP_DATA) for t in early.setup_data(log)]
        out += [_held(t, Taker.PAGE_TABLES) for t in early.mapping_tables(log)]
        out += [_held(t, Taker.NODE_DATA) for t in early.node_data(log)]
        out += [_held(t, Taker.CMA) for t in early.cma_areas(log)]
        out += [
            _held(t, Taker.EARLY)
            for t in early.early_reservations(log)
            if t.range.start >= MIB and t.what not in _NAMED
        ]
        out += self._initrd()
        for name, (address, line) in efi.efi_tables(log).items():
            if name in _EFI_RESERVED and address:
                span = MemRange.from_size(align_down(address, PAGE_SIZE), PAGE_SIZE)
                out.append(Taken(span, Taker.EFI_TABLE, f"EFI table {name}", line))
        out += _by_memblock(steps)
        return sorted(out, key=lambda t: t.range)

    def _initrd(self) -> list[Taken]:
        disk, loaded = early.initrd(self.log), early.loaded_initrd(self.log)
        if not disk:
            return []
        moved = loaded.range if loaded and loaded.range != disk.range else None
        return [replace(_held(disk, Taker.INITRD), loaded=moved)]

    def _observed(self) -> ObservedFacts:
        log = self.log
        movable = zones.printed_movable(log)
        failed = outcome.failure(log)
        return ObservedFacts(
            regions=self._list(outcome.logged_regions(log)),
            failed=self._fact(failed.text, failed.number) if failed else None,
            zones=self._list(zones.printed_zones(log)),
            movable=self._fact(tuple(sorted(movable.items()))) if movable is not None else None,
        )


def _table(log: BootLog) -> tuple[memory.TableEntry, ...]:
    return memory.firmware_table(log) or memory.table(log, "user")


def _held(taken: early.Taken, by: Taker) -> Taken:
    return Taken(taken.range, by, taken.what, taken.line, taken.node)


def _by_memblock(steps: tuple[MemblockStep, ...]) -> list[Taken]:
    # memblock=debug: what is reserved and not freed again until the crash kernel's turn.
    kept: list[MemblockStep] = []
    for step in steps:
        if step.reserved:
            kept.append(step)
        else:
            kept = [k for k in kept if not step.range.contains(k.range)]
    return [Taken(k.range, Taker.MEMBLOCK, f"memblock ({k.caller})" if k.caller else "memblock", k.line) for k in kept]
