"""The Debian packages the lab is made of: kernels under test, busybox and Python for the guests.

Chosen by suite, never by exact version, and kept in the cache folder: remove ``kernels/`` or ``guests/`` there
to get newer ones.
"""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from kexeckit.errors import UnavailableError
from kexeckit.lab.apt import PrivateApt, unpack
from kexeckit.lab.cache import build_once, cache_folder, locked

__all__ = ["ARCHES", "SUITES", "KernelPackage", "fetch_busybox", "fetch_kernel", "fetch_python"]

SUITES = ("bullseye", "bookworm", "trixie", "sid")
"""The suites under test, oldest kernel first: 5.10, 6.1, 6.12 and the newest."""

ARCHES = {"x86_64": "amd64", "arm64": "arm64"}
"""Architectures under test: name in kexeckit -> name in Debian."""

# The guests' user space comes from one suite, whatever kernel runs below it.
_GUEST_SUITE = "bookworm"
_PYTHON = [
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libc6",
    "libssl3",
    "libffi8",
    "zlib1g",
    "libexpat1",
    "libbz2-1.0",
    "liblzma5",
    "libuuid1",
]


@dataclass(frozen=True, slots=True)
class KernelPackage:
    """An unpacked kernel.

    Attributes:
        suite: Debian suite it came from.
        arch: ``x86_64`` or ``arm64``.
        release: What ``uname -r`` says in it.
        version: Version of the package.
        vmlinuz: The kernel image.
        config: Its build configuration, or None where the packages have none.
    """

    suite: str
    arch: str
    release: str
    version: str
    vmlinuz: Path
    config: Path | None


def fetch_kernel(suite: str, arch: str = "x86_64") -> KernelPackage:
    """Return the cloud kernel of a Debian suite, fetching it where the cache has none.

    Args:
        suite: Debian suite, e.g. one of SUITES.
        arch: One of ARCHES.

    Raises:
        UnavailableError: It is not cached, and apt, the network or the package is missing.
    """
    folder = build_once(
        cache_folder() / "kernels" / f"{suite}-{arch}", lambda place: _build_kernel(suite, ARCHES[arch], place)
    )
    facts = json.loads((folder / "package.json").read_text())
    release = facts["release"]
    images = [folder / "boot" / f"vmlinuz-{release}", folder / "usr/lib/modules" / release / "vmlinuz"]
    configs = [folder / "boot" / f"config-{release}", folder / "usr/lib/modules" / release / "config"]
    image = next((path for path in images if path.is_file()), None)
    if image is None:
        raise UnavailableError(f"{folder} holds no kernel image", remedy="remove that folder and try again")
    config = next((path for path in configs if path.is_file()), None)
    return KernelPackage(suite, arch, release, facts["version"], image, config)


def _build_kernel(suite: str, debian_arch: str, place: Path) -> None:
    apt = _apt(suite, debian_arch)
    image = _image_package(apt, debian_arch)
    fields = apt.show(image)
    release = image.removeprefix("linux-image-")
    # Newer packages are split: linux-image-R depends on linux-binary-R (the image) and linux-base-R (its config).
    depends = {word.split()[0] for word in fields.get("depends", "").split(",") if word.strip()}
    parts = [part + release for part in ("linux-binary-", "linux-base-") if part + release in depends]
    names = [image, *parts]
    _download_and_unpack(apt, names, place, r"boot/(vmlinuz|config)-.*|(usr/)?lib/modules/[^/]*/(vmlinuz|config)")
    (place / "package.json").write_text(json.dumps({"release": release, "version": fields["version"]}) + "\n")


# The meta package says which image is the suite's newest; the plain kernel stands in where there is no cloud flavour.
def _image_package(apt: PrivateApt, debian_arch: str) -> str:
    try:
        depends = apt.show(f"linux-image-cloud-{debian_arch}").get("depends", "")
    except UnavailableError:
        depends = apt.show(f"linux-image-{debian_arch}").get("depends", "")
    match = re.search(r"\blinux-image-\d[^ ,(|]*", depends)
    if match is None:
        raise UnavailableError(f"the kernel meta package of {apt.suite} names no image: {depends!r}")
    return match[0]


def fetch_busybox(arch: str = "x86_64") -> Path:
    """Return the statically linked busybox program for an architecture, fetching it where needed.

    Raises:
        UnavailableError: As for fetch_kernel.
    """
    folder = build_once(
        cache_folder() / "guests" / f"busybox-{arch}",
        lambda place: _download_and_unpack(
            _apt(_GUEST_SUITE, ARCHES[arch]), ["busybox-static"], place, r"(usr/)?bin/.*"
        ),
    )
    return next(path for path in (folder / "bin/busybox", folder / "usr/bin/busybox") if path.is_file())


def fetch_python(arch: str = "x86_64") -> Path:
    """Return a folder holding Debian's Python 3.11 with the shared libraries it needs, as unpacked.

    Raises:
        UnavailableError: As for fetch_kernel.
    """
    return build_once(
        cache_folder() / "guests" / f"python-{arch}",
        lambda place: _download_and_unpack(_apt(_GUEST_SUITE, ARCHES[arch]), _PYTHON, place, r"(?!usr/share/|etc/).*"),
    )


# Lists are refreshed before a download: old lists name package files that the mirror no longer has.
def _apt(suite: str, debian_arch: str) -> PrivateApt:
    apt = PrivateApt(cache_folder() / "apt" / f"{suite}-{debian_arch}", suite, debian_arch)
    with locked(apt.folder):
        apt.update()
    return apt


def _download_and_unpack(apt: PrivateApt, names: list[str], place: Path, pattern: str) -> None:
    wanted = re.compile(pattern)
    scratch = place.with_name("download")
    scratch.mkdir()
    for deb in apt.download(names, scratch):
        unpack(deb, place, lambda name: wanted.fullmatch(name) is not None)
    shutil.rmtree(scratch)
