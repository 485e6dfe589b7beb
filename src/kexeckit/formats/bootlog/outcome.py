"""What a boot log says about the reservation itself: the regions, or why there are none.

Used to check predictions, and to tell which lines of a log come before the reservation and which after.

Source: arch/x86/kernel/setup.c and arch/arm64/mm/init.c, reserve_crashkernel() (to 6.6); kernel/crash_reserve.c,
reserve_crashkernel_generic(); kernel/crash_core.c, parse_crashkernel_mem() and neighbours.
"""

from kexeckit.formats.bootlog.boot import BootLog
from kexeckit.formats.bootlog.line import LogLine
from kexeckit.formats.bootlog.pattern import LinePattern
from kexeckit.frozen import dataclass
from kexeckit.memory.units import MIB

_MB = LinePattern(r"^(?:kexec\w*: )?Reserving (\d+)MB of (low )?memory at (\d+)MB for crashkernel", "for crashkernel")
_RANGE = LinePattern(
    r"^crashkernel(?: (low) memory)?:? reserved: 0x([0-9a-f]{1,16}) ?- ?0x([0-9a-f]{1,16})",
    "reserved: 0x",
    ignore_case=True,
)
_FAILED = LinePattern(
    r"^(?:crashkernel reservation failed|cannot allocate crashkernel|Cannot reserve \d+MB crashkernel)",
    "crashkernel reservation failed",
    "cannot allocate crashkernel",
    "cannot reserve ",
)


@dataclass(frozen=True, slots=True)
class LoggedRegion:
    """A reservation as the kernel announced it.

    Attributes:
        start: First byte; whole MiB, rounded down, in the older form.
        size: Bytes, likewise.
        kind: ``main`` or ``low``.
        exact: Addresses were printed to the byte.
        line: Line number in the file.
    """

    start: int
    size: int
    kind: str
    exact: bool
    line: int


def logged_regions(log: BootLog) -> tuple[LoggedRegion, ...]:
    """Return the regions that the log announces, in order."""
    out: list[LoggedRegion] = []
    if not (log.may_match(_MB) or log.may_match(_RANGE)):
        return ()
    whole_mb, to_the_byte = _MB.compiled.match, _RANGE.compiled.match
    for line in log.lines:
        mb = whole_mb(line.text)
        exact = None if mb else to_the_byte(line.text)
        if mb:
            kind = "low" if mb[2] else "main"
            out.append(LoggedRegion(int(mb[3]) * MIB, int(mb[1]) * MIB, kind, exact=False, line=line.number))
        elif exact:
            start, end = int(exact[2], 16), int(exact[3], 16)
            kind = "low" if exact[1] else "main"
            out.append(LoggedRegion(start, max(end - start, 0), kind, exact=True, line=line.number))
    return tuple(out)


def failure(log: BootLog) -> LogLine | None:
    """Return the first line that says that a reservation failed, or None."""
    return next((line for line, _ in log.matches(_FAILED)), None)


def search_line(log: BootLog) -> int | None:
    """Return the number of the first line that tells how the search for a region went, or None."""
    failed = failure(log)
    return min(
        (n for n in (failed.number if failed else None, *(r.line for r in logged_regions(log))) if n is not None),
        default=None,
    )
