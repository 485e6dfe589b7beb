"""All errors that kexeckit raises on purpose, sorted by whose fault it is.

Rules of this file:
    1. Programmer errors are ``ValueError``/``TypeError`` and are not here.
    2. Nothing here prints or exits: ``cli/`` turns an error into one line and an exit code.
    3. The exit codes are those of the command line's contract: 1 a failed check or plan, 2 usage, 65 unusable input,
       69 unavailable, 70 a defect of kexeckit, 74 I/O, 77 not permitted. An answer may end with 3, which is no error.
"""

import errno

from kexeckit.frozen import dataclass

# Exit code of an answer that leaves its outcome open, so that a script can tell it from success.
NOT_DETERMINED = 3


class KexeckitError(Exception):
    """Base of every error that a user can meet.

    Attributes:
        exit_code: What the command exits with.
        kind: The family's name in the JSON document of an error.
        remedy: What to do next, one sentence, or empty.
    """

    exit_code = 1
    kind = "plan"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    @classmethod
    def again(cls, message: str, remedy: str = "") -> "KexeckitError":
        """Return an error of this family with a message that was made before."""
        made = cls.__new__(cls)
        KexeckitError.__init__(made, message, remedy=remedy)
        return made


class UsageError(KexeckitError):
    """The command line itself cannot be understood."""

    exit_code = 2
    kind = "usage"


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
    kind = "input"
    location = SourceLocation("")
    problem = ""
    expected = ""

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
    kind = "permission"


class UnavailableError(KexeckitError):
    """Something that is needed is not there: a file, a program, a kernel feature."""

    exit_code = 69
    kind = "unavailable"


class NotDeterminedError(KexeckitError):
    """There is an answer, and it is not known here.

    Args:
        asked: What was asked for, in words.
        why: Why it is not determined, in words.
    """

    exit_code = NOT_DETERMINED
    kind = "not-determined"

    def __init__(self, asked: str, why: str, *, remedy: str = "") -> None:
        self.asked = asked
        self.why = why
        super().__init__(f"{asked}: not determined: {why}", remedy=remedy)


class FileAccessError(KexeckitError):
    """Reading or writing a file failed for a reason other than its content."""

    exit_code = 74
    kind = "io"


class NotPermittedError(KexeckitError):
    """The caller lacks a right that is needed."""

    exit_code = 77
    kind = "permission"


class DefectError(KexeckitError):
    """Kexeckit itself is wrong: its own verifier rejects a plan, or something happened that nobody foresaw."""

    exit_code = 70
    kind = "defect"


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

    kind = "syscall"

    def __init__(self, syscall: str, errno: int, cause: str, *, remedy: str = "", exit_code: int = 1) -> None:
        self.syscall = syscall
        self.errno = errno
        self.cause = cause
        self.exit_code = exit_code
        super().__init__(f"{syscall}: {cause}", remedy=remedy)


def file_error(
    error: OSError, label: str, doing: str = "read it"
) -> UnavailableError | NotPermittedError | FileAccessError:
    """Return the error of a file that could not be opened, read or made: one code for each cause in all commands.

    Args:
        error: What the operating system said.
        label: How the user knows the file.
        doing: What was tried, in words: ``read it``, ``write there``.
    """
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return UnavailableError(f"{label}: no such file or directory")
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermittedError(f"{label}: not permitted to {doing}", remedy="run as root")
    return FileAccessError(f"{label}: {error.strerror}")
