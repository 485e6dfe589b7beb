"""`SupportconfigRoot`: a machine's files in the texts of a supportconfig, as SUSE's support tool makes them.

scc_host_251121_1200.txz
    scc_host_251121_1200/basic-environment.txt      uname -a
    scc_host_251121_1200/boot.txt                   dmesg
    scc_host_251121_1200/proc.txt                   /proc/zoneinfo, /proc/sys/kernel/osrelease, ...
"""

from collections.abc import Iterator

from kexeckit.errors import UnavailableError
from kexeckit.formats.supportconfig import files_of_sections, parse_sections
from kexeckit.frozen import dataclass
from kexeckit.system.sysroot import Sysroot
from kexeckit.system.text import decode_text

# The texts in which files that we read stand, the first that has one counts. What is read of /proc stands in proc.txt.
_TEXTS = ("proc.txt", "basic-environment.txt", "boot.txt", "hardware.txt", "memory.txt", "crash.txt")
_MARK = "basic-environment.txt"


@dataclass(frozen=True, slots=True)
class SupportconfigRoot:
    """The files that stand in its texts.

    Attributes:
        name: How messages name it.
        files: Name of a file to its text and to the text that it stands in.
    """

    name: str
    files: dict[str, tuple[str, str]]
    live = False
    single_file = None

    def exists(self, name: str) -> bool:
        """See `Sysroot.exists`."""
        return name in self.files or bool(self._below(name))

    def read_bytes(self, name: str, limit: int | None = None) -> bytes:
        """See `Sysroot.read_bytes`."""
        return self.read_text(name).encode("utf-8", "surrogateescape")[:limit]

    def read_text(self, name: str) -> str:
        """See `Sysroot.read_text`."""
        if name not in self.files:
            raise UnavailableError(f"{self.name}: no {name} in its texts")
        return self.files[name][0]

    def listdir(self, name: str) -> list[str]:
        """See `Sysroot.listdir`."""
        found = self._below(name)
        if not found:
            raise UnavailableError(f"{self.name}: no folder {name} in its texts")
        return found

    def label(self, name: str) -> str:
        """See `Sysroot.label`."""
        return f"{self.name}:{self.files[name][1]}:{name}" if name in self.files else f"{self.name}:{name.lstrip('/')}"

    def _below(self, name: str) -> list[str]:
        head = name.rstrip("/") + "/"
        return sorted({n[len(head) :].split("/", 1)[0] for n in self.files if n.startswith(head)})


def supportconfig_of(root: Sysroot, name: str) -> SupportconfigRoot | None:
    """Return the root in the texts of a folder or an archive, or None where it is no supportconfig.

    Args:
        root: The folder or archive.
        name: How messages name it.
    """
    for folder in _folders(root):
        if root.exists(f"{folder}/{_MARK}"):
            return SupportconfigRoot(name, _files(root, folder))
    return None


def _folders(root: Sysroot) -> Iterator[str]:
    # The texts lie at the top, or below the one folder that is there.
    yield ""
    names = root.listdir("/")
    if len(names) == 1:
        yield f"/{names[0]}"


def _files(root: Sysroot, folder: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for text in _TEXTS:
        if root.exists(f"{folder}/{text}"):
            sections = parse_sections(decode_text(root.read_bytes(f"{folder}/{text}")))
            for name, content in files_of_sections(sections).items():
                found.setdefault(name, (content, text))
    return found
