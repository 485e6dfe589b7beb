"""kexeckit as one file, ``kexeckit.pyz``: plans and loads with nothing but Python 3.11 or newer.

Run as ``python -m kexeckit.lab.pyz OUT``. The lab itself is left out: what it needs is not on the machine that loads a
kernel. Modules are in it twice: as source for any Python, and compiled for the guests' Python, which has no place
to keep what it compiles; zipimport takes the compiled one where the version fits and the source otherwise.
Source: Python library reference, zipapp and zipimport.
"""

import io
import sys
import tempfile
import zipfile
from pathlib import Path

from kexeckit.lab.bytecode import compile_modules

__all__ = ["build_pyz", "pyz_bytes"]

_PACKAGE = Path(__file__).resolve().parent.parent
_LEFT_OUT = ("lab", "__pycache__")
_SUFFIXES = {".py", ".bin", ".typed"}
_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = b"import sys\n\nfrom kexeckit.cli.main import main\n\nsys.exit(main())\n"


def pyz_bytes(package: Path = _PACKAGE, main: bytes = _MAIN) -> bytes:
    """Build the zipapp in memory. Equal sources make equal bytes: no clock and no file order in it.

    Args:
        package: The package folder; its name becomes the name of the package.
        main: Source of the ``__main__`` module.

    Raises:
        UnavailableError: A module cannot be compiled.
    """
    members = {"__main__.py": main}
    sources = {f"{package.name}/{path.relative_to(package)}": path for path in _wanted(package)}
    members |= {name: path.read_bytes() for name, path in sources.items()}
    with tempfile.TemporaryDirectory(prefix="kexeckit-") as scratch:
        modules = {name: path for name, path in sources.items() if path.suffix == ".py"}
        compiled = compile_modules(modules, Path(scratch))
        members |= {f"{name}c": path.read_bytes() for name, path in compiled.items()}
    return _SHEBANG + _zip(members)


def _wanted(package: Path) -> list[Path]:
    found = []
    for path in sorted(package.rglob("*")):
        parts = path.relative_to(package).parts
        if path.is_file() and path.suffix in _SUFFIXES and not set(parts).intersection(_LEFT_OUT):
            found.append(path)
    return found


# Stored, not deflated: the guest reads it from memory and would only pay for the inflating.
def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o100644 << 16
            archive.writestr(info, members[name])
    return buffer.getvalue()


def build_pyz(out: Path) -> Path:
    """Write the zipapp, executable, in one step: a reader never sees half of it.

    Args:
        out: Where; its folder is created where missing.

    Returns:
        out.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as scratch:
        scratch.write(pyz_bytes())
    Path(scratch.name).chmod(0o755)
    return Path(scratch.name).replace(out)


if __name__ == "__main__":
    build_pyz(Path(sys.argv[1] if len(sys.argv) > 1 else "dist/kexeckit.pyz"))
