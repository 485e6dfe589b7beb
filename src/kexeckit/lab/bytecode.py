"""Python modules compiled for the interpreter of the guests, which is Debian's 3.11.

Bytecode belongs to one minor version of Python: where this process runs on another one, Debian's own interpreter is
run, straight from its unpacked packages.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

from kexeckit.errors import UnavailableError
from kexeckit.lab.packages import fetch_python

__all__ = ["compile_modules"]

_GUEST_PYTHON = (3, 11)
# Reads "SOURCE\tTARGET\tNAME" lines. Unchecked: nothing in a guest shall look at a source to see whether it is newer.
_PROGRAM = """
import py_compile, sys
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
for line in sys.stdin:
    source, target, name = line.rstrip("\\n").split("\\t")
    py_compile.compile(source, cfile=target, dfile=name, doraise=True, invalidation_mode=mode)
"""


def compile_modules(modules: dict[str, Path], into: Path) -> dict[str, Path]:
    """Compile modules for the guests' Python.

    Args:
        modules: Name that tracebacks show -> source file.
        into: An empty folder for the results.

    Returns:
        The same names -> compiled file; empty where this machine can run no Python 3.11, in which case
        sources will have to do.

    Raises:
        UnavailableError: A module cannot be compiled, or Debian's Python cannot be fetched.
    """
    command = _interpreter()
    if not command:
        return {}
    targets = {name: into / f"{number}.pyc" for number, name in enumerate(modules)}
    jobs = "".join(f"{modules[name]}\t{targets[name]}\t{name}\n" for name in modules)
    # A fixed hash seed makes constant sets come out in one order: equal sources, equal bytes.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*command, "-s", "-S", "-B", "-c", _PROGRAM],
        input=jobs,
        text=True,
        capture_output=True,
        check=False,
        env=environment,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise UnavailableError(f"modules for the guest cannot be compiled: {said[-1]}")
    return targets


def _interpreter() -> list[str]:
    if sys.version_info[:2] == _GUEST_PYTHON:
        return [sys.executable]
    host = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine())
    return debian_interpreter(fetch_python(host)) if host else []


def debian_interpreter(root: Path) -> list[str]:
    """Return the words that run Debian's Python from its unpacked packages, on a host of the same architecture.

    It is started by its own dynamic loader: it must not meet this machine's C library.
    """
    loader = next(iter(root.glob("lib/*/ld-linux-*.so.*")))
    libraries = f"{loader.parent}:{root / 'usr' / loader.parent.relative_to(root)}"
    return [str(loader), "--library-path", libraries, str(root / "usr/bin/python3.11")]
