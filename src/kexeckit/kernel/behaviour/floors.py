"""From which release on the records are modelled: below it, an answer would apply newer rules in silence.

A floor belongs to a subject, not to a record: the page tables of kexec are dated further back than kexec_file_load,
although one record holds both.
"""

from collections.abc import Iterator

from kexeckit.frozen import dataclass
from kexeckit.kernel.behaviour.change import Numbers, is_mainline
from kexeckit.machine.version import KernelVersion

RESERVATION = "crashkernel="
ZONES = "zones"
PAGE_TABLES = "kexec's page tables"
FILE_LOAD = "kexec_file_load"
SUBJECTS = (RESERVATION, ZONES, PAGE_TABLES, FILE_LOAD)


@dataclass(frozen=True, slots=True)
class Floor:
    """Where the model of one subject begins.

    Attributes:
        subject: One of `SUBJECTS`.
        arches: Architectures concerned, by the kernel's names.
        since: First release that is modelled.
        why: What is otherwise, or not known, before.
        source: Kernel file and function.

    Raises:
        ValueError: `since` is no release of mainline.
    """

    subject: str
    arches: tuple[str, ...]
    since: Numbers
    why: str
    source: str

    def __post_init__(self) -> None:
        if not is_mainline(self.since):
            raise ValueError(f"the floor of {self.subject} is no release of mainline: {self.since}")


_X86 = ("x86_64", "i386")
_UNREAD = "no older source was read"
FLOORS = (
    Floor(RESERVATION, _X86, (2, 6, 32), _UNREAD, "arch/x86/kernel/setup.c reserve_crashkernel()"),
    Floor(RESERVATION, ("arm64",), (4, 12, 0), "the kernel does not know crashkernel=",
          "arch/arm64/mm/init.c reserve_crashkernel()"),
    Floor(RESERVATION, ("riscv64",), (5, 13, 0), "the kernel does not know crashkernel=",
          "arch/riscv/mm/init.c reserve_crashkernel()"),
    Floor(RESERVATION, ("loongarch64",), (6, 1, 0), "the kernel does not know crashkernel=",
          "arch/loongarch/kernel/setup.c arch_parse_crashkernel()"),
    Floor(ZONES, _X86, (3, 8, 0), _UNREAD, "arch/x86/mm/init.c zone_sizes_init()"),
    Floor(ZONES, ("arm64",), (4, 16, 0), "the zone below 4 GiB has another name",
          "arch/arm64/mm/init.c zone_sizes_init()"),
    Floor(ZONES, ("ppc64",), (5, 0, 0), "all memory is in ZONE_DMA", "arch/powerpc/mm/mem.c paging_init()"),
    Floor(ZONES, ("riscv64", "s390x"), (5, 10, 0), _UNREAD, "arch/*/mm/init.c"),
    Floor(ZONES, ("loongarch64",), (5, 19, 0), "the architecture does not exist", "arch/loongarch/mm/init.c"),
    Floor(PAGE_TABLES, ("x86_64",), (3, 9, 0), "the kernel maps everything up to the highest page, holes included",
          "arch/x86/kernel/machine_kexec_64.c init_pgtable()"),
    Floor(PAGE_TABLES, ("arm64",), (4, 8, 0), "the kernel does not know kexec",
          "arch/arm64/kernel/machine_kexec.c machine_kexec_prepare()"),
    Floor(FILE_LOAD, ("x86_64", "arm64"), (5, 10, 0), _UNREAD, "kernel/kexec_file.c kexec_add_buffer()"),
)  # fmt: skip
"""One per subject and architecture; an architecture that is in none is not modelled, or not to be dated."""

# Subjects of which nothing is known on other architectures; the others say so themselves.
_ALONE = (PAGE_TABLES, FILE_LOAD)


def floor_of(subject: str, arch: str) -> Floor | None:
    """Return where the model of a subject begins on an architecture, or None where no floor is known."""
    return next((f for f in FLOORS if f.subject == subject and arch in f.arches), None)


def below_floor(subject: str, arch: str, version: KernelVersion) -> str | None:
    """Say why there is no answer for a kernel, or return None where there can be one.

    Args:
        subject: One of `SUBJECTS`.
        arch: The kernel's name of the architecture.
        version: The kernel.
    """
    floor = floor_of(subject, arch)
    if floor is None and subject in _ALONE:
        arches = sorted({name for f in FLOORS if f.subject == subject for name in f.arches})
        return f"{_verb(subject)} modelled for {' and '.join(arches)} only, not for {arch}"
    if floor is None or version.at_least(*floor.since):
        return None
    return f"{_verb(subject)} modelled for {arch} from {release_text(floor.since)} on: before, {floor.why}"


def _verb(subject: str) -> str:
    return f"{subject} {'are' if subject.endswith('s') else 'is'}"


def floors_below(arch: str, version: KernelVersion) -> Iterator[tuple[str, str]]:
    """Yield each subject that has no answer for a kernel, with the reason."""
    for subject in SUBJECTS:
        why = below_floor(subject, arch, version)
        if why:
            yield subject, why


def release_text(numbers: Numbers) -> str:
    """Return a release as people write it: 6.12, 5.10.22, 2.6.32."""
    return ".".join(map(str, numbers if numbers[2] else numbers[:2]))
