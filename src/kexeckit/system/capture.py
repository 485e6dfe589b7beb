"""Save what the other commands need to know of this machine as a folder laid out like a root.

Nothing is interpreted on the way, so that a capture answers questions that nobody had thought of when it was made. A
file that does not exist here is left out and named; one that may not be read is named too.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kexeckit.errors import KexeckitError, UsageError, file_error
from kexeckit.formats.iomem import parse_iomem
from kexeckit.frozen import dataclass
from kexeckit.machine.sources.files import BANNER, BOOT_PARAMS, EFI_MEMMAP, RELEASE
from kexeckit.system.boot_log import kernel_buffer
from kexeckit.system.efi_map import live_efi_map
from kexeckit.system.kernel_config import CONFIG_GZ, config_names, named_release
from kexeckit.system.sysroot import Sysroot

# Files, and folders (with a slash at the end) that are taken whole.
NAMES = (
    "/proc/iomem",
    "/proc/cmdline",
    "/proc/version",
    "/proc/meminfo",
    "/proc/zoneinfo",
    "/proc/cpuinfo",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/arch",
    "/sys/firmware/memmap/",
    "/sys/firmware/efi/runtime-map/",
    "/sys/firmware/efi/fw_vendor",
    "/sys/firmware/efi/runtime",
    "/sys/firmware/efi/config_table",
    "/sys/firmware/efi/systab",
    "/sys/firmware/fdt",
    "/sys/firmware/acpi/tables/SRAT",
    "/sys/kernel/boot_params/",
    "/sys/kernel/vmcoreinfo",
    "/sys/kernel/kexec_loaded",
    "/sys/kernel/kexec_crash_loaded",
    "/sys/kernel/kexec_crash_size",
    "/sys/kernel/crash_elfcorehdr_size",
    "/sys/kernel/kexec/",
    "/sys/kernel/debug/memblock/",
    "/sys/devices/system/cpu/possible",
    "/sys/devices/system/cpu/present",
    "/sys/devices/system/cpu/kernel_max",
)
_CPUS = "/sys/devices/system/cpu"
_NODES = "/sys/devices/system/node"
_KCORE = "/proc/kcore"
_BOOT_LOG = "/dmesg"


@dataclass(frozen=True, slots=True)
class CaptureResult:
    """What came of a capture.

    Attributes:
        saved: Names that were saved.
        missing: Why each other one was not.
    """

    saved: tuple[str, ...]
    missing: tuple[str, ...]


def write_capture(root: Sysroot, folder: str) -> CaptureResult:
    """Save a machine into a new folder; it appears complete or not at all.

    Raises:
        UsageError: The folder exists already.
        MaskedAddressesError: /proc/iomem hides its addresses; a capture of it would answer nothing.
        UnavailableError, NotPermittedError, FileAccessError: The folder cannot be written.
    """
    parse_iomem(root.read_text("/proc/iomem"), root.label("/proc/iomem"))
    target = Path(folder)
    if target.exists():
        raise UsageError(f"{folder} exists already; give the name of a new folder")
    try:
        scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            result = _save(root, scratch)
            scratch.chmod(0o755)
            os.rename(scratch, target)  # noqa: PTH104
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
    except OSError as error:
        raise file_error(error, folder, "write there") from error
    return result


def _save(root: Sysroot, folder: Path) -> CaptureResult:
    saved, missing = [], []
    for name in _wanted(root):
        try:
            data = _kcore_header(root) if name == _KCORE else root.read_bytes(name)
        except KexeckitError as error:
            missing.append(str(error))
            continue
        at = folder / name.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(data)
        saved.append(name)
    log = _boot_log(root)
    if log:
        (folder / _BOOT_LOG.lstrip("/")).write_bytes(log)
        saved.append(_BOOT_LOG)
    else:
        missing.append("the boot log: /dev/kmsg cannot be read or no longer holds the boot")
    try:
        memmap = _efi_map(root) if root.live else b""
    except KexeckitError as error:
        missing.append(f"the EFI memory map: {error}")
    else:
        if memmap:
            (folder / EFI_MEMMAP.lstrip("/")).write_bytes(memmap)
            saved.append(EFI_MEMMAP)
    return CaptureResult(tuple(saved), tuple(missing))


def _wanted(root: Sysroot) -> Iterator[str]:
    for name in NAMES:
        if name.endswith("/"):
            yield from _below(root, name.rstrip("/"))
        else:
            yield name
    for parent, mark, files in (
        (_CPUS, "cpu", ("crash_notes", "crash_notes_size")),
        (_NODES, "node", ("meminfo", "cpulist", "distance")),
    ):
        for child in root.listdir(parent) if root.exists(parent) else ():
            if child.startswith(mark) and child[len(mark) :].isdigit():
                yield from (f"{parent}/{child}/{file}" for file in files)
    yield next((n for n in config_names(_release(root)) if root.exists(n)), CONFIG_GZ)
    yield _KCORE


def _release(root: Sysroot) -> str | None:
    if root.live:
        return os.uname().release
    osrelease, banner = (root.read_bytes(n) if root.exists(n) else None for n in (RELEASE, BANNER))
    return named_release(osrelease, banner)


def _below(root: Sysroot, folder: str) -> Iterator[str]:
    if not root.exists(folder):
        return
    for child in root.listdir(folder):
        at = f"{folder}/{child}"
        try:
            root.listdir(at)
        except KexeckitError:
            yield at
        else:
            yield from _below(root, at)


def _kcore_header(root: Sysroot) -> bytes:
    # Only the program headers: the file is as large as the address space.
    head = root.read_bytes(_KCORE, 64)
    return root.read_bytes(_KCORE, 64 + 56 * int.from_bytes(head[56:58], "little"))


def _efi_map(root: Sysroot) -> bytes:
    return live_efi_map(root.read_bytes(BOOT_PARAMS) if root.exists(BOOT_PARAMS) else None)


def _boot_log(root: Sysroot) -> bytes:
    if root.live:
        return kernel_buffer()
    return root.read_bytes(_BOOT_LOG) if root.exists(_BOOT_LOG) else b""
