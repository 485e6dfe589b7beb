"""One boot of a machine that is asked about its next boot, kept as a folder.

    case.json   what was booted: machine, words, and how long it took
    root/       the guest's files, laid out as `kexeckit capture` lays them out

A folder exists only once it is complete.
"""

import io
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

from kexeckit.errors import UnavailableError
from kexeckit.lab.dev.next_boot_cases import EFI, EFI_DEVICE_TREE, NextMachine
from kexeckit.lab.image import GuestImage, format_image
from kexeckit.lab.machine import ARM64_EFI_FIRMWARE, EFI_FIRMWARE, Machine, NumaNode
from kexeckit.lab.packages import KernelPackage, fetch_kernel
from kexeckit.lab.report import run_guest
from kexeckit.memory.units import MIB
from kexeckit.system.capture import NAMES

__all__ = ["keep_boot"]

# What a capture takes, and what else may tell two boots apart.
_FILES = (
    *NAMES,
    "/proc/sys/kernel/bootloader_type",
    "/proc/sys/kernel/bootloader_version",
    "/proc/config.gz",
    "/sys/firmware/efi/fw_platform_size",
    "/sys/devices/system/memory/block_size_bytes",
)
# The last lines read the EFI memory map out of the kernel's memory, as a capture of a running machine does: boot_params
# says where it is, and the program headers of /proc/kcore where that is in the file.
_JOB = f"""
root=/tmp/root
save() {{
    for _file; do
        [ -e "$_file" ] || continue
        mkdir -p "$root${{_file%/*}}"
        cp -r "$_file" "$root${{_file%/*}}/" 2>/dev/null
    done
}}
number() {{ od -An -tu"$3" -j "$2" -N "$3" "$1" | tr -d ' '; }}
efi_map() {{
    _params=/sys/kernel/boot_params/data
    [ -d /sys/firmware/efi ] && [ -e $_params ] || return
    _at=$(( $(number $_params 464 4) + ($(number $_params 476 4) << 32) ))
    _size=$(number $_params 468 4)
    _headers=$(number /proc/kcore 56 2)
    while [ $((_headers -= 1)) -ge 0 ]; do
        set -- $(od -An -tu8 -j $((64 + 56 * _headers + 8)) -N 40 /proc/kcore)
        [ $(($3 >= 0 && $3 <= _at && _at + _size <= $3 + $5)) = 1 ] || continue
        dd if=/proc/kcore bs=8 skip=$((($1 + _at - $3) / 8)) count=$((_size / 8)) of=$root/efi_memmap 2>/dev/null
    done
}}
mkdir -p $root/proc
save {" ".join(name.rstrip("/") for name in _FILES)}
save /sys/devices/system/node/node*/meminfo /sys/devices/system/node/node*/cpulist
save /sys/devices/system/node/node*/distance
dmesg >$root/dmesg
dd if=/proc/kcore of=$root/proc/kcore bs=4096 count=1 2>/dev/null
efi_map
tar -C $root -cf - . | gzip -1 >/tmp/root.tar.gz
emit root.tar.gz /tmp/root.tar.gz
"""
_TIMEOUT = {"x86_64": 120, "arm64": 240}


def keep_boot(machine: NextMachine, words: tuple[str, ...], folder: Path) -> None:
    """Boot a machine and keep what its kernel shows; a folder that exists is left as it is.

    Args:
        machine: The machine.
        words: Words of the command line; none for the boot that is asked.
        folder: Where it is kept; its parent exists.

    Raises:
        UnavailableError: The guest did not come as far.
    """
    if folder.exists():
        return
    kernel = fetch_kernel(machine.suite, machine.arch)
    padding = (("/padding", bytes(range(256)) * (machine.padding // 256)),) if machine.padding else ()
    image = GuestImage(arch=machine.arch, job=_JOB, report=False, files=padding)
    run = run_guest(_guest(machine, kernel, words), image, timeout=_TIMEOUT[machine.arch])
    report = run.report("boot")
    if "end" not in report:
        raise UnavailableError("the guest's files did not arrive completely")
    case = {
        "machine": machine.record(),
        "words": words,
        "release": kernel.release,
        "version": kernel.version,
        "initrd": len(format_image(image)),
        "seconds": round(run.seconds, 1),
    }
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        (scratch / "case.json").write_text(json.dumps(case) + "\n")
        _unpack(report.data("root.tar"), scratch / "root")
        if kernel.config and not words:
            (scratch / "root/boot").mkdir()
            shutil.copy(kernel.config, scratch / f"root/boot/config-{kernel.release}")
        scratch.chmod(0o755)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _guest(machine: NextMachine, kernel: KernelPackage, words: tuple[str, ...]) -> Machine:
    total = sum(machine.memory)
    # Where the boot with words prints its EFI map, a difference can be explained; no memory moves because of that.
    debug = ("efi=debug",) if machine.efi and (words or machine.efi_debug) else ()
    options = [f"max-ram-below-4g={machine.below_4g}M"] if machine.below_4g else []
    options += ["acpi=off"] if machine.firmware == EFI_DEVICE_TREE else []
    firmware = EFI_FIRMWARE if machine.firmware == EFI else ARM64_EFI_FIRMWARE
    return Machine(
        kernel.vmlinuz,
        arch=machine.arch,
        memory=total * MIB,
        nodes=_nodes(machine),
        append=" ".join((*words, *debug)),
        kaslr=machine.kaslr,
        machine_type="q35" if machine.firmware == EFI else None,
        machine_options=tuple(options),
        slots=2 if machine.window else 0,
        max_memory=(total + machine.window) * MIB if machine.window else 0,
        extra=(
            *(firmware if machine.efi else ()),
            *(("-device", "virtio-rng-pci") if machine.random_device else ()),
        ),
    )


def _nodes(machine: NextMachine) -> tuple[NumaNode, ...]:
    if len(machine.memory) == 1:
        return ()
    return tuple(NumaNode(size * MIB, 0 if at else 1) for at, size in enumerate(machine.memory))


def _unpack(data: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        # Debian 12's Python 3.11.2 does not know filters yet; set like this, it does not mind.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)  # noqa: S202 -- our own guest made it
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
