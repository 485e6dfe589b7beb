"""The parameter block: what Python writes is what purgatory.h describes, and nothing that does not fit gets in."""

import hashlib
import math
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kexeckit.purgatory
from kexeckit.purgatory import DigestRegion, OnDamage, Purgatory, load_purgatory

SOURCES = Path(kexeckit.purgatory.__file__).parent
EMPTY = hashlib.sha256(b"").digest()
PARAMS = 0x40
U64 = 1 << 64


@pytest.fixture(scope="module")
def purgatory() -> Purgatory:
    """The shipped one."""
    return load_purgatory("x86_64")


def patched(purgatory: Purgatory, **changes: Any) -> bytes:
    """Patched with values that are all different, but for the changes."""
    values: dict[str, Any] = {"boot_params": 0x1111, "kernel_entry": 0x2222, "regions": (), "serial_port": 0x3F8}
    return purgatory.patched(**(values | changes))


def test_shipped_purgatory_describes_itself(purgatory: Purgatory) -> None:
    """The whole memory picture is in the file, so bufsz equals memsz, and a page boundary is all it asks for."""
    assert purgatory.arch == "x86_64"
    assert len(purgatory.code) == purgatory.memsz == 12288
    assert (purgatory.align, purgatory.entry_offset, purgatory.params_offset) == (4096, 0, PARAMS)
    assert purgatory.max_regions == 16


def test_header_fields_are_where_the_document_says(purgatory: Purgatory) -> None:
    """Each value of the call appears at its documented offset, with the block's own digest at its end."""
    region = DigestRegion("kernel", 0x1234_5678_9ABC, 0x4321, hashlib.sha256(b"k").digest())
    code = patched(purgatory, regions=[region], on_damage=OnDamage.RESET, announce=True, spin=True)
    block = code[PARAMS : PARAMS + 0x460]
    assert block[:8] == b"kxkpurg\0"
    assert struct.unpack_from("<6I", block, 8) == (1, 0x460, 3, 1, 0x3F8, 1)
    assert struct.unpack_from("<QQ", block, 0x20) == (0x1111, 0x2222)
    assert struct.unpack_from("<QQ", block, 0x40) == (0x1234_5678_9ABC, 0x4321)
    assert block[0x50:0x70] == hashlib.sha256(b"k").digest()
    assert block[0x70:0x80] == b"kernel".ljust(16, b"\0")
    assert not any(block[0x80:0x440])
    assert block[0x440:] == hashlib.sha256(block[:0x440]).digest()


def test_patching_changes_the_block_alone(purgatory: Purgatory) -> None:
    """Code before and after the parameter block is byte for byte what was shipped."""
    code = patched(purgatory, regions=[DigestRegion("initrd", 0, 1, EMPTY)] * 16)
    assert len(code) == len(purgatory.code)
    assert code[:PARAMS] == purgatory.code[:PARAMS]
    assert code[PARAMS + 0x460 :] == purgatory.code[PARAMS + 0x460 :]


def test_shipped_block_is_not_believed(purgatory: Purgatory) -> None:
    """A blob that nobody patched carries no valid digest, so it enters nothing."""
    block = purgatory.code[PARAMS : PARAMS + 0x460]
    assert block[0x440:] != hashlib.sha256(block[:0x440]).digest()


@pytest.mark.parametrize(("flag", "value"), [("spin", 1), ("announce", 2)])
def test_flags_are_separate_bits(purgatory: Purgatory, flag: str, value: int) -> None:
    """Each option sets its own bit and no other."""
    assert struct.unpack_from("<I", patched(purgatory, **{flag: True}), PARAMS + 0x10) == (value,)
    assert struct.unpack_from("<I", patched(purgatory), PARAMS + 0x10) == (0,)


@pytest.mark.parametrize(
    "changes",
    [
        {"regions": [DigestRegion("x", 0, 0, EMPTY)] * 17},
        {"boot_params": -1},
        {"boot_params": U64},
        {"kernel_entry": -1},
        {"kernel_entry": U64},
        {"serial_port": -1},
        {"serial_port": 0xFFF9},
        {"on_damage": 2},
    ],
)
def test_values_that_do_not_fit_are_refused(purgatory: Purgatory, changes: dict[str, Any]) -> None:
    """A value outside its field is a ValueError, never a truncated field."""
    with pytest.raises(ValueError, match=r"regions|64 bits|serial port|OnDamage"):
        patched(purgatory, **changes)


def test_limits_themselves_are_accepted(purgatory: Purgatory) -> None:
    """The last possible port, address and region count fit."""
    region = DigestRegion("a" * 15, U64 - 1, 1, EMPTY)
    code = patched(purgatory, regions=[region] * 16, serial_port=0xFFF8, kernel_entry=U64 - 1, boot_params=U64 - 1)
    assert code[PARAMS + 0x430 : PARAMS + 0x440] == b"a" * 15 + b"\0"


@pytest.mark.parametrize("name", ["", "a" * 16, 'a"b', "a\nb", "a\0", "initrd\u00e9"])
def test_region_names_are_printable(name: str) -> None:
    """A name must survive on a serial line between quotes."""
    with pytest.raises(ValueError, match="region name"):
        DigestRegion(name, 0, 0, EMPTY)


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, -1), (U64, 1), (U64 - 1, 2), (1, U64)])
def test_regions_lie_in_64_bits(start: int, length: int) -> None:
    """A region cannot begin before 0 or end beyond 2**64."""
    with pytest.raises(ValueError, match="64 bits"):
        DigestRegion("kernel", start, length, EMPTY)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_digests_have_32_bytes(size: int) -> None:
    """A digest of another size, such as its hexadecimal form, is refused."""
    with pytest.raises(ValueError, match="SHA-256"):
        DigestRegion("kernel", 0, 0, bytes(size))


def test_unknown_architecture_is_named() -> None:
    """The message says what was asked for and what there is."""
    with pytest.raises(ValueError, match=r"vax.*x86_64"):
        load_purgatory("vax")


@pytest.mark.parametrize("code", [b"", bytes(12288), b"\0" * 0x41 + b"kxkpurg\0" + bytes(12000)])
def test_code_without_a_block_is_refused(code: bytes) -> None:
    """Something that is not a purgatory cannot become one."""
    with pytest.raises(ValueError, match="parameter block"):
        Purgatory(arch="x86_64", code=code, memsz=12288)


@pytest.mark.parametrize("memsz", [8192, 12289])
def test_memsz_must_hold_the_code_in_whole_pages(purgatory: Purgatory, memsz: int) -> None:
    """A segment that is too small or not of whole pages is refused here, not by the kernel."""
    with pytest.raises(ValueError, match="memsz"):
        Purgatory(arch="x86_64", code=purgatory.code, memsz=memsz)


def test_purgatory_loads_from_a_zip_file(tmp_path: Path, purgatory: Purgatory) -> None:
    """The same bytes come out when the package is run from one zipped file."""
    archive = tmp_path / "kexeckit.pyz"
    with zipfile.ZipFile(archive, "w") as out:
        for file in (SOURCES / "__init__.py", SOURCES / "params.py", SOURCES / "x86_64.bin"):
            out.write(file, f"kexeckit/purgatory/{file.name}")
        out.writestr("kexeckit/__init__.py", "")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import kexeckit.purgatory as p\n"
        "assert p.__file__.startswith(sys.argv[1])\n"
        "sys.stdout.buffer.write(p.load_purgatory('x86_64').code)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script, archive], capture_output=True, check=True)
    assert done.stdout == purgatory.code


def test_header_and_python_agree_on_the_numbers() -> None:
    """Offsets and flags of purgatory.h are those of params.py (the compiler checks the struct itself)."""
    text = (SOURCES / "purgatory.h").read_text()
    found = {name: int(value, 0) for name, value in re.findall(r"#define (\w+) (0x[0-9a-f]+|\d+)", text)}
    assert (found["PARAMS_OFFSET"], found["PARAMS_SIZE"], found["PARAMS_VERSION"]) == (PARAMS, 0x460, 1)
    assert (found["FLAG_SPIN"], found["FLAG_ANNOUNCE"], found["MAX_REGIONS"]) == (1, 2, 16)


def test_document_and_header_agree_on_the_layout() -> None:
    """The table in docs/purgatory.md has the fields of struct params in order, without a gap, at Python's offsets."""
    text = (Path(__file__).parents[2] / "docs" / "purgatory.md").read_text().split("## Parameter block")[1]
    header, region = text.split("field of a region")
    rows = re.findall(r"^\| (0x\w+) \| ([\d x]+) \| (\w+) \|", header, flags=re.MULTILINE)
    struct_params = (SOURCES / "purgatory.h").read_text().split("struct params {")[1].split("};")[0]
    assert [name for _, _, name in rows] == re.findall(r"(\w+)(?:\[\w+\])?;", struct_params)
    end = 0
    for offset, size, _ in rows:
        assert int(offset, 16) == end
        end += math.prod(int(factor) for factor in size.split("x"))
    assert end == 0x460
    assert re.findall(r"^\| (0x\w+) \| \d+ \| (\w+)", region, flags=re.MULTILINE) == [
        ("0x00", "start"),
        ("0x08", "length"),
        ("0x10", "sha256"),
        ("0x30", "name"),
    ]


@given(
    start=st.integers(0, U64 - 1),
    length=st.integers(0, U64),
    name=st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"'), min_size=1, max_size=15),
    digest=st.binary(min_size=32, max_size=32),
)
def test_any_region_comes_back_from_its_slot(start: int, length: int, name: str, digest: bytes) -> None:
    """Every region that can be built is written without loss."""
    region = DigestRegion(name, start, min(length, U64 - 1 - start), digest)
    code = load_purgatory("x86_64").patched(boot_params=0, kernel_entry=0, regions=[region])
    assert struct.unpack_from("<QQ32s16s", code, PARAMS + 0x40) == (
        region.start,
        region.length,
        digest,
        name.encode().ljust(16, b"\0"),
    )
