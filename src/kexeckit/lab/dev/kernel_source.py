"""A few files of a Debian kernel's source, by suite, kept in the lab's cache folder.

Debian's ``linux-source-X.Y`` is one archive inside a package: 120 to 165 MB of xz, 1.0 to 1.7 GB unpacked. It is read
as a stream and only until the last wanted file has been seen; nothing else is written. Remove ``source/`` in the cache
folder to get newer ones.
Source: Debian kernel handbook, "Source packages"; the archive's members are sorted by name.
"""

import json
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from kexeckit.errors import UnavailableError
from kexeckit.lab.apt import PrivateApt, unpack
from kexeckit.lab.cache import build_once, cache_folder, locked

__all__ = ["KernelSource", "fetch_source"]

FILES = (
    "Makefile",
    "arch/arm64/include/asm/crash_reserve.h",
    "arch/arm64/mm/init.c",
    "arch/x86/include/asm/crash_reserve.h",
    "arch/x86/kernel/setup.c",
    "include/linux/crash_reserve.h",
    "include/linux/memblock.h",
    "kernel/crash_core.c",
    "kernel/crash_reserve.c",
    "lib/cmdline.c",
    "lib/kstrtox.c",
    "lib/kstrtox.h",
    "lib/vsprintf.c",
    "mm/memblock.c",
)
"""What is kept; an old kernel has no crash_reserve files."""

_LAST = max(FILES)


@dataclass(frozen=True, slots=True)
class KernelSource:
    """Files of one kernel.

    Attributes:
        suite: Debian suite it came from.
        version: Version of the package, e.g. ``6.12.107-1``.
        folder: Where the files lie, by their paths in the kernel.
    """

    suite: str
    version: str
    folder: Path

    @property
    def release(self) -> str:
        """The kernel's release as its Makefile has it: ``6.12.107``."""
        fields = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)", self.text("Makefile"), re.MULTILINE))
        return ".".join(fields[name] for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))

    def text(self, path: str) -> str:
        """Return a file, or an empty text where this kernel has no such file."""
        file = self.folder / path
        return file.read_text() if file.is_file() else ""


def fetch_source(suite: str) -> KernelSource:
    """Return the source of a suite's newest kernel, fetching it where the cache has none.

    Raises:
        UnavailableError: It is not cached, and apt, the network, dpkg-deb or xz is missing.
    """
    place = build_once(cache_folder() / "source" / suite, lambda folder: _build(suite, folder))
    return KernelSource(suite, json.loads((place / "package.json").read_text())["version"], place)


def _build(suite: str, place: Path) -> None:
    apt = PrivateApt(cache_folder() / "apt" / f"{suite}-amd64", suite, "amd64")
    with locked(apt.folder):
        apt.update()
    depends = apt.show("linux-source").get("depends", "")
    match = re.search(r"\blinux-source-\d[^ ,(|]*", depends)
    if match is None:
        raise UnavailableError(f"linux-source of {suite} names no package: {depends!r}")
    version = apt.show(match[0])["version"]
    place.mkdir()
    scratch = place.with_name("download")
    scratch.mkdir()
    for deb in apt.download([match[0]], scratch):
        unpack(deb, scratch, lambda name: name.endswith(".tar.xz"))
    archives = list(scratch.glob("usr/src/linux-source-*.tar.xz"))
    if len(archives) != 1:
        raise UnavailableError(f"{match[0]} holds {len(archives)} archives of source, not one")
    _pick(archives[0], place)
    shutil.rmtree(scratch)
    (place / "package.json").write_text(json.dumps({"version": version}) + "\n")


def _pick(archive: Path, place: Path) -> None:
    xz = shutil.which("xz")
    if xz is None:
        raise UnavailableError("the program xz is not installed", remedy="install Debian's xz-utils")
    # A program beside this one: both CPUs work, and xz-utils decodes faster than Python's tarfile asks for blocks.
    process = subprocess.Popen([xz, "-dc", "-T0", str(archive)], stdout=subprocess.PIPE)
    with process, tarfile.open(fileobj=process.stdout, mode="r|", bufsize=1 << 20) as tar:
        for member in tar:
            name = member.name.partition("/")[2]
            content = tar.extractfile(member) if name in FILES else None
            if content is not None:
                target = place / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.read())
            if name >= _LAST:
                break
        process.kill()
    if not (place / _LAST).is_file():
        raise UnavailableError(f"{archive.name} has no {_LAST}")
