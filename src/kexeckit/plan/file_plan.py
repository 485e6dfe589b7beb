"""A `LoadPlan` for kexec_file_load(2): what the running kernel's own loader will make of a request.

kexeckit decides nothing here. The prediction of kernel/file_load is put into the same form as a plan of our own, so
that one table, one JSON document and one comparison serve both. Contents that the kernel makes have no digest.
"""

import errno
from collections.abc import Iterator

from kexeckit.errors import InputError, NotDeterminedError, SystemCallError, UsageError
from kexeckit.formats.bzimage import BzImage, parse_bzimage
from kexeckit.kernel.behaviour.behaviours import Behaviours, select_behaviours
from kexeckit.kernel.behaviour.floors import FILE_LOAD
from kexeckit.kernel.behaviour.loading import KernelBehaviour
from kexeckit.kernel.boot.e820 import make_table, sanitized
from kexeckit.kernel.load.file_load import PlacedBuffer, predict_file_load
from kexeckit.kernel.load.file_load_handover import crash_memory_map, normal_memory_map
from kexeckit.kernel.load.file_load_inputs import FileLoadFiles, FileLoadKernel, FileLoadMachine, X86Image
from kexeckit.machine.version import Release
from kexeckit.memory.kind import kind_from_e820
from kexeckit.memory.memmap import MemoryEntry, MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.plan.core_header import plan_core_header
from kexeckit.plan.facts import LoaderFacts, MachineFacts
from kexeckit.plan.initrd import check_initrd
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.plan.next_cmdline import check_characters
from kexeckit.plan.request import NO_LIMIT, BufferRequest
from kexeckit.plan.segment import Content, Segment, digest

_DEFAULT_DESCRIPTOR = 48


def plan_file_load(request: LoadRequest, facts: MachineFacts, *, predicted: bool = True) -> LoadPlan:
    """Predict what kexec_file_load(2) will do with a request on this machine.

    Args:
        request: What is to be loaded.
        facts: The machine.
        predicted: The prediction is what the caller wants. False to load: then the plan for a kernel that is older than
            what is modelled has no segments, and a warning says why.

    Raises:
        InputError: The kernel or the initrd is not usable.
        NotDeterminedError: The running kernel is older than what is modelled.
        SystemCallError: The kernel would refuse; carries its errno.
    """
    image = parse_bzimage(memoryview(request.kernel.data), request.kernel.source)
    if request.initrd:
        check_initrd(request.initrd)
    check_characters(request.cmdline)
    known = _behaviours(facts)
    below = known.why_not(FILE_LOAD)
    if below and predicted:
        raise NotDeterminedError("a prediction of kexec_file_load", below)
    if below:
        return _unpredicted(request, facts, below)
    machine = FileLoadMachine(facts.resources)
    kernel = _kernel(facts, known.loading)
    files = FileLoadFiles(request.panic, len(request.initrd.data) if request.initrd else None, request.cmdline)
    found = predict_file_load(machine, kernel, X86Image.of(image), files)
    handed = crash_memory_map(machine, kernel, found) if request.panic else normal_memory_map(facts.firmware_map)
    warnings = [
        *known.said(known.loading),
        *facts.warnings,
        *(facts.dump_warnings if request.panic else ()),
        *found.not_determined,
    ]
    if handed.dropped:
        warnings.append(f"{len(handed.dropped)} memory map entries beyond 128 are dropped by the in-kernel loader")
    return LoadPlan(
        syscall=Syscall.FILE,
        panic=request.panic,
        arch=facts.arch,
        entry=found.entry,
        cmdline=found.cmdline or "",
        segments=tuple(s for b in found.buffers if (s := _segment(b, request, image))),
        e820=_as_read(handed.entries),
        elfcorehdr=plan_core_header(facts, found.dumped) if request.panic else None,
        warnings=tuple(warnings),
        assumed=(*facts.assumed, *known.assumptions, *_assumed(facts.loader, kernel.behaviour, panic=request.panic)),
        undetermined=bool(found.not_determined),
    )


def _behaviours(facts: MachineFacts) -> Behaviours:
    if facts.kernel:
        return facts.kernel
    try:
        return select_behaviours(facts.arch, Release(facts.release) if facts.release else None)
    except UsageError as error:
        raise InputError("the kernel's release", str(error), remedy="name it with --kernel-version") from error


def _unpredicted(request: LoadRequest, facts: MachineFacts, why: str) -> LoadPlan:
    # The kernel loads it all the same; only where to is not known.
    return LoadPlan(
        syscall=Syscall.FILE,
        panic=request.panic,
        arch=facts.arch,
        entry=None,
        cmdline=request.cmdline,
        segments=(),
        e820=MemoryMap.of(()),
        elfcorehdr=None,
        warnings=(*facts.warnings, f"what the kernel loads where is not determined: {why}"),
        undetermined=True,
    )


def _assumed(loader: LoaderFacts, behaviour: KernelBehaviour, *, panic: bool) -> Iterator[str]:
    # Of what no source shows, what this prediction depends on.
    room = panic and behaviour.elfcorehdr_hotplug_room
    said = {
        "possible_cpus": (panic, f"the number of CPUs is not shown: {loader.possible_cpus} is assumed"),
        "nr_cpus": (room, f"CONFIG_NR_CPUS is not shown: {loader.nr_cpus} is assumed"),
        "crash_hotplug": (room, "whether the elfcorehdr has room for hotplug is not shown: it is assumed that it has"),
        "cma": (
            not panic and behaviour.file_load_cma,
            "whether there is a CMA area is not shown: it is assumed that there is none",
        ),
    }
    return (text for name, (matters, text) in said.items() if matters and name in loader.not_shown)


def _kernel(facts: MachineFacts, behaviour: KernelBehaviour) -> FileLoadKernel:
    size = (facts.boot_params.efi.memdesc_size if facts.boot_params else 0) or _DEFAULT_DESCRIPTOR
    return FileLoadKernel(
        behaviour=behaviour,
        possible_cpus=facts.loader.possible_cpus,
        present_cpus=facts.loader.present_cpus,
        nr_cpus=facts.loader.nr_cpus,
        crash_hotplug=facts.loader.crash_hotplug,
        cma=facts.loader.cma,
        efi_runtime_map=len(facts.efi.runtime_map) * size if facts.efi else 0,
    )


def _segment(buffer: PlacedBuffer, request: LoadRequest, image: BzImage) -> Segment | None:
    # A buffer whose place is not determined is no reason not to load: the warnings say why it is missing here.
    if buffer.range is None:
        return None
    if buffer.bufsz > buffer.memsz:
        # kernel/kexec_core.c, sanity_check_segment_list()
        cause = f"{buffer.name} has {buffer.bufsz} bytes for {buffer.memsz} bytes of memory (init_size in its header)"
        raise SystemCallError("kexec_file_load", errno.EINVAL, cause)
    limit = min(buffer.max + 1, NO_LIMIT)
    asked = BufferRequest(
        buffer.name, buffer.bufsz, buffer.memsz, buffer.align, buffer.min, limit, buffer.top_down, buffer.reason
    )
    content = _content(buffer.name, request, image)
    return Segment(asked, buffer.range, buffer.reason, content, digest(content) if content is not None else None)


def _content(name: str, request: LoadRequest, image: BzImage) -> Content | None:
    if name == "kernel":
        return memoryview(request.kernel.data)[image.setup_size :]
    return request.initrd.data if name == "initrd" and request.initrd else None


def _as_read(entries: tuple[MemoryEntry, ...]) -> MemoryMap:
    # The loader writes the table as it comes; what counts is what the next kernel makes of it when it cleans it up.
    table = sanitized(make_table((e.start, e.end, e.kind.e820) for e in entries))
    return MemoryMap.of(MemoryEntry(MemRange(e.start, e.end), kind_from_e820(e.type)) for e in table)
