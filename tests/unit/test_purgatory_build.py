"""The shipped file is what the sources make, and its code is what freestanding code must be."""

import ctypes
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kexeckit.errors import KexeckitError
from kexeckit.purgatory import build as building
from kexeckit.purgatory.params import ARCHITECTURES

SOURCES = Path(building.__file__).parent
Sha256 = Callable[[bytes], bytes]


def need(program: str) -> None:
    """Skips, naming the program, where it is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> building.Build:
    """The x86_64 purgatory, built here and now."""
    need("gcc")
    need("objdump")
    return building.build("x86_64", tmp_path_factory.mktemp("purgatory"))


@pytest.fixture(scope="module")
def disassembly(built: building.Build) -> list[str]:
    """Its instructions, without the parameter block and the constants."""
    text = subprocess.run(
        ["objdump", "-d", "-j", ".blob", built.elf], capture_output=True, text=True, check=True
    ).stdout
    functions = re.split(r"^[0-9a-f]+ <([^>]+)>:$", text, flags=re.MULTILINE)
    data = {
        "purgatory_params",
        "round_constant",
        "gdt",
        "gdt_end",
        "gdt_register",
        "stack_top",
        "uart",
        "initial_state",
    }
    lines: list[str] = []
    for name, body in zip(functions[1::2], functions[2::2], strict=True):
        if name.split(".")[0] not in data | {"no_idt", "magic"}:
            lines += re.findall(r"^ +[0-9a-f]+:\t[0-9a-f ]+\t(.+)$", body, flags=re.MULTILINE)
    return lines


@pytest.fixture(scope="module")
def sha256(tmp_path_factory: pytest.TempPathFactory) -> Sha256:
    """The purgatory's own SHA-256, compiled for this process."""
    need("gcc")
    library = tmp_path_factory.mktemp("sha256") / "sha256.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, SOURCES / "sha256.c"], check=True)
    function = ctypes.CDLL(str(library)).sha256
    function.argtypes = (ctypes.c_char_p, ctypes.c_uint64, ctypes.c_char_p)
    function.restype = None

    def digest(data: bytes) -> bytes:
        out = ctypes.create_string_buffer(32)
        function(data, len(data), out)
        return out.raw

    return digest


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_shipped_file_is_what_the_sources_make(arch: str, tmp_path: Path) -> None:
    """A build with the compiler of Debian 12 gives the shipped file, byte for byte."""
    need("gcc")
    code = building.build(arch, tmp_path).code
    shipped = building.shipped_file(arch).read_bytes()
    assert len(code) == len(shipped)
    if building.tool_versions() != building.REFERENCE_TOOLS:
        pytest.skip(f"built, but {building.tool_versions()} need not give the bytes of {building.REFERENCE_TOOLS}")
    assert code == shipped


def test_build_does_not_depend_on_its_folder(built: building.Build, tmp_path: Path) -> None:
    """Two builds in two folders are the same, so no path is in them."""
    deep = tmp_path / "another" / "folder with a space"
    deep.mkdir(parents=True)
    assert building.build("x86_64", deep).code == built.code


def test_bytes_do_not_depend_on_the_link_address(built: building.Build, tmp_path: Path) -> None:
    """Linked for another address, the bytes stay the same: there is no absolute address in them."""
    assert building.build("x86_64", tmp_path, base=0x12_3456_7000).code == built.code


def test_no_relocation_is_left(built: building.Build) -> None:
    """Nobody relocates a flat file, so nothing may need it."""
    done = subprocess.run(["readelf", "-r", "-W", built.elf], capture_output=True, text=True, check=True)
    assert "There are no relocations in this file." in done.stdout


def test_code_uses_general_registers_only(disassembly: list[str]) -> None:
    """No FPU, MMX, SSE or AVX register is touched: nobody has enabled them."""
    assert len(disassembly) > 500
    assert [line for line in disassembly if re.search(r"%(?:[xyz]?mm|st\b|k[0-7])", line)] == []
    assert [line for line in disassembly if re.match(r"f(?!s\b)[a-z]+|emms|ldmxcsr", line)] == []


def test_code_has_no_absolute_operand(disassembly: list[str]) -> None:
    """Every memory operand is relative to a register or to rip."""
    assert [line for line in disassembly if re.search(r"\b[d-g]s:0x|movabs .*\(|[ ,]0x[0-9a-f]+(?:,|$)", line)] == []


def test_code_has_no_cet_and_no_stack_protector(built: building.Build, disassembly: list[str]) -> None:
    """No endbr64 marks, no canary: both need a set-up that does not exist here."""
    assert [line for line in disassembly if "endbr" in line or "%fs:" in line] == []
    symbols = subprocess.run(["nm", built.elf], capture_output=True, text=True, check=True).stdout
    assert "__stack_chk" not in symbols
    assert not re.search(r"^ +U ", symbols, flags=re.MULTILINE)


def test_check_reports_a_stale_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--check exits with 1 when one byte of the shipped file differs or the file is gone, and writes nothing."""
    need("gcc")
    monkeypatch.setattr(building, "shipped_file", lambda arch: tmp_path / f"{arch}.bin")
    assert building.main(["--check"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert building.main([]) == 0
    assert building.main(["--check"]) == 0
    stale = bytearray((tmp_path / "x86_64.bin").read_bytes())
    stale[-1] ^= 1
    (tmp_path / "x86_64.bin").write_bytes(stale)
    assert building.main(["--check"]) == 1
    assert (tmp_path / "x86_64.bin").read_bytes() == stale
    assert "differs from what the sources make" in capsys.readouterr().out


def test_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without gcc the error says so and what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KexeckitError, match="gcc is not installed") as caught:
        building.build("x86_64", tmp_path)
    assert "gcc" in caught.value.remedy


@pytest.mark.parametrize("length", [*range(130), 4095, 4096, 4097, 1_000_003])
def test_sha256_at_every_block_edge(sha256: Sha256, length: int) -> None:
    """All lengths around the edges of a block and of its length field give the standard digest."""
    data = bytes(i * 7 % 251 for i in range(length))
    assert sha256(data) == hashlib.sha256(data).digest()


@given(data=st.binary(max_size=1000), offset=st.integers(0, 15))
def test_sha256_equals_hashlib(sha256: Sha256, data: bytes, offset: int) -> None:
    """Any bytes at any alignment give the digest of an independent implementation."""
    padded = b"\xee" * offset + data
    assert sha256(padded[offset:]) == hashlib.sha256(data).digest()
