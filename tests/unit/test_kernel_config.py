"""A kernel's build configuration: its text, and where a root has it."""

import gzip
from pathlib import Path

import pytest

from formatters import format_kernel_config
from kexeckit.errors import InputError
from kexeckit.formats.kernel_config import parse_kernel_config
from kexeckit.system.machine import read_machine
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
    assert read_machine(DirectoryRoot(str(tmp_path))).kernel.config is None
    at = tmp_path / name
    at.parent.mkdir(parents=True, exist_ok=True)
    text = b"CONFIG_KEXEC=y\n# CONFIG_NUMA is not set\n"
    at.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    found = read_machine(DirectoryRoot(str(tmp_path)))
    assert found.on("CONFIG_KEXEC")
    assert found.on("CONFIG_NUMA") is False


def test_damaged_data_is_an_input_error(tmp_path: Path) -> None:
    """A cut-off config.gz is named, and nothing is known of the configuration."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/config.gz").write_bytes(gzip.compress(TEXT.encode())[:20])
    found = read_machine(DirectoryRoot(str(tmp_path)))
    assert found.on("CONFIG_KEXEC") is None
    problem = found.problem("kernel.config")
    assert problem is not None
    assert "config.gz" in problem.text
