"""The explain command: one field in words, all of them as a table and as JSON."""

import json
from pathlib import Path

import pytest

from cli_bench import Commands
from kexeckit.kernel.behaviour.catalogue import RECORDS, stated_fields
from kexeckit.kernel.behaviour.floors import FLOORS


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """A bench with good files."""
    return Commands(tmp_path, capsys)


def test_a_field_in_words(commands: Commands) -> None:
    """What it says, what it takes, the value before, each change with its dates and source."""
    ended = commands.run("explain", "pgd_separate_page")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "pgd_separate_page (loading)",
        "  The PGD of the identity tables is a control page of its own.",
        "  It takes true or false.",
        "before:",
        "  false on all",
        "changes:",
        "  true since 6.14; 6.1.129 (not 6.1.138); 6.6.78; 6.12.14; 6.13.3, on x86_64",
        "    arch/x86/kernel/machine_kexec_64.c alloc_pgt_page() (compared with a running kernel)",
        "State another value with --set pgd_separate_page=VALUE.",
    ]


def test_values_by_architecture_and_distributions(commands: Commands) -> None:
    """Bytes in hexadecimal, none for no value, builds of a vendor."""
    text = commands.run("explain", "low_limit").out
    assert "  0x400000000000 on x86_64\n  0x100000000 on i386 loongarch64\n  none on arm64" in text
    assert "distributions:\n  0x37ffffff in 2.6.32-*.el6, every build, on x86_64\n" in text
    assert "  0x100000000 in 4.18.0-*.el8, build 147 and later, on x86_64\n" in text
    assert "(seen in logs of real machines)" in text


def test_a_change_that_ended(commands: Commands) -> None:
    """The release that no longer has it is named."""
    text = commands.run("explain", "gb_leaf_only_when_full").out
    assert "  true since 6.8 (not 6.8.5, 6.9); 4.19.307 (not 4.19.312); 5.4.269 (not 5.4.274); " in text
    assert "; 6.7.6, on x86_64\n" in text
    assert "  true since 6.12; 6.10.14; 6.11.3, on x86_64\n" in text


def test_a_field_that_no_release_changes(commands: Commands) -> None:
    """That is said."""
    assert "changes: none is known" in commands.run("explain", "align").out


def test_all_fields_as_a_table(commands: Commands) -> None:
    """By record; every field once."""
    ended = commands.run("explain", "behaviours")
    lines = ended.out.splitlines()
    assert [line for line in lines if line.endswith(":")] == ["loading:", "zones:", "nodes:", "kaslr:", "reservation:"]
    first = [line.split()[0] for line in lines if line and not line.startswith((" ", '"', "-"))]
    assert [w for w in first if w in stated_fields()] == list(stated_fields())
    assert max(map(len, lines)) <= 140


def test_document(commands: Commands) -> None:
    """One object for each field, floors only with the whole list."""
    found = json.loads(commands.run("explain", "behaviours", "--json").out)
    assert found["schema"] == "kexeckit/explain/1"
    assert [b["field"] for b in found["behaviours"]] == list(stated_fields())
    assert {b["record"] for b in found["behaviours"]} == set(RECORDS)
    assert len(found["floors"]) == len(FLOORS)
    assert found["floors"][0] == {
        "subject": "crashkernel=",
        "arches": ["x86_64", "i386"],
        "since": "2.6.32",
        "why": "no older source was read",
        "source": "arch/x86/kernel/setup.c reserve_crashkernel()",
    }
    one = json.loads(commands.run("explain", "arm64_dma", "--json").out)
    assert one["floors"] == []
    field = one["behaviours"][0]
    assert (field["type"], field["before"]) == ("str", [{"arches": [], "value": "none"}])
    assert field["changes"][2] == {
        "value": "firmware-bits",
        "since": "5.11",
        "until": None,
        "backports": ["5.10.47"],
        "reverted": [],
        "arches": ["arm64"],
        "source": "arch/arm64/mm/init.c zone_sizes_init(), max_zone_phys() without offset",
        "checked": "booted",
    }
    assert field["vendors"][0]["release"] == "5.10.0-*-arm64, build 8 and later"


@pytest.mark.parametrize(
    ("field", "kind"), [("gb_leaves", "bool"), ("usage", "int"), ("low_limit", "int|null"), ("suffixes", "[str]")]
)
def test_types(commands: Commands, field: str, kind: str) -> None:
    """As JSON names them."""
    assert json.loads(commands.run("explain", field, "--json").out)["behaviours"][0]["type"] == kind


def test_an_unknown_field(commands: Commands) -> None:
    """Exit code 2, the nearest one, and where the list is."""
    ended = commands.run("explain", "gb_leavs")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "kexeckit: explain: there is no behaviour 'gb_leavs'; did you mean gb_leaves?\n"
        '  hint: "kexeckit explain behaviours" lists all fields\n'
    )
