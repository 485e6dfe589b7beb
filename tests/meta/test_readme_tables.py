"""The tables of README say what the program does: which command reads which source."""

import re
from pathlib import Path

import pytest

from cli_bench import Commands
from source_tree import ROOT

CAPTURE = ROOT / "tests" / "golden" / "captures" / "bios-1g-6.1"
SOURCES = {
    "capture, sosreport, supportconfig (folder, tar)": CAPTURE,
    "boot log": CAPTURE / "dmesg",
    "iomem file": CAPTURE / "proc" / "iomem",
    "TOML": ROOT / "tests" / "golden" / "mirror_thread.toml",
}
ANSWERED = (0, 1, 3)


def _table() -> dict[str, dict[str, str]]:
    # The table that begins with "| reads |": command -> source -> yes or no.
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| reads |"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    head = rows[0]
    return {row[0].strip("`"): dict(zip(head[1:], row[1:], strict=True)) for row in rows[2:]}


def test_the_table_has_every_source() -> None:
    """All but this machine are tried below."""
    table = _table()
    assert table
    for row in table.values():
        assert set(row) == {"live", *SOURCES}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("command", ["plan", "crashkernel", "zones", "page-tables"])
def test_sources_are_read_as_the_table_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, source: str
) -> None:
    """An answer, or a refusal; a version is given, because some sources show none."""
    commands = Commands(tmp_path, capsys)
    words = [command, *([commands.at("vmlinuz")] if command == "plan" else [])]
    ended = commands.run(*words, "--root", str(SOURCES[source]), "--kernel-version", "6.1")
    assert (ended.code in ANSWERED) == (_table()[command][source] == "yes")


def test_supported_commands_exist() -> None:
    """Every command in the first column of the tables is one."""
    from kexeckit.cli.main import COMMANDS

    text = (ROOT / "README.md").read_text("utf-8")
    named = {
        word for row in re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE) for word in re.findall(r"`([a-z-]+)", row)
    }
    assert named
    assert named <= set(COMMANDS)
