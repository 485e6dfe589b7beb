"""What a user states: reading it, and that it has its whole effect."""

from pathlib import Path

import pytest

from bootlogs import pc_table, x86_log
from cli_bench import Commands
from kexeckit.errors import InputError, UsageError
from kexeckit.kernel.behaviour.behaviours import select_behaviours
from kexeckit.kernel.behaviour.catalogue import histories
from kexeckit.kernel.behaviour.reservation import crash_rules, with_pages
from kexeckit.kernel.behaviour.stated import accepted, parse_stated
from kexeckit.machine.version import NEWEST, Release, parse_kernel_version
from kexeckit.memory.units import GIB, KIB, MIB
from kexeckit.render.explain import value_text
from readings import facts_of_log

REMEDY = '"kexeckit explain behaviours" lists all fields'


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("gb_leaves=true", True),
        ("gb_leaves=ON", True),
        ("gb_leaves=no", False),
        ("cma_align=4M", 4 * MIB),
        ("cma_align=0x200000", 2 * MIB),
        ("low_limit=none", None),
        ("low_limit=4G", 4 * GIB),
        ("purgatory_bufsz=12288", 12288),
        ("words=plain", "plain"),
        ("encrypted_extra=", ""),
        ("auto=1G-4G:160M", "1G-4G:160M"),
        ("suffixes=high,low", (",high", ",low")),
        ("suffixes=,high ,cma", (",high", ",cma")),
        ("suffixes=", ()),
    ],
)
def test_a_word_is_read_by_the_type_of_its_field(word: str, value: object) -> None:
    """True or false, a size, one of the field's words, a list."""
    assert list(parse_stated([word]).values()) == [value]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("gb_leaves", "cannot read --set gb_leaves: expected field=value"),
        ("gb_leafs=true", "--set: there is no behaviour 'gb_leafs'; did you mean gb_leaves?"),
        ("arch=arm64", "--set: there is no behaviour 'arch'"),
        ("zzz=1", "--set: there is no behaviour 'zzz'"),
        ("gb_leaves=2", "--set gb_leaves=2: gb_leaves takes true or false"),
        ("cma_align=3", "takes a power of two, such as 16777216, 0x1000000 or 16M"),
        ("cma_align=0", "takes a power of two"),
        ("usage=-1", "takes a number, such as 16777216"),
        ("usage=none", "takes a number"),
        ("low_limit=nothing", "0x1000000 or 16M, or none"),
        ("words=high", "takes one of plain, plain-or-high, plain-then-high"),
        ("suffixes=hi", "takes some of cma high low, separated by commas"),
    ],
)
def test_what_cannot_be_read_says_what_is_accepted(word: str, message: str) -> None:
    """An unknown field, with the nearest known one, or a value of another type."""
    with pytest.raises(UsageError) as caught:
        parse_stated([word])
    assert message in str(caught.value)
    assert caught.value.remedy == REMEDY


def test_numbers_that_a_field_takes() -> None:
    """None only where the field can be without a number."""
    sizes = "such as 16777216, 0x1000000 or 16M"
    assert accepted("usage") == f"a number, {sizes}"
    assert accepted("low_limit") == f"a number, {sizes}, or none"
    assert accepted("cma_align") == f"a power of two, {sizes}"


def test_a_file_has_fields_with_or_without_tables() -> None:
    """Words behind --set win, and the last one of a field."""
    text = 'gb_leaves = true\npage = "16K"\n[reservation]\nsuffixes = ["high"]\nlow_limit = "none"\nusage = 7\n'
    found = parse_stated(["usage=8", "usage=9"], text, "f.toml")
    assert found == {"gb_leaves": True, "page": 16 * KIB, "suffixes": (",high",), "low_limit": None, "usage": 9}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gb_leaves = 1", "f.toml: gb_leaves: gb_leaves takes true or false"),
        ("usage = true", "f.toml: usage: usage takes a number"),
        ("usage = 1.5", "usage takes a number"),
        ("gb_leave = true", "f.toml: there is no behaviour 'gb_leave'; did you mean gb_leaves?"),
        ("[loading]\ncma_align = 4096", "f.toml: cma_align is a field of [reservation], not of [loading]"),
        ("[kexec]\nx = 1", "f.toml: there is no table [kexec]; tables are loading, zones, nodes, kaslr, reservation"),
        ("suffixes = [1]", "suffixes takes some of"),
    ],
)
def test_a_file_that_is_wrong_is_refused(text: str, message: str) -> None:
    """As a word is."""
    with pytest.raises(UsageError) as caught:
        parse_stated([], text, "f.toml")
    assert message in str(caught.value)


def test_a_file_that_is_no_toml_is_unusable_input() -> None:
    """With the file's name and what was expected."""
    with pytest.raises(InputError, match=r"f\.toml: unusable text: .*; expected TOML"):
        parse_stated([], "a = ", "f.toml")


def test_every_value_of_the_tables_can_be_stated_as_it_is_shown() -> None:
    """What `explain` prints, --set reads."""
    for history in histories():
        assert accepted(history.name)
        values = [v for _, v in history.before]
        values += [c.fields[history.name] for c in history.changes]
        values += [v.fields[history.name] for v in history.vendors]
        for value in values:
            shown = value_text(value).replace("(nothing)", "").replace("(empty)", "")
            assert parse_stated([f"{history.name}={shown}"]) == {history.name: value}


def test_behaviours_are_chosen_with_what_is_stated() -> None:
    """Each field goes to its record; names and assumption are listed."""
    stated = {"gb_leaves": False, "core_mirror": False, "cma_align": 8 * MIB}
    found = select_behaviours("x86_64", Release("6.12"), stated)
    assert (found.loading.gb_leaves, found.zones.core_mirror, found.reservation.cma_align) == (False, False, 8 * MIB)
    assert (found.stated, found.assumed, found.below) == (("cma_align", "core_mirror", "gb_leaves"), None, ())
    assert found.reservation == crash_rules("x86_64", parse_kernel_version("6.12"), stated={"cma_align": 8 * MIB})


def test_a_version_that_is_not_known_is_assumed() -> None:
    """The newest, and that is said."""
    found = select_behaviours("arm64", None)
    assert found.assumed == f"the kernel's version is not shown: {NEWEST} is assumed; name it with --kernel-version"
    assert found.reservation == crash_rules("arm64", parse_kernel_version(NEWEST))


def test_what_the_source_shows_does_not_undo_what_is_stated() -> None:
    """Pages of 64 KiB give arm64 other sections, unless the user says which."""
    rules = crash_rules("arm64", parse_kernel_version("6.12"), stated={"section": GIB})
    found = with_pages(rules, 64 * KIB, wide=True, stated=("section",))
    assert (found.section, found.cma_align, found.page, found.pa_bits) == (GIB, 512 * MIB, 64 * KIB, 52)


def bare_log(version: str) -> str:
    """Return a log without lines on node data, so that its place depends on the kernel."""
    return "".join(
        f"{line}\n" for line in x86_log(pc_table(4 * GIB), version=version).splitlines() if "NODE_" not in line
    )


def test_a_stated_field_has_its_whole_effect() -> None:
    """The facts of 3.12 with after_numa stated are those of 3.13, which changed nothing else."""
    log, newer = (bare_log(version) for version in ("3.12", "3.13"))
    stated = facts_of_log(log, ("crashkernel=256M",), stated={"after_numa": True})
    after = facts_of_log(newer, ("crashkernel=256M",))
    before = facts_of_log(log, ("crashkernel=256M",))
    assert stated.rules == after.rules != before.rules
    assert (stated.node_data, stated.unshown, stated.held) == (after.node_data, after.unshown, after.held)
    assert (before.node_data, before.unshown) != (after.node_data, after.unshown)
    assert "stated by the user: after_numa is True" in stated.notes


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """A bench with good files."""
    return Commands(tmp_path, capsys)


def test_page_tables_of_a_stated_kernel(commands: Commands, tmp_path: Path) -> None:
    """By --set or by a file; the answer lists it."""
    words = ("page-tables", "--range", "0-24T", "--kernel-version", "6.1")
    assert "196 KiB" in commands.run(*words).out
    told = commands.run(*words, "--set", "gb_leaves=no")
    assert "96.2 MiB" in told.out
    assert "stated by the user: gb_leaves is False" in told.out
    (tmp_path / "b.toml").write_text("[loading]\ngb_leaves = false\n[reservation]\nusage = 1\n")
    assert commands.run("--behaviour", str(tmp_path / "b.toml"), *words).out == told.out
    assert told.err == ""


def test_a_field_that_a_command_does_not_ask_for_is_warned_of(commands: Commands) -> None:
    """Typed in vain, it must not be passed over."""
    ended = commands.run("page-tables", "--range", "0-1G", "--kernel-version", "6.1", "--set", "usage=1")
    assert ended.code == 0
    assert "--set usage has no effect here: it is a field of reservation" in ended.err


@pytest.mark.parametrize("command", ["crashkernel", "zones", "page-tables", "plan"])
def test_a_wrong_field_is_a_wrong_command_line(commands: Commands, command: str) -> None:
    """Exit code 2 and the nearest field, in each command that takes one."""
    words = ["/dev/null"] if command == "plan" else []
    ended = commands.run(command, *words, "--set", "gb_leave=1")
    assert ended.code == 2
    assert "did you mean gb_leaves?" in ended.err
    assert REMEDY in ended.err


def test_an_estimate_takes_no_field(commands: Commands) -> None:
    """It asks no kernel what it does."""
    ended = commands.run("crashkernel", "--estimate", commands.at("vmlinuz"), "--set", "usage=1")
    assert (ended.code, ended.out) == (2, "")
    assert "have no effect on --estimate" in ended.err
