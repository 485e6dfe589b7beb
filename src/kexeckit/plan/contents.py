"""The bytes of the segments that are built: boot_params with the command line, setup_data, elfcorehdr, purgatory.

boot_params segment        0        4096              16-aligned            bufsz
                           | page    | command line, NUL | EFI runtime map   |
"""

from kexeckit.formats.boot_params import BOOT_PARAMS_SIZE, EfiInfo, HandoverFields, build_boot_params
from kexeckit.formats.bzimage import ENTRY_64, BzImage
from kexeckit.formats.e820_table import E820_MAX_INLINE, format_e820_entries
from kexeckit.formats.elfcorehdr import ElfCoreHeader, format_elfcorehdr
from kexeckit.formats.setup_data import (
    SETUP_E820_EXT,
    SETUP_EFI,
    SETUP_RNG_SEED,
    SetupData,
    efi_setup_payload,
    format_setup_data,
)
from kexeckit.formats.sysfs_crash import format_efi_map
from kexeckit.frozen import dataclass
from kexeckit.memory.memmap import MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import align_up
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.load_plan import LoadRequest
from kexeckit.plan.next_cmdline import encoded, serial_port
from kexeckit.plan.segment import Content, Segment, filled
from kexeckit.purgatory import DigestRegion, Purgatory

_PARAGRAPH = 16
_EFI_DESCRIPTOR_MINIMUM = 40


@dataclass(frozen=True, slots=True)
class ImageInputs:
    """What an x86_64 image is made from.

    Attributes:
        request: What the user wants.
        facts: The machine.
        image: The kernel's header.
        purgatory: The code between the kernels.
        core_header: What a capture kernel is told about old memory, else None.
    """

    request: LoadRequest
    facts: MachineFacts
    image: BzImage
    purgatory: Purgatory
    core_header: ElfCoreHeader | None


@dataclass(frozen=True, slots=True)
class Handover:
    """What the next kernel is told.

    Attributes:
        cmdline: Its whole command line.
        e820: Its memory map.
        blobs: The setup_data, in order.
    """

    cmdline: str
    e820: MemoryMap
    blobs: tuple[SetupData, ...]


def setup_blobs(request: LoadRequest, facts: MachineFacts, e820: MemoryMap) -> tuple[SetupData, ...]:
    """Return the setup_data that this handover needs, in order; none is possible."""
    blobs = []
    beyond = e820.entries[E820_MAX_INLINE:]
    if beyond:
        blobs.append(SetupData(SETUP_E820_EXT, format_e820_entries(beyond)))
    if facts.efi and not request.efi:
        efi = facts.efi
        blobs.append(SetupData(SETUP_EFI, efi_setup_payload(efi.fw_vendor, efi.runtime, efi.config_table, efi.smbios)))
    if request.rng_seed:
        blobs.append(SetupData(SETUP_RNG_SEED, request.rng_seed))
    return tuple(blobs)


def boot_params_size(cmdline: str, facts: MachineFacts) -> int:
    """Bytes of the segment that holds boot_params, command line and EFI runtime map."""
    return _efi_map_offset(cmdline) + len(_efi_map(facts))


def fill_segments(inputs: ImageInputs, handover: Handover, places: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """Give every placed segment its bytes and digest; the purgatory last, because it holds the others' digests."""
    at = {s.name: s.range for s in places}
    made = {s.name: filled(s, _content(s.name, inputs, handover, at)) for s in places if s.name != "purgatory"}
    last = next(s for s in places if s.name == "purgatory")
    made["purgatory"] = filled(last, _purgatory(inputs, at, list(made.values()), handover.cmdline))
    return tuple(made[s.name] for s in places)


def _content(name: str, inputs: ImageInputs, handover: Handover, at: dict[str, MemRange]) -> Content:
    match name:
        case "kernel":
            return memoryview(inputs.request.kernel.data)[inputs.image.setup_size :]
        case "initrd":
            assert inputs.request.initrd is not None
            return inputs.request.initrd.data
        case "elfcorehdr":
            assert inputs.core_header is not None
            return format_elfcorehdr(inputs.core_header)
        case "setup_data":
            return format_setup_data(handover.blobs, at["setup_data"].start)
        case "efi":
            assert inputs.request.efi is not None
            return inputs.request.efi.content(at["efi"].start)
        case "boot_params":
            return _boot_params(inputs, handover, at)
        case _:
            raise ValueError(f"no content is known for a segment {name}")


def _boot_params(inputs: ImageInputs, handover: Handover, at: dict[str, MemRange]) -> bytes:
    base = at["boot_params"].start
    initrd, blobs = at.get("initrd"), at.get("setup_data")
    own = inputs.request.efi
    fields = HandoverFields(
        header=inputs.image.header,
        cmdline_address=base + BOOT_PARAMS_SIZE,
        initrd_address=initrd.start if initrd else 0,
        initrd_size=len(inputs.request.initrd.data) if inputs.request.initrd else 0,
        setup_data=blobs.start if blobs else 0,
        rsdp=inputs.facts.rsdp,
        efi=own.info(at["efi"].start) if own else _efi_info(inputs.facts, base + _efi_map_offset(handover.cmdline)),
        e820=format_e820_entries(handover.e820),
    )
    running = inputs.facts.boot_params
    page = build_boot_params(fields, running.raw if running else None)
    head = (page + encoded(handover.cmdline)).ljust(_efi_map_offset(handover.cmdline), b"\0")
    return head + _efi_map(inputs.facts)


def _purgatory(inputs: ImageInputs, at: dict[str, MemRange], others: list[Segment], cmdline: str) -> bytes:
    request = inputs.request
    regions = [DigestRegion(s.name, s.range.start, s.bufsz, bytes.fromhex(s.sha256 or "")) for s in others]
    return inputs.purgatory.patched(
        boot_params=at["boot_params"].start,
        kernel_entry=at["kernel"].start + ENTRY_64,
        regions=regions,
        serial_port=serial_port(cmdline) if request.serial_port is None else request.serial_port,
        on_damage=request.on_damage,
        spin=request.spin,
    )


def _efi_map_offset(cmdline: str) -> int:
    return align_up(BOOT_PARAMS_SIZE + len(encoded(cmdline)) + 1, _PARAGRAPH)


def _efi_map(facts: MachineFacts) -> bytes:
    if not facts.efi:
        return b""
    return format_efi_map(facts.efi.runtime_map, _descriptor_size(facts))


def _descriptor_size(facts: MachineFacts) -> int:
    running = [facts.boot_params.efi.memdesc_size] if facts.boot_params else []
    return max([_EFI_DESCRIPTOR_MINIMUM, *running])


def _efi_info(facts: MachineFacts, map_address: int) -> EfiInfo:
    # Without runtime services the next kernel starts as on a machine without EFI, and finds ACPI by its root pointer.
    if not facts.efi or not facts.boot_params:
        return EfiInfo()
    running = facts.boot_params.efi
    return EfiInfo(
        signature=running.signature,
        systab=running.systab,
        memdesc_size=_descriptor_size(facts),
        memdesc_version=running.memdesc_version,
        memmap=map_address,
        memmap_size=len(_efi_map(facts)),
    )
