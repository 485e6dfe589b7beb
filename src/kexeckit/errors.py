"""All errors that kexeckit raises on purpose, sorted by whose fault it is.

Rules of this file:
    1. Programmer errors are ``ValueError``/``TypeError`` and are not here.
    2. Nothing here prints or exits: ``cli/`` turns an error into one line and an exit code.
    3. The exit codes are those of the command line's contract: 1 a failed check or plan, 2 usage, 3 not determined,
       65 unusable input, 69 unavailable, 74 I/O, 77 not permitted.
"""

from dataclasses import dataclass


class KexeckitError(Exception):
    """Base of every error that a user can meet.

    Attributes:
        exit_code: What the command exits with.
        remedy: What to do next, one sentence, or empty.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class UsageError(KexeckitError):
    """The command line itself cannot be understood."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """Where in the input something was found.

    Attributes:
        source: File name as the user knows it, e.g. ``/proc/iomem``.
        line: 1-based line number, or None where the input has no lines.
    """

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


class InputError(KexeckitError):
    """A file, the firmware or the kernel said something that cannot be accepted.

    Args:
        source: File or interface.
        problem: What was found.
        expected: What would have been accepted, or empty.
        line: 1-based line number where there is one.
    """

    exit_code = 65

    def __init__(
        self, source: str, problem: str, *, expected: str = "", line: int | None = None, remedy: str = ""
    ) -> None:
        self.location = SourceLocation(source, line)
        self.problem = problem
        self.expected = expected
        tail = f"; expected {expected}" if expected else ""
        super().__init__(f"{self.location}: {problem}{tail}", remedy=remedy)


class MaskedAddressesError(InputError):
    """Addresses were hidden (all zero): the map is masked, which is not the same as empty.

    Source: kernel/resource.c, r_show(): addresses print as zero without CAP_SYS_ADMIN.
    """

    exit_code = 77


class UnavailableError(KexeckitError):
    """Something that is needed is not there: a file, a program, a kernel feature."""

    exit_code = 69


class NotDeterminedError(KexeckitError):
    """There is an answer, and it is not known here.

    Args:
        asked: What was asked for, in words.
        why: Why it is not determined, in words.
    """

    exit_code = 3

    def __init__(self, asked: str, why: str, *, remedy: str = "") -> None:
        self.asked = asked
        self.why = why
        super().__init__(f"{asked}: not determined: {why}", remedy=remedy)


class FileAccessError(KexeckitError):
    """Reading or writing a file failed for a reason other than its content."""

    exit_code = 74


class NotPermittedError(KexeckitError):
    """The caller lacks a right that is needed."""

    exit_code = 77


class PlanError(KexeckitError):
    """A request cannot be met.

    Args:
        asked: What was asked for, in words.
        limit: The limit that bound it, in words.
        fits: What would fit, in words, or empty.
    """

    exit_code = 1

    def __init__(self, asked: str, limit: str, *, fits: str = "", remedy: str = "") -> None:
        self.asked = asked
        self.limit = limit
        self.fits = fits
        tail = f"; {fits}" if fits else ""
        super().__init__(f"{asked}: {limit}{tail}", remedy=remedy)


class SystemCallError(KexeckitError):
    """The kernel refused a system call.

    Args:
        syscall: Its name, e.g. ``kexec_load``.
        errno: The error number it gave.
        cause: Why, in words.
        remedy: What to do, in words.
        exit_code: 77 where a right was missing, 69 where the call does not exist, else 1.
    """

    def __init__(self, syscall: str, errno: int, cause: str, *, remedy: str = "", exit_code: int = 1) -> None:
        self.syscall = syscall
        self.errno = errno
        self.cause = cause
        self.exit_code = exit_code
        super().__init__(f"{syscall}: {cause}", remedy=remedy)
