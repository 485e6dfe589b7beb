"""Runs inside a guest: load an image that only spins, with kexec_load, and jump into it.

Stands alone: the guest has Python but no kexeckit. ``load SPEC`` loads and reports as JSON; ``jump`` starts a normal
image. The first segment begins with a jump to itself, so the machine stays where the image's page tables are in force.
Before that a list of images that no kernel should take is tried, for the errno of each.
"""

import ctypes
import json
import random
import re
import sys
from pathlib import Path

SYS_KEXEC_LOAD = 246
ON_CRASH = 1
X86_64 = 62 << 16
REBOOT_KEXEC = 0x45584543
SPIN = b"\xeb\xfe"
PAGE = 4096
LOWEST = 32 << 20
LIBC = ctypes.CDLL(None, use_errno=True)


class KexecSegment(ctypes.Structure):
    """struct kexec_segment."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("bufsz", ctypes.c_size_t),
        ("mem", ctypes.c_ulong),
        ("memsz", ctypes.c_size_t),
    )


Segment = tuple[int, int, int]  # mem, memsz, bufsz


def main() -> None:
    """Load and report, or jump."""
    if sys.argv[1] == "jump":
        LIBC.reboot(REBOOT_KEXEC)
        return
    spec = json.loads(sys.argv[2])
    flags = ON_CRASH if spec["crash"] else 0
    rng = random.Random(spec["seed"])
    segments = choose(rng, flags)
    refused = [[entry, image, load(entry, image, flags)] for image, entry in bad_images(segments, flags)]
    number = load(segments[0][0], segments, flags)
    json.dump({"errno": number, "segments": segments, "refused": refused, "memtotal": memtotal()}, sys.stdout)
    sys.exit(number)


def choose(rng: random.Random, flags: int) -> list[Segment]:
    """Draw disjoint segments in System RAM or in the crash region."""
    crash = bool(flags & ON_CRASH)
    ram = [(max(first, LOWEST), last) for first, last in ranges("System RAM") if last > LOWEST]
    areas = ranges("Crash kernel")[-1:] if crash else ram
    found: list[Segment] = []
    for _ in range(rng.choice((1, 2, 5, 16))):
        first, last = rng.choice(areas)
        memsz = PAGE * rng.choice((1, 2, 3, 64, 700))
        at = rng.randrange(first // PAGE + 1, max(first // PAGE + 2, (last - memsz) // PAGE)) * PAGE
        if crash and rng.random() < 0.5:
            at = (first + PAGE * rng.randrange(24)) // PAGE * PAGE
        if at + memsz <= last + 1 and all(at >= m + s or at + memsz <= m for m, s, _ in found):
            found.append((at, memsz, min(memsz, rng.choice((PAGE, 5000)))))
    return found or [((areas[-1][1] + 1 - 2 * PAGE) // PAGE * PAGE, PAGE, PAGE)]


def bad_images(good: list[Segment], flags: int) -> list[tuple[list[Segment], int]]:
    """Return images with one fault each, and their entries."""
    crash = bool(flags & ON_CRASH)
    mem, memsz, bufsz = good[0]
    rest = good[1:15]
    images = [
        [(mem + 16, memsz, bufsz), *rest],
        [(mem, memsz + 1, bufsz), *rest],
        [*rest, (mem, memsz, bufsz), (mem, PAGE, 1)],
        [(mem, memsz, memsz + 1), *rest],
        [(1 << 46, PAGE, PAGE), *rest],
        [((1 << 64) - PAGE, 2 * PAGE, PAGE), *rest],
        [(mem, (memtotal() // 2 + 8) * 1024 // PAGE * PAGE, 1)],
        [(0, PAGE, PAGE), *good] if crash else [good[0]] * 17,
        [good[0]] * 17,
    ]
    faults = [(image[:17], mem) for image in images]
    return [*faults, (good, mem - (1 << 40))] if crash else faults


def load(entry: int, segments: list[Segment], flags: int) -> int:
    """Call kexec_load(2); return 0 or the error number."""
    content = ctypes.create_string_buffer(SPIN + b"\0" * 65536)
    address = ctypes.addressof(content)
    array = (KexecSegment * len(segments))()
    for slot, (mem, memsz, bufsz) in zip(array, segments, strict=True):
        slot.buf, slot.bufsz, slot.mem, slot.memsz = address, bufsz, mem, memsz
    words: list[object] = [ctypes.c_long(SYS_KEXEC_LOAD), ctypes.c_ulong(entry & (1 << 64) - 1)]
    words += [ctypes.c_ulong(len(segments)), array, ctypes.c_ulong(X86_64 | flags)]
    return ctypes.get_errno() if LIBC.syscall(*words) else 0


def ranges(name: str) -> list[tuple[int, int]]:
    """Return the inclusive ranges of a name in /proc/iomem."""
    lines = re.findall(r"^ *([0-9a-f]+)-([0-9a-f]+) : (.*)$", Path("/proc/iomem").read_text(), re.MULTILINE)
    return [(int(first, 16), int(last, 16)) for first, last, text in lines if text == name]


def memtotal() -> int:
    """Return MemTotal in KiB."""
    return int(Path("/proc/meminfo").read_text().split("\n")[0].split()[1])


if __name__ == "__main__":
    main()
