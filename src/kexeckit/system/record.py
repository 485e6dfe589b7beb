"""What kexeckit loaded last, per slot: a small file under /run, for `status` and to put a lost image back.

The kernel keeps no such record. A file here that no loaded image belongs to is stale and is treated as absent.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from kexeckit.plan.fingerprint import fingerprint
from kexeckit.plan.load_plan import LoadPlan, LoadRequest

RECORDS = "/run/kexeckit"


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

    @classmethod
    def of(cls, plan: LoadPlan, request: LoadRequest) -> "LoadRecord":
        """Make the record of a plan."""
        digests = {s.name: s.sha256 for s in plan.segments}
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
        )


def write_record(folder: str, record: LoadRecord) -> None:
    """Replace the slot's record; a folder that cannot be written costs the record, never the load."""
    at = _path(folder, panic=record.panic)
    try:
        at.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = at.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(record), indent=1))
        os.replace(fresh, at)  # noqa: PTH105
    except OSError:
        return


def read_record(folder: str, *, panic: bool) -> LoadRecord | None:
    """Return the slot's record, or None where there is none that can be read."""
    try:
        fields = json.loads(_path(folder, panic=panic).read_text())
        return LoadRecord(**fields)
    except (OSError, ValueError, TypeError):
        return None


def drop_record(folder: str, *, panic: bool) -> None:
    """Remove the slot's record."""
    try:
        _path(folder, panic=panic).unlink(missing_ok=True)
    except OSError:
        return


def _path(folder: str, *, panic: bool) -> Path:
    return Path(folder) / ("crash.json" if panic else "normal.json")
