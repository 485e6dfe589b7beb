"""The folder that keeps what the lab fetched or built, filled atomically and once.

Rules of this file:
    1. A path below the cache either does not exist or is complete: it is built beside its place and renamed.
    2. Two processes that want the same path wait for each other instead of both doing the work.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["build_once", "cache_folder", "locked"]


def cache_folder() -> Path:
    """Name the folder that the lab may fill: ``$XDG_CACHE_HOME/kexeckit`` or ``~/.cache/kexeckit``.

    Source: XDG Base Directory Specification (relative values are to be ignored).
    """
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = configured if configured.is_absolute() else Path.home() / ".cache"
    return base / "kexeckit"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock named after a path, waiting for whoever holds it.

    Args:
        path: What is protected; the lock file lies beside it, is empty and stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.parent / f".{path.name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def build_once(target: Path, build: Callable[[Path], None]) -> Path:
    """Return a cached file or folder, building it first where it does not exist.

    Args:
        target: Where it is to be.
        build: Called with a path in a fresh temporary folder on the same file system; creates the file
            or folder there. If it raises, nothing is left behind.

    Returns:
        target, which exists and is complete.
    """
    if target.exists():
        return target
    with locked(target):
        if not target.exists():
            scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
            try:
                build(scratch / target.name)
                (scratch / target.name).rename(target)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    return target
