"""Debian packages of any suite and architecture, without touching the machine's own apt state.

apt reads its main configuration as always (proxies and the like keep working); everything it writes, and the
sources it reads, lie in one folder of ours per suite and architecture.
Source: apt.conf(5), apt-get(8) "download", dpkg-deb(1) "--fsys-tarfile".
"""

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kexeckit.errors import UnavailableError
from kexeckit.lab.apt_sources import AptSource, debian_source, read_apt_sources

__all__ = ["PrivateApt", "unpack"]

_FIELD = re.compile(r"^([A-Za-z-]+): *(.*(?:\n[ \t].*)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PrivateApt:
    """An apt of one suite and one architecture.

    Attributes:
        folder: Where its lists, cache and sources lie.
        suite: Debian suite, e.g. ``bookworm``.
        arch: Debian architecture, e.g. ``amd64``.
    """

    folder: Path
    suite: str
    arch: str

    def update(self) -> None:
        """Fetch the package lists of the suite.

        Raises:
            UnavailableError: No apt, no Debian mirror in the machine's sources, or no network.
        """
        for name in ("lists/partial", "cache/archives/partial", "sources", "empty"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        (self.folder / "sources/kexeckit.sources").write_text(_mirror().format_deb822(self.suite))
        # Without the mode a mirror that does not answer is but a warning, and old lists are used or none.
        self._run("apt-get", "update", "-qq", "-o", "APT::Update::Error-Mode=any")

    def show(self, package: str) -> dict[str, str]:
        """Return the control fields (lower-case names) of the newest version of a package.

        Raises:
            UnavailableError: The suite does not have it.
        """
        text = self._run("apt-cache", "show", "--no-all-versions", package)
        return {match[1].lower(): match[2] for match in _FIELD.finditer(text.split("\n\n", 1)[0])}

    def download(self, packages: list[str], into: Path) -> list[Path]:
        """Fetch packages into a folder.

        Args:
            packages: Package names.
            into: An existing folder, empty before.

        Returns:
            The .deb files, sorted by name.
        """
        self._run("apt-get", "download", "-qq", *packages, cwd=into)
        return sorted(into.glob("*.deb"))

    def _options(self) -> list[str]:
        settings = {
            "Dir::State": self.folder,
            "Dir::State::lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": self.folder / "sources",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": self.folder / "empty",
            "APT::Architecture": self.arch,
            "APT::Architectures": self.arch,
            # Without this a root apt writes as user _apt, who may not enter the cache folder.
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]

    def _run(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        command = [_need(program), *self._options(), *arguments]
        environment = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["no reason given"]
            problem = f"{program} {arguments[0]} failed for {self.suite} ({self.arch}): {errors[0]}"
            raise UnavailableError(
                problem, remedy="check the network and that the machine's Debian mirror still has this suite"
            )
        return done.stdout


def _mirror() -> AptSource:
    configured = os.environ.get("KEXECKIT_DEBIAN_MIRROR")
    if configured:
        return AptSource((configured,), (), ("main",))
    source = debian_source(read_apt_sources())
    if source is None:
        raise UnavailableError(
            "no Debian mirror in /etc/apt/sources.list or /etc/apt/sources.list.d",
            remedy="add one there or set KEXECKIT_DEBIAN_MIRROR to its address",
        )
    return source


def _need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise UnavailableError(
            f"the program {program} is not installed",
            remedy="the lab fetches its kernels with apt and dpkg-deb: run it on Debian",
        )
    return path


def unpack(deb: Path, into: Path, wanted: Callable[[str], bool]) -> None:
    """Unpack the files of a package.

    Args:
        deb: The package file.
        into: Folder to unpack into; created where missing.
        wanted: Says by path (``boot/vmlinuz-…``, no leading dot or slash) which members are taken.

    Raises:
        UnavailableError: dpkg-deb is missing or cannot read the package.
    """
    into.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([_need("dpkg-deb"), "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
    try:
        _extract(process, into, wanted)
    except tarfile.TarError as error:
        raise UnavailableError(f"{deb.name} cannot be unpacked: {error}", remedy="fetch it again") from error
    if process.returncode != 0:
        raise UnavailableError(f"{deb.name} cannot be unpacked", remedy="fetch it again")


def _extract(process: subprocess.Popen[bytes], into: Path, wanted: Callable[[str], bool]) -> None:
    with process, tarfile.open(fileobj=process.stdout, mode="r|") as archive:
        # Debian 12's Python 3.11.2 does not know filters yet; set like this, it does not mind.
        archive.extraction_filter = getattr(tarfile, "tar_filter", None)
        for member in archive:
            member.name = member.name.removeprefix("./")
            if member.name and wanted(member.name):
                archive.extract(member, into)
