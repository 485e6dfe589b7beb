"""Reading what a kernel prints about kexec_file_load, and comparing it."""

from dataclasses import replace
from random import Random

from guest3g import IMAGES, MACHINE, kernel
from kexeckit.kernel.load.file_load import predict_file_load
from kexeckit.kernel.load.file_load_handover import crash_memory_map
from kexeckit.kernel.load.file_load_inputs import FileLoadFiles
from kexeckit.lab.dev.placer_cases import random_images, random_placer_machine
from kexeckit.lab.dev.placer_compare import ObservedLoad, compare_load, parse_observed
from kexeckit.memory.units import MIB

# One load as kernels of both ages put it; shortened.
OLD = [
    "kexec: Crash PT_LOAD ELF header. phdr=00000000f1 vaddr=0xffff888000100000, paddr=0x100000, sz=0xadf00000 e_ph",
    "kexec-bzImage64: Loaded 64bit kernel at 0xbac00000 bufsz=0xd79a00 memsz=0x3378000",
    "kexec_file: Loading segment 0: buf=0x00000000a1 bufsz=0x1000 mem=0xae000000 memsz=0x1000",
]
NEW = [
    "kexec_file: nr_segments = 1",
    "kexec_file: segment[0]: buf=0x00000000a1 bufsz=0x1000 mem=0xae000000 memsz=0xe1000",
    "0000000000001000-000000000009fbff (1)",
    "kexec-bzImage64: 00000000ae0e00b0-00000000bdffffff (1)",
    "kexec-bzImage64: Final command line is: elfcorehdr=0xae000000 a b",
]


def test_old_kernels_lines_are_read() -> None:
    """The words of 5.10 and 6.1."""
    seen = parse_observed(OLD)
    assert seen.segments == ((0xAE000000, 0x1000, 0x1000),)
    assert seen.loads == ((0x100000, 0xADF00000),)
    assert (seen.kernel, seen.e820, seen.cmdline, seen.lost) == (0xBAC00000, (), None, False)


def test_new_kernels_lines_are_read() -> None:
    """The words of 6.8 and later, with the map."""
    seen = parse_observed([*NEW, "(messages were lost)"])
    assert seen.segments == ((0xAE000000, 0x1000, 0xE1000),)
    assert seen.e820 == ((0x1000, 0x9FBFF, 1), (0xAE0E00B0, 0xBDFFFFFF, 1))
    assert (seen.cmdline, seen.lost) == ("elfcorehdr=0xae000000 a b", True)


def test_equal_load_agrees_and_a_moved_segment_does_not() -> None:
    """Every piece is compared: segments, PT_LOADs, map, command line, kernel."""
    running = kernel("6.12.107")
    plan = predict_file_load(MACHINE, running, IMAGES["6.12.107"], FileLoadFiles(crash=True, cmdline="a"))
    handed = crash_memory_map(MACHINE, running, plan)
    seen = ObservedLoad(
        tuple((b.start or 0, b.bufsz, b.memsz) for b in plan.buffers),
        tuple((r.start, r.size) for r in plan.dumped),
        tuple((e.start, e.range.last, e.kind.e820) for e in handed.entries),
        plan.cmdline,
        (plan.entry or 0) - 0x200,
        lost=False,
    )
    checks = compare_load(plan, handed, seen)
    assert [c.subject for c in checks if not c.agrees] == []
    assert len(checks) == 1 + len(plan.buffers) + 4
    moved = replace(seen, segments=((1, 2, 3), *seen.segments[1:]), e820=(), cmdline=None, kernel=None)
    assert [c.subject for c in compare_load(plan, handed, moved) if not c.agrees] == ["elfcorehdr"]


def test_random_machines_are_possible_machines() -> None:
    """Holes lie in RAM, reservations are there, images fit into memory."""
    random = Random(7)
    for _ in range(200):
        machine = random_placer_machine(random)
        assert machine.below_4g <= machine.memory
        assert 1 <= machine.cpus <= machine.max_cpus
        assert machine.words[0].startswith("crashkernel=")
        for image in random_images(random, machine, 3):
            assert image.initrd is None or 0 < image.initrd <= 120 * MIB
            assert image.cmdline is None or len(image.cmdline) <= 2016
