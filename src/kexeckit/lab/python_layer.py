"""The layer of an initramfs that holds Debian's Python 3.11.

A guest under emulation is some thirty times slower than its host, so all that can be done once is done here: modules are
compiled by the very interpreter they are for, and sources, tests and rare codecs stay out.
"""

import os
import platform
import re
import stat
import subprocess
import tempfile
from pathlib import Path

from kexeckit.errors import UnavailableError
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
# Run by Debian's interpreter: reads "SOURCE\tTARGET\tNAME" lines. Unchecked: nothing in the guest will look at a source.
_COMPILE = """
import py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for line in sys.stdin:
    source, target, name = line.rstrip("\\n").split("\\t")
    py_compile.compile(source, cfile=target, dfile=name, doraise=True, invalidation_mode=mode)
"""


def python_layer(arch: str) -> bytes:
    """Return the archive that puts ``/usr/bin/python3`` and its library into a guest.

    Args:
        arch: Architecture of the guest.

    Raises:
        UnavailableError: The packages can neither be found in the cache nor fetched.
    """
    name = f"python-{arch}.{_RECIPE}.cpio"
    return build_once(
        cache_folder() / "guests" / name, lambda place: place.write_bytes(_build(arch)) and None
    ).read_bytes()


def _build(arch: str) -> bytes:
    root = fetch_python(arch)
    paths = [path.relative_to(root) for path in sorted(root.rglob("*"))]
    names = [str(path) for path in paths if not _LEFT_OUT.fullmatch(str(path))]
    with tempfile.TemporaryDirectory(prefix="kexeckit-") as scratch:
        compiled = compile_modules({name: root / name for name in names if name.endswith(".py")}, Path(scratch))
        entries = [_entry(root, name) for name in names if name not in compiled]
        entries += [file(f"{name}c", path.read_bytes()) for name, path in compiled.items()]
    entries.append(symlink("usr/bin/python3", "python3.11"))
    return format_cpio(entries)


def _entry(root: Path, name: str) -> CpioEntry:
    path = root / name
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return symlink(name, os.readlink(path))
    if stat.S_ISDIR(status.st_mode):
        return directory(name)
    return file(name, path.read_bytes(), stat.S_IMODE(status.st_mode))


def compile_modules(modules: dict[str, Path], into: Path) -> dict[str, Path]:
    """Compile Python modules with the interpreter that the guests have.

    The machine that runs this may have any Python, so Debian's own is run, straight from its unpacked packages.

    Args:
        modules: Path in the guest -> source file.
        into: An empty folder for the results.

    Returns:
        Path in the guest -> compiled file; empty where this machine cannot run Debian's interpreter, in
        which case sources will do.
    """
    host = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine())
    if host is None:
        return {}
    sources = {name: path for name, path in modules.items() if path.is_file()}
    targets = {name: into / f"{number}.pyc" for number, name in enumerate(sources)}
    jobs = "".join(f"{sources[name]}\t{targets[name]}\t/{name}\n" for name in sources)
    command = [*_interpreter(fetch_python(host)), "-I", "-S", "-B", "-c", _COMPILE]
    done = subprocess.run(command, input=jobs, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise UnavailableError(f"Debian's Python cannot compile its library: {said[-1]}")
    return targets


# Through its own dynamic loader: the unpacked interpreter must not meet this machine's C library.
def _interpreter(root: Path) -> list[str]:
    loader = next(iter(root.glob("lib/*/ld-linux-*.so.*")))
    libraries = f"{loader.parent}:{root / 'usr' / loader.parent.relative_to(root)}"
    return [str(loader), "--library-path", libraries, str(root / "usr/bin/python3.11")]
