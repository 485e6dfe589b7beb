"""A kernel's build configuration: its text, and where a root has it."""

import gzip
from pathlib import Path

import pytest

from formatters import format_kernel_config
from kexeckit.errors import InputError
from kexeckit.formats.kernel_config import parse_kernel_config
from kexeckit.system.kernel_config import read_kernel_config
from kexeckit.system.sysroot import DirectoryRoot

TEXT = '#\n# Automatically generated\n#\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_N=64\nCONFIG_S="a=b"\n'


def test_options_are_on_or_not() -> None:
    """Only y is built in; what is not named is off."""
    config = parse_kernel_config(TEXT, "config")
    assert [config.on(f"CONFIG_{name}") for name in "ABCDN"] == [True, False, False, False, False]
    assert config.values["CONFIG_S"] == '"a=b"'


def test_text_and_value_are_inverse() -> None:
    """What is written is read again as the same."""
    config = parse_kernel_config(TEXT, "config")
    assert parse_kernel_config(format_kernel_config(config), "config") == config


@pytest.mark.parametrize(
    ("text", "words"), [("CONFIG_A=y\nnonsense\n", "config:2"), ("", "no option"), ("# a comment\n", "no option")]
)
def test_other_text_is_refused(text: str, words: str) -> None:
    """With the line, where there is one."""
    with pytest.raises(InputError, match=words):
        parse_kernel_config(text, "config")


@pytest.mark.parametrize("name", ["proc/config.gz", "boot/config-6.1.0", "lib/modules/6.1.0/config"])
def test_found_where_distributions_keep_it(tmp_path: Path, name: str) -> None:
    """Packed or plain; a root without one has none."""
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/osrelease").write_text("6.1.0\n")
    assert read_kernel_config(DirectoryRoot(str(tmp_path))) is None
    at = tmp_path / name
    at.parent.mkdir(parents=True, exist_ok=True)
    at.write_bytes(gzip.compress(TEXT.encode()) if name.endswith(".gz") else TEXT.encode())
    found = read_kernel_config(DirectoryRoot(str(tmp_path)))
    assert found is not None
    assert found.on("CONFIG_A")


def test_damaged_data_is_an_input_error(tmp_path: Path) -> None:
    """A cut-off config.gz is named."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/config.gz").write_bytes(gzip.compress(TEXT.encode())[:20])
    with pytest.raises(InputError, match=r"config\.gz"):
        read_kernel_config(DirectoryRoot(str(tmp_path)))
