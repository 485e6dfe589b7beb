"""Plan an image for x86_64: a bzImage entered at its 64-bit entry point, through our own purgatory.

The order of placement, each below the one before it, from the top of the usable memory:

    usable memory of the image (crash region, or RAM above 1 MiB outside the crash regions)
    |elfcorehdr| ............ | setup_data | initrd | kernel | boot_params, command line | purgatory |
     lowest, so that the RAM                         init_size bytes, aligned as its header says
     left over is one piece

Source: Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"; the in-kernel loader does the same in
arch/x86/kernel/kexec-bzimage64.c, bzImage64_load().
"""

from dataclasses import field

from kexeckit.errors import PlanError
from kexeckit.formats.bzimage import parse_bzimage
from kexeckit.formats.e820_table import E820_MAX_INLINE
from kexeckit.formats.setup_data import setup_data_size
from kexeckit.frozen import dataclass
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import MIB, PAGE_SIZE, align_up, format_address, format_size
from kexeckit.plan.contents import Handover, ImageInputs, boot_params_size, fill_segments, setup_blobs
from kexeckit.plan.core_header import plan_core_header
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.handover import LOW_MEMORY, capture_kernel_map, next_kernel_map
from kexeckit.plan.hole import NoHoleError
from kexeckit.plan.initrd import check_initrd
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.plan.next_cmdline import complete_cmdline
from kexeckit.plan.preference import MemoryTraits, preferred_hole, unplug_warnings
from kexeckit.plan.request import NO_LIMIT, BufferRequest
from kexeckit.plan.segment import Segment
from kexeckit.purgatory import Purgatory


@dataclass(frozen=True, slots=True)
class Placement:
    """Places given away so far.

    Attributes:
        usable: Memory that the image may use.
        segments: Placed segments, still without bytes.
        traits: Which memory is better or worse for an image.
    """

    usable: RangeSet
    segments: tuple[Segment, ...] = ()
    traits: MemoryTraits = field(default_factory=MemoryTraits)

    def placing(self, request: BufferRequest) -> "Placement":
        """Return the placement with one segment more.

        Raises:
            NoHoleError: There is no place for it.
        """
        hole = preferred_hole(self.usable, request, self.places, self.traits)
        return Placement(self.usable, (*self.segments, Segment(request, hole.range, hole.reason)), self.traits)

    @property
    def places(self) -> RangeSet:
        """All places given away."""
        return RangeSet(s.range for s in self.segments)

    def of(self, name: str) -> MemRange:
        """Return the place of a segment that has been placed."""
        return next(s.range for s in self.segments if s.name == name)


def plan_x86_64(request: LoadRequest, facts: MachineFacts, purgatory: Purgatory) -> LoadPlan:
    """Plan an image for kexec_load(2).

    Args:
        request: What to load.
        facts: The machine that it is loaded on.
        purgatory: The code between the kernels.

    Returns:
        A plan, each segment with its bytes.

    Raises:
        InputError: The kernel or the initrd is not usable.
        PlanError: It does not fit; the message says which limit bound it and what would fit.
    """
    image = parse_bzimage(memoryview(request.kernel.data), request.kernel.source)
    if request.initrd:
        check_initrd(request.initrd)
    usable = usable_memory(request, facts)
    core_header = plan_core_header(facts) if request.panic else None
    inputs = ImageInputs(request, facts, image, purgatory, core_header)
    try:
        return _planned(inputs, Placement(usable, traits=facts.traits))
    except NoHoleError as error:
        raise _explained(error, inputs, usable) from error


def usable_memory(request: LoadRequest, facts: MachineFacts) -> RangeSet:
    """Return the memory into which the segments of this image may be placed.

    Raises:
        PlanError: A crash image is asked for and no memory is reserved.
    """
    if request.panic:
        region = facts.crash_region()
        if region is None:
            raise PlanError(
                "a place for a crash image",
                "no source shows that memory is reserved"
                if facts.assumed
                else 'no memory is reserved ("Crash kernel" is not in /proc/iomem)',
                remedy="boot with crashkernel=; `kexeckit crashkernel SPEC` shows where it would land",
            )
        return RangeSet((region,))
    known = facts.resources.ram() & next_kernel_map(facts).ram()
    return known - facts.crash_memory() - RangeSet((LOW_MEMORY,))


def _planned(inputs: ImageInputs, places: Placement) -> LoadPlan:
    request, facts = inputs.request, inputs.facts
    elfcorehdr = None
    if inputs.core_header:
        places = places.placing(_elfcorehdr_request(inputs.core_header.size))
        elfcorehdr = places.of("elfcorehdr")
    cmdline, notes = complete_cmdline(request, facts, inputs.image, elfcorehdr)
    e820 = capture_kernel_map(facts, elfcorehdr, request.old_ram) if elfcorehdr else next_kernel_map(facts)
    handover = Handover(cmdline, e820, setup_blobs(request, facts, e820))
    for buffer in _requests(inputs, handover):
        places = places.placing(buffer)
    unplug = unplug_warnings(places.places, facts.traits)
    return LoadPlan(
        syscall=Syscall.LOAD,
        panic=request.panic,
        arch=facts.arch,
        entry=places.of("purgatory").start + inputs.purgatory.entry_offset,
        cmdline=cmdline,
        segments=fill_segments(inputs, handover, places.segments),
        e820=e820,
        elfcorehdr=inputs.core_header,
        warnings=(
            *facts.warnings,
            *(facts.dump_warnings if request.panic else ()),
            *notes,
            *unplug,
            *_map_notes(len(e820)),
        ),
        assumed=facts.assumed,
    )


def _requests(inputs: ImageInputs, handover: Handover) -> list[BufferRequest]:
    image, purgatory = inputs.image, inputs.purgatory
    small = "small and read early, so out of the kernel's way"
    out = [
        _buffer("purgatory", len(purgatory.code), "runs wherever the old kernel maps memory"),
        _buffer("boot_params", boot_params_size(handover.cmdline, inputs.facts), small),
        BufferRequest(
            "kernel",
            image.kernel_size,
            align_up(max(image.init_size, image.kernel_size), PAGE_SIZE),
            max(image.kernel_alignment, PAGE_SIZE),
            max(MIB, image.pref_address),
            NO_LIMIT,
            True,
            f"it unpacks itself within init_size, and would move if it lay below {format_address(image.pref_address)}, "
            "its preferred address",
        ),
    ]
    if inputs.request.initrd:
        out.append(_buffer("initrd", len(inputs.request.initrd.data), "may lie above 4 GiB (xloadflags bit 1)"))
    if inputs.request.efi:
        out.append(_buffer("efi", inputs.request.efi.size, "an EFI memory map as asked for, with its system table"))
    if handover.blobs:
        out.append(_buffer("setup_data", setup_data_size(handover.blobs), "read in place by the next kernel"))
    return out


def _buffer(name: str, size: int, why: str) -> BufferRequest:
    return BufferRequest(name, size, align_up(size, PAGE_SIZE), PAGE_SIZE, MIB, NO_LIMIT, True, why)


def _elfcorehdr_request(size: int) -> BufferRequest:
    why = "the lowest place leaves the rest of the reservation in one piece"
    return BufferRequest("elfcorehdr", size, align_up(size, PAGE_SIZE), PAGE_SIZE, MIB, NO_LIMIT, False, why)


def _map_notes(entries: int) -> list[str]:
    if entries <= E820_MAX_INLINE:
        return []
    beyond = entries - E820_MAX_INLINE
    return [f"{entries} memory map entries: {beyond} go on in SETUP_E820_EXT (kexec_file_load would drop them)"]


def _explained(error: NoHoleError, inputs: ImageInputs, usable: RangeSet) -> NoHoleError:
    # The user can act on the sum, not on the one buffer that happened to come last.
    image, initrd = inputs.image, inputs.request.initrd
    need = align_up(max(image.init_size, image.kernel_size), PAGE_SIZE)
    need += align_up(len(initrd.data), PAGE_SIZE) if initrd else 0
    # The small segments, the core header, and what the kernel's alignment can leave between them.
    need += MIB + image.kernel_alignment + (inputs.core_header.size if inputs.core_header else 0)
    if not inputs.request.panic or need <= usable.size // 2:
        return error
    asked = f"{error.asked} in the crash region of {format_size(usable.size)}"
    what = f"{image.source} needs {format_size(image.init_size)}"
    what += f", {initrd.source} {format_size(len(initrd.data))}" if initrd else ""
    return NoHoleError(
        asked,
        error.limit,
        fits=f"{what}: a reservation of {format_size(align_up(need, MIB))} or more to load it, and more to run",
    )
