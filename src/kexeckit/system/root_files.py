"""The files of a root that a `Machine` is made of, as bytes. Each is opened once, and none is interpreted here."""

import os
from collections.abc import Iterable

from kexeckit.errors import KexeckitError, NotPermittedError, UnavailableError
from kexeckit.machine.sources import files as of
from kexeckit.machine.sources.files import Files
from kexeckit.memory.units import PAGE_SIZE
from kexeckit.system.sysroot import Sysroot

_PLAIN = (
    of.IOMEM,
    of.CMDLINE,
    of.BANNER,
    of.RELEASE,
    of.ARCH,
    of.MEMINFO,
    of.CPUINFO,
    of.ZONEINFO,
    of.BOOT_PARAMS,
    of.EFI_MEMMAP,
    of.SRAT,
    of.BLOCK_SIZE,
    f"{of.MEMBLOCK}/memory",
    f"{of.MEMBLOCK}/reserved",
    f"{of.CPUS}/possible",
    f"{of.CPUS}/present",
    f"{of.CPUS}/kernel_max",
    *of.LOADED,
    *of.CRASH_LOADED,
    *of.CRASH_SIZE,
)
_MEMMAP_FIELDS = ("start", "end", "type")
_EHDR, _PHDR = 64, 56


def read_files(root: Sysroot, *, handover: bool = False) -> Files:
    """Read them.

    Args:
        root: This machine or a capture of one.
        handover: Also those that only the loading of a next kernel needs.
    """
    reader = _Reader(root)
    reader.take(_PLAIN)
    reader.take_each(of.MEMMAP, "", _MEMMAP_FIELDS)
    reader.take_each(of.RUNTIME_MAP, "", of.DESCRIPTOR)
    reader.take_each(of.NODES, "node", ("distance",))
    for name in reader.folders.get(of.NODES, ()):
        if name.startswith("node"):
            reader.folder(f"{of.NODES}/{name}")
    reader.present(of.EFI)
    if of.BOOT_PARAMS not in reader.contents:
        reader.take((of.FDT,))
    if root.live:
        _add_live(reader)
    _add_config(reader)
    if handover:
        _add_handover(reader)
    return Files(root.label("/"), reader.contents, reader.folders, reader.errors, reader.labels, root.live)


def read_named(root: Sysroot, names: Iterable[str]) -> Files:
    """Read these files only."""
    reader = _Reader(root)
    reader.take(names)
    return Files(root.label("/"), reader.contents, reader.folders, reader.errors, reader.labels, root.live)


class _Reader:
    # What was read, by name. Absent is absent; what may not be read or fails is an error, kept for who needs it.

    def __init__(self, root: Sysroot) -> None:
        self.root = root
        self.contents: dict[str, bytes] = {}
        self.folders: dict[str, tuple[str, ...]] = {}
        self.errors: dict[str, KexeckitError] = {}
        self.labels: dict[str, str] = {}

    def take(self, names: Iterable[str]) -> None:
        for name in names:
            self.labels[name] = self.root.label(name)
            try:
                self.contents[name] = self.root.read_bytes(name)
            except UnavailableError:
                continue
            except KexeckitError as error:
                self.errors[name] = error

    def folder(self, name: str) -> tuple[str, ...]:
        self.labels[name] = self.root.label(name)
        try:
            self.folders[name] = tuple(self.root.listdir(name))
        except UnavailableError:
            return ()
        except KexeckitError as error:
            self.errors[name] = error
            return ()
        return self.folders[name]

    def present(self, name: str) -> None:
        self.labels[name] = self.root.label(name)
        if self.root.exists(name):
            self.folders[name] = ()

    def take_each(self, folder: str, mark: str, files: Iterable[str]) -> None:
        children = [n for n in self.folder(folder) if n.startswith(mark) and n[len(mark) :].isdecimal()]
        for child in children:
            self.labels[f"{folder}/{child}"] = self.root.label(f"{folder}/{child}")
            self.take(f"{folder}/{child}/{file}" for file in files)


def _add_live(reader: _Reader) -> None:
    # A running kernel says these by a system call; the files are newer than the oldest kernels.
    machine = os.uname()
    for name, value, label in ((of.ARCH, machine.machine, "uname -m"), (of.RELEASE, machine.release, "uname -r")):
        reader.contents[name], reader.labels[name] = value.encode(), label
    from kexeckit.system.efi_map import live_efi_map

    try:
        found = live_efi_map(reader.contents.get(of.BOOT_PARAMS))
    except KexeckitError as error:
        # Without rights, under lockdown or where the map lies in what is no RAM.
        reader.errors[of.EFI_MEMMAP] = error
        return
    if found:
        reader.contents[of.EFI_MEMMAP], reader.labels[of.EFI_MEMMAP] = found, "the EFI memory map in /proc/kcore"


def _add_config(reader: _Reader) -> None:
    from kexeckit.system.kernel_config import config_names, named_release, unpacked_config

    for name in config_names(named_release(reader.contents.get(of.RELEASE), reader.contents.get(of.BANNER))):
        try:
            data = reader.root.read_bytes(name)
        except (UnavailableError, NotPermittedError):
            continue
        except KexeckitError as error:
            reader.errors[of.CONFIG] = error
            return
        reader.labels[of.CONFIG] = reader.root.label(name)
        try:
            reader.contents[of.CONFIG] = unpacked_config(data, reader.root.label(name))
        except KexeckitError as error:
            reader.errors[of.CONFIG] = error
        return


def _add_handover(reader: _Reader) -> None:
    from kexeckit.machine.sources.handover import CRASH_HOTPLUG, KCORE, POINTERS, VMCOREINFO

    reader.take((*CRASH_HOTPLUG, VMCOREINFO, *(f"{of.EFI}/{name}" for name in POINTERS)))
    reader.present("/sys/kernel")
    reader.take_each(of.CPUS, "cpu", ("crash_notes", "crash_notes_size"))
    reader.labels[KCORE] = reader.root.label(KCORE)
    try:
        # The file is as large as the address space. Its program headers fill whole pages; seldom more than one.
        head = reader.root.read_bytes(KCORE, PAGE_SIZE)
        size = _EHDR + _PHDR * int.from_bytes(head[56:58], "little")
        reader.contents[KCORE] = head[:size] if size <= PAGE_SIZE else reader.root.read_bytes(KCORE, size)
    except KexeckitError as error:
        reader.errors[KCORE] = error
