"""kexeckit as one file."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import kexeckit
from kexeckit.errors import UnavailableError
from kexeckit.lab import pyz
from kexeckit.lab.bytecode import compile_modules

MAIN = b"import sys\nfrom stub.deep.module import VALUE\nsys.exit(VALUE)\n"


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """A package with a module, data, and what is to be left out."""
    package = tmp_path / "stub"
    for folder in (package, package / "deep", package / "lab"):
        folder.mkdir()
        (folder / "__init__.py").touch()
    (package / "deep/module.py").write_text("from importlib import resources\nVALUE = 40 + 2\n")
    (package / "deep/data.bin").write_bytes(b"\0\1")
    (package / "deep/notes.c").write_text("int x;\n")
    return package


def _names(archive: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(archive)).namelist()


def test_it_runs(stub: Path, tmp_path: Path) -> None:
    """Modules, compiled and not, and data are found inside."""
    (tmp_path / "x.pyz").write_bytes(pyz.pyz_bytes(stub, MAIN))
    assert subprocess.run([sys.executable, "-I", tmp_path / "x.pyz"], check=False).returncode == 42


def test_what_is_in_it(stub: Path) -> None:
    """Modules twice where they can be compiled here, data once; neither the lab nor C sources."""
    names = _names(pyz.pyz_bytes(stub, MAIN))
    assert {"__main__.py", "stub/__init__.py", "stub/deep/module.py", "stub/deep/data.bin"} < set(names)
    assert not [name for name in names if "lab" in name or name.endswith(".c")]
    assert names == sorted(names)


def test_equal_sources_make_equal_bytes(stub: Path) -> None:
    """Neither the clock nor the age of a file is in it."""
    first = pyz.pyz_bytes(stub, MAIN)
    os.utime(stub / "deep/module.py", (1, 1))
    assert pyz.pyz_bytes(stub, MAIN) == first


def test_source_serves_where_bytecode_cannot_be_made(
    stub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine that runs no Python of the guests' version the sources alone go in, and still run."""
    monkeypatch.setattr(pyz, "compile_modules", lambda *_: {})
    archive = pyz.pyz_bytes(stub, MAIN)
    assert not [name for name in _names(archive) if name.endswith(".pyc")]
    (tmp_path / "x.pyz").write_bytes(archive)
    assert subprocess.run([sys.executable, tmp_path / "x.pyz"], check=False).returncode == 42


def test_written_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is executable and nothing is left beside it."""
    monkeypatch.setattr(pyz, "pyz_bytes", lambda: b"content")
    out = pyz.build_pyz(tmp_path / "dist/kexeckit.pyz")
    assert out.read_bytes() == b"content"
    assert out.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in out.parent.iterdir()] == ["kexeckit.pyz"]


def test_a_broken_module_is_reported(tmp_path: Path) -> None:
    """A module that does not compile is an error, not a hole in the archive."""
    (tmp_path / "x.py").write_text("def\n")
    with pytest.raises(UnavailableError, match="cannot be compiled"):
        compile_modules({"x.py": tmp_path / "x.py"}, tmp_path)


def test_kexeckit_itself_runs_from_one_file(tmp_path: Path) -> None:
    """The real thing starts without its source tree."""
    out = pyz.build_pyz(tmp_path / "kexeckit.pyz")
    done = subprocess.run(
        [sys.executable, "-I", out, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "usage: kexeckit" in done.stdout
    assert kexeckit.__version__ in zipfile.ZipFile(out).read("kexeckit/__init__.py").decode()
