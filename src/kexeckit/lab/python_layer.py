"""The layer of an initramfs that holds Debian's Python 3.11.

A guest under emulation is far slower than its host, so all that can be done once is done here: modules are compiled,
and sources, tests and rare codecs stay out.
"""

import re
import stat
import tempfile
from pathlib import Path

from kexeckit.lab.bytecode import compile_modules
from kexeckit.lab.cache import build_once, cache_folder
from kexeckit.lab.cpio import CpioEntry, directory, file, format_cpio, symlink
from kexeckit.lab.packages import fetch_python

__all__ = ["python_layer"]

# Counts up when the recipe below changes, so that an older cached layer is not taken.
_RECIPE = 1
_LEFT_OUT = re.compile(
    r"""(etc|usr/share|usr/lib/binfmt\.d)(/.*)?
      | .*/(gconv|engines-3|ossl-modules)(/.*)?
      | .*/lib(BrokenLocale|anl|c_malloc_debug|memusage|mvec|nsl|nss_\w+|pcprofile|thread_db)\.so.*
      | usr/lib/python3\.11/(test|pydoc_data|distutils|turtle\.py|LICENSE\.txt|sitecustomize\.py)(/.*)?
      | .*/lib-dynload/(_test|_codecs_|_ctypes_test|xxlimited|_xxtestfuzz).*
    """,
    re.VERBOSE,
)


def python_layer(arch: str) -> bytes:
    """Return the archive that puts ``/usr/bin/python3`` and its library into a guest.

    Args:
        arch: Architecture of the guest.

    Raises:
        UnavailableError: The packages can neither be found in the cache nor fetched.
    """
    target = cache_folder() / "guests" / f"python-{arch}.{_RECIPE}.cpio"
    return build_once(target, lambda place: _write(place, arch)).read_bytes()


def _write(place: Path, arch: str) -> None:
    place.write_bytes(_build(arch))


def _build(arch: str) -> bytes:
    root = fetch_python(arch)
    paths = [path.relative_to(root) for path in sorted(root.rglob("*"))]
    names = [str(path) for path in paths if not _LEFT_OUT.fullmatch(str(path))]
    with tempfile.TemporaryDirectory(prefix="kexeckit-") as scratch:
        compiled = compile_modules(
            {name: root / name for name in names if name.endswith(".py") and (root / name).is_file()}, Path(scratch)
        )
        entries = [_entry(root, name) for name in names if name not in compiled]
        entries += [file(f"{name}c", path.read_bytes()) for name, path in compiled.items()]
    entries.append(symlink("usr/bin/python3", "python3.11"))
    return format_cpio(entries)


def _entry(root: Path, name: str) -> CpioEntry:
    path = root / name
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return symlink(name, str(path.readlink()))
    if stat.S_ISDIR(status.st_mode):
        return directory(name)
    return file(name, path.read_bytes(), stat.S_IMODE(status.st_mode))
