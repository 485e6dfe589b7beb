"""What kexeckit loaded last, per slot: a small file under /run, for `status` and to put a lost image back.

The kernel keeps no such record, so the files here must never say more than is known: a record is set aside before the
system call and comes back, or is replaced, when its outcome is known. What ends the process in between leaves no
record, and "not known" is the answer. A record whose slot is empty is stale and is treated as absent.

    crash.json --set aside--> crash.old --call refused--> crash.json
                                        --call worked---> (gone), and crash.new becomes crash.json
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from kexeckit.plan.fingerprint import fingerprint
from kexeckit.plan.handover import OldRam
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.plan.segment import digest
from kexeckit.purgatory import OnDamage

RECORDS = "/run/kexeckit"
_ASIDE = ".old"


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """A load that worked.

    Attributes:
        panic: The slot.
        syscall: ``load`` or ``file``.
        kernel: Path of the kernel file, absolute.
        initrd: Path of the initrd, absolute, or None.
        cmdline: Command line as requested, before anything was added.
        kernel_sha256: Digest of the kernel's segment.
        initrd_sha256: Digest of the initrd, or None.
        old_ram: As requested.
        on_damage: As requested.
        fingerprint: `plan.fingerprint` of the plan that was loaded, or empty.
        setup_sha256: Digest of what the kernel's file has before the segment.
        serial_port: As requested.
        spin: As requested.
        efi_map: Whether an EFI memory map was given; its content is not kept.
    """

    panic: bool
    syscall: str
    kernel: str
    initrd: str | None
    cmdline: str
    kernel_sha256: str | None
    initrd_sha256: str | None
    old_ram: str
    on_damage: str
    fingerprint: str = ""
    setup_sha256: str | None = None
    serial_port: int | None = None
    spin: bool = False
    efi_map: bool = False

    def __post_init__(self) -> None:
        texts = (self.syscall, self.kernel, self.cmdline, self.old_ram, self.on_damage, self.fingerprint)
        maybe = (self.initrd, self.kernel_sha256, self.initrd_sha256, self.setup_sha256)
        flags = (self.panic, self.spin, self.efi_map)
        if not all(isinstance(t, str) for t in (*texts, *(m for m in maybe if m is not None))):
            raise TypeError("a text of a load record is none")
        if not all(isinstance(b, bool) for b in flags) or not isinstance(self.serial_port, int | None):
            raise TypeError("a flag or number of a load record is none")
        if self.syscall not in tuple(Syscall) or self.old_ram not in tuple(OldRam):
            raise ValueError(f"no load record: {self.syscall}, {self.old_ram}")
        if self.on_damage.upper() not in OnDamage.__members__:
            raise ValueError(f"no load record: {self.on_damage}")

    @classmethod
    def of(cls, plan: LoadPlan, request: LoadRequest) -> "LoadRecord":
        """Make the record of a plan."""
        digests = {s.name: s.sha256 for s in plan.segments}
        kernel = plan.segment("kernel")
        before = len(request.kernel.data) - kernel.bufsz if kernel else 0
        return cls(
            panic=plan.panic,
            syscall=str(plan.syscall),
            kernel=str(Path(request.kernel.source).resolve()),
            initrd=str(Path(request.initrd.source).resolve()) if request.initrd else None,
            cmdline=request.cmdline,
            kernel_sha256=digests.get("kernel"),
            initrd_sha256=digests.get("initrd"),
            old_ram=str(request.old_ram),
            on_damage=request.on_damage.name.lower(),
            fingerprint=fingerprint(plan),
            setup_sha256=digest(request.kernel.data[:before]),
            serial_port=request.serial_port,
            spin=request.spin,
            efi_map=request.efi is not None,
        )


@contextmanager
def records_locked(folder: str) -> Iterator[None]:
    """Let only one process at a time load or unload, or records would be written in another order than images.

    Another one is waited for. Where the folder cannot be made or locked, there are no records to protect.
    """
    fd = _locked(folder)
    try:
        yield
    finally:
        if fd is not None:
            os.close(fd)


def suspend_record(folder: str, *, panic: bool) -> None:
    """Set the slot's record aside, because what it says is about to become uncertain."""
    at = _path(folder, panic=panic)
    with suppress(OSError):
        at.with_suffix(_ASIDE).unlink(missing_ok=True)
        at.rename(at.with_suffix(_ASIDE))


def resume_record(folder: str, *, panic: bool) -> None:
    """Put the slot's record back that `suspend_record` has set aside: what it says has stayed true."""
    at = _path(folder, panic=panic)
    with suppress(OSError):
        at.with_suffix(_ASIDE).rename(at)


def write_record(folder: str, record: LoadRecord) -> None:
    """Replace the slot's record; a folder that cannot be written costs the record, never the load."""
    at = _path(folder, panic=record.panic)
    try:
        at.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = at.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(record), indent=1))
        os.replace(fresh, at)  # noqa: PTH105
    except OSError:
        # The old record is not true any more.
        drop_record(folder, panic=record.panic)
        return
    with suppress(OSError):
        at.with_suffix(_ASIDE).unlink(missing_ok=True)


def read_record(folder: str, *, panic: bool) -> LoadRecord | None:
    """Return the slot's record, or None where there is none that can be read."""
    try:
        fields = json.loads(_path(folder, panic=panic).read_text())
        record = LoadRecord(**fields)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return record if record.panic == panic else None


def drop_record(folder: str, *, panic: bool) -> None:
    """Remove the slot's record, also one that is set aside."""
    at = _path(folder, panic=panic)
    for name in (at, at.with_suffix(_ASIDE)):
        with suppress(OSError):
            name.unlink(missing_ok=True)


def _locked(folder: str) -> int | None:
    import fcntl

    try:
        Path(folder).mkdir(mode=0o755, parents=True, exist_ok=True)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except BaseException as error:
        os.close(fd)
        if not isinstance(error, OSError):
            raise
        return None
    return fd


def _path(folder: str, *, panic: bool) -> Path:
    return Path(folder) / ("crash.json" if panic else "normal.json")
