"""What a guest is given to run: an initramfs put together from layers.

    base     busybox and /init, the same for every guest of an architecture
    python   Debian's Python 3.11, only where asked for; built once and kept in the cache
    own      configuration, job and files of this one run

The kernel unpacks concatenated archives one after the other, so a layer is bytes that are made once.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from kexeckit.lab.cpio import CpioEntry, device, directory, file, format_cpio, symlink
from kexeckit.lab.machine import channel_device
from kexeckit.lab.packages import fetch_busybox
from kexeckit.lab.python_layer import python_layer

__all__ = ["GuestImage", "format_image"]

_BASE_FOLDERS = ("bin", "boot", "dev", "etc", "proc", "run", "sys", "tmp", "usr", "usr/bin", "usr/lib")


@dataclass(frozen=True, slots=True)
class GuestImage:
    """The user space of a guest.

    Attributes:
        arch: ``x86_64`` or ``arm64``.
        stage: First part of the names of its records: ``boot``, or ``second`` for a kernel started by kexec.
            A capture kernel calls itself ``capture`` whatever stands here.
        job: Shell script that /init sources after the report (functions: ``run NAME COMMAND...``,
            ``emit NAME FILE``, ``emit_text NAME WORDS``, ``say WORDS``, ``crash``, ``finish``), or empty.
        capture_job: The same for a capture kernel, or empty.
        report: Send the standard report.
        kallsyms: Have the kernel's own symbols in the report; reading them takes about a second.
        read_vmcore: In a capture kernel, read all of /proc/vmcore and report how many bytes came.
        python: Have ``python3`` in it.
        files: (absolute path, content or host file) of more files, all executable.
    """

    arch: str = "x86_64"
    stage: str = "boot"
    job: str = ""
    capture_job: str = ""
    report: bool = True
    kallsyms: bool = False
    read_vmcore: bool = False
    python: bool = False
    files: tuple[tuple[str, bytes | Path], ...] = ()

    def __post_init__(self) -> None:
        if not self.stage.isalnum():
            raise ValueError(f"a stage is one word: {self.stage!r}")
        for path, _ in self.files:
            if not path.startswith("/") or ".." in PurePosixPath(path).parts:
                raise ValueError(f"a file of a guest has an absolute path: {path!r}")


def format_image(image: GuestImage) -> bytes:
    """Compose the initramfs of a guest: all of its layers, ready for ``-initrd`` or for kexec."""
    layers = [_base_layer(image.arch)]
    if image.python:
        layers.append(python_layer(image.arch))
    layers.append(_own_layer(image))
    return b"".join(layers)


@cache
def _base_layer(arch: str) -> bytes:
    entries = [directory(name) for name in _BASE_FOLDERS]
    entries.append(device("dev/console", 5, 1))
    entries.append(file("bin/busybox", fetch_busybox(arch).read_bytes(), 0o755))
    entries.append(symlink("bin/sh", "busybox"))
    entries.append(file("init", Path(__file__).with_name("init.sh").read_bytes(), 0o755))
    return format_cpio(entries)


def _own_layer(image: GuestImage) -> bytes:
    settings = {
        "CHANNEL": channel_device(image.arch),
        "STAGE": image.stage,
        "REPORT": "1" if image.report else "",
        "KALLSYMS": "1" if image.kallsyms else "",
        "READ_VMCORE": "1" if image.read_vmcore else "",
    }
    configuration = "".join(f"{name}={value}\n" for name, value in settings.items())
    entries = [file("etc/kexeckit.conf", configuration.encode())]
    if image.job:
        entries.append(file("etc/kexeckit.job", image.job.encode()))
    if image.capture_job:
        entries.append(file("etc/kexeckit.capture", image.capture_job.encode()))
    folders = set(_BASE_FOLDERS)
    for path, content in image.files:
        entries += _with_parents(path.lstrip("/"), content, folders)
    return format_cpio(entries)


def _with_parents(name: str, content: bytes | Path, folders: set[str]) -> list[CpioEntry]:
    parents = [str(parent) for parent in reversed(PurePosixPath(name).parents) if str(parent) != "."]
    missing = [parent for parent in parents if parent not in folders]
    folders.update(missing)
    data = content if isinstance(content, bytes) else content.read_bytes()
    return [*map(directory, missing), file(name, data, 0o755)]
