"""`plan_facts`: what a plan needs to know, from a `Machine`.

What no source shows either has a second source, named in a warning, or leads to a warning that says what follows from
it. A part that is there and damaged is an error where a plan stands on it, and a warning where it can do without.
"""

from kexeckit.formats.boot_params import BootParams, parse_boot_params
from kexeckit.formats.firmware_memmap import make_firmware_map
from kexeckit.kernel.assumed import known_arch
from kexeckit.kernel.behaviour.behaviours import Behaviours
from kexeckit.kernel.behaviour.of_machine import behaviours_of
from kexeckit.kernel.boot.resources import resources_of
from kexeckit.machine.value import HandoverFacts, Machine
from kexeckit.memory.kind import kind_from_label
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import EMPTY, RangeSet
from kexeckit.memory.resource import ResourceTree
from kexeckit.plan.facts import EfiFacts, LoaderFacts, MachineFacts
from kexeckit.plan.preference import MemoryTraits

# How files of a root are named; what is told of them is why they are missing.
_IOMEM = "/proc/iomem"
_MEMMAP = "/sys/firmware/memmap"
_BOOT_PARAMS = "/sys/kernel/boot_params/data"
_VMCOREINFO = "/sys/kernel/vmcoreinfo"
_KCORE = "/proc/kcore"
# What a plan stands on, so that damage to it is an error.
_NEEDED = (
    "memory.firmware",
    "handover.boot_params",
    "handover.crash_notes",
    "handover.vmcoreinfo",
    "handover.efi",
    "kernel.cmdline",
    "cpus.possible",
    "cpus.present",
    "cpus.most",
)
_NOTHING = HandoverFacts()


def plan_facts(machine: Machine, behaviours: Behaviours | None = None) -> MachineFacts:
    """Return what a plan needs.

    Args:
        machine: The machine, read with what only loading needs.
        behaviours: What its kernel does; None to choose by its version.

    Raises:
        MaskedAddressesError: /proc/iomem hides its addresses.
        InputError: A part that a plan stands on is damaged, or no source shows the architecture.
        UnavailableError: There is no memory map.
    """
    resources, assumed = resources_of(machine)
    arch = known_arch(machine)
    _check(machine)
    handover = machine.handover or _NOTHING
    page = handover.boot_params
    params = parse_boot_params(page.value, page.source) if page else None
    firmware, source, warnings = _firmware_map(machine, resources)
    return MachineFacts(
        arch=arch,
        kernel=behaviours or behaviours_of(machine),
        release=machine.release,
        resources=resources,
        firmware_map=firmware,
        firmware_map_source=source,
        cmdline=machine.cmdline,
        boot_params=params,
        crash_notes=handover.crash_notes.value if handover.crash_notes else (),
        vmcoreinfo=handover.vmcoreinfo.value if handover.vmcoreinfo else None,
        kernel_text=handover.kernel_text.value if handover.kernel_text else None,
        page_offset=handover.page_offset.value if handover.page_offset else None,
        rsdp=(params.rsdp if params else 0) or (handover.efi.value.acpi if handover.efi else 0),
        efi=_efi(machine, handover, params),
        loader=_loader(machine, handover),
        traits=_traits(machine),
        warnings=(*_without_page(machine, params), *warnings, *_trait_warnings(machine)),
        dump_warnings=tuple(_dump_warnings(machine, handover)),
        assumed=assumed,
    )


def _check(machine: Machine) -> None:
    for problem in machine.problems:
        # Some pointers of EFI are for root alone; without them the next kernel finds its tables by other ways.
        if problem.about in _NEEDED and (problem.about, problem.kind) != ("handover.efi", "permission"):
            raise problem.error()


def _absent(machine: Machine, name: str, what: str) -> str:
    # A root is asked for a file; any other source shows a thing or does not.
    if machine.kind in ("live", "root"):
        return f"{_label(machine, name)} is absent"
    return f"{machine.source} shows no {what}"


def _label(machine: Machine, name: str) -> str:
    return machine.source + name.lstrip("/")


def _without_page(machine: Machine, params: BootParams | None) -> list[str]:
    if params:
        return []
    return [
        f"{_absent(machine, _BOOT_PARAMS, 'boot_params')}: screen, EFI and ACPI pointers are not handed over",
    ]


def _firmware_map(machine: Machine, resources: ResourceTree) -> tuple[MemoryMap, str, list[str]]:
    shown = machine.memory.firmware
    absent = _absent(machine, _MEMMAP, "map of the firmware")
    if shown:
        from_root = machine.kind in ("live", "root") and shown.source != _label(machine, _MEMMAP)
        warnings = [f"{absent}: the firmware map is taken from {shown.source}"] if from_root else []
        entries = [MemoryEntry(MemRange(e.start, e.end), e.kind) for e in shown.value if e.start < e.end]
        return _disjoint(entries, shown.source), shown.source, warnings
    tops = ((r.range, kind_from_label(r.name)) for r in resources.roots)
    found = [MemoryEntry(r, kind) for r, kind in tops if kind]
    listed = machine.memory.resources
    source = listed.source if listed else machine.source
    warning = f"{absent}: the firmware map is taken from {source}"
    if listed:
        warning += ", where memmap= and mem= of the running kernel show"
    return make_firmware_map(found, source), source, [warning]


def _disjoint(entries: list[MemoryEntry], source: str) -> MemoryMap:
    # A boot log prints the table as the firmware gave it, where entries may overlap; the kernel cleans it up first.
    if sum(e.range.size for e in entries) == RangeSet(e.range for e in entries).size:
        return make_firmware_map(entries, source)
    from kexeckit.kernel.boot.e820 import make_table, memory_map, sanitized

    cleaned = memory_map(sanitized(make_table((e.start, e.end, e.kind.e820) for e in entries)))
    return make_firmware_map(list(cleaned), source)


def _efi(machine: Machine, handover: HandoverFacts, params: BootParams | None) -> EfiFacts | None:
    if not params or not params.efi.present:
        return None
    problem, runtime = machine.problem("efi.runtime"), machine.efi.runtime
    if problem:
        raise problem.error()
    if runtime is None or handover.efi is None:
        return None
    known = handover.efi.value
    return EfiFacts(
        fw_vendor=known.fw_vendor,
        runtime=known.runtime,
        config_table=known.config_table,
        smbios=known.smbios,
        runtime_map=runtime.value,
    )


def _loader(machine: Machine, handover: HandoverFacts) -> LoaderFacts:
    # Where a source lacks these, the values of Debian's configuration stand.
    usual = LoaderFacts()
    cpus = machine.cpus
    shown = {
        "possible_cpus": cpus.possible,
        "nr_cpus": cpus.most,
        "crash_hotplug": handover.crash_hotplug,
        "cma": handover.cma,
    }
    possible = cpus.possible.value if cpus.possible else usual.possible_cpus
    return LoaderFacts(
        possible_cpus=possible,
        present_cpus=min(cpus.present.value if cpus.present else possible, possible),
        nr_cpus=cpus.most.value if cpus.most else usual.nr_cpus,
        crash_hotplug=handover.crash_hotplug.value if handover.crash_hotplug else usual.crash_hotplug,
        cma=handover.cma.value if handover.cma else usual.cma,
        not_shown=tuple(name for name, fact in shown.items() if fact is None),
    )


def _traits(machine: Machine) -> MemoryTraits:
    srat, mirrored = machine.nodes.srat, machine.efi.mirrored
    hot = RangeSet(a.range for a in srat.value.memory if a.hotplug) if srat else EMPTY
    return MemoryTraits(hot, mirrored.value if mirrored else EMPTY)


def _trait_warnings(machine: Machine) -> list[str]:
    out = []
    problem = machine.problem("nodes.srat")
    if problem:
        instead = f"taken from {machine.nodes.srat.source}" if machine.nodes.srat else "not known, and not avoided"
        out.append(f"{problem}: hot-pluggable memory is {instead}")
    mirror = machine.problem("efi.map") or machine.problem("efi.runtime")
    # Most running kernels do not let their map be read, and few machines have mirrored memory.
    if mirror and machine.kind == "root":
        out.append(f"{mirror}: which memory is mirrored is not known from there")
    return out


def _dump_warnings(machine: Machine, handover: HandoverFacts) -> list[str]:
    out = []
    problem = machine.problem("handover.kernel_text")
    if problem or not (handover.kernel_text or handover.page_offset):
        why = problem.text if problem else _absent(machine, _KCORE, "virtual addresses")
        out.append(
            f"{why}: the virtual addresses of old memory are not determined, PT_LOADs carry none; "
            "readers of the dump must take them from vmcoreinfo"
        )
    elif handover.page_offset is None:
        out.append(
            f"{_label(machine, _KCORE)} does not show one offset of the direct mapping; PT_LOADs carry none",
        )
    if handover.vmcoreinfo is None:
        out.append(f"{_absent(machine, _VMCOREINFO, 'vmcoreinfo')}: a dump will have no vmcoreinfo")
    return out
