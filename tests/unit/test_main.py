"""The command as such: verbs, help, exit codes, broken outputs, text that must not act on a terminal."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from cli_bench import Commands
from fakes import FakeMachine
from kexeckit import __version__
from kexeckit.cli import main as module
from kexeckit.cli.main import COMMANDS, main, report
from kexeckit.errors import KexeckitError, NotPermittedError
from kexeckit.plan import verify as verifier
from kexeckit.plan.verify import Finding

CODES = (
    "exit codes: 0 ok, 1 findings or a failed check, 2 usage, 3 not determined, 65 unusable input, 69 unavailable, "
    "70 a defect of kexeckit, 74 I/O, 77 not permitted"
)


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """A bench with good files."""
    return Commands(tmp_path, capsys)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_has_help(commands: Commands, verb: str) -> None:
    """With the global options, the exit codes, and a first line that says what it does."""
    ended = commands.run(verb, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"usage: kexeckit {verb} ")
    assert CODES in re.sub(r"\s+", " ", ended.out)
    for option in ("--root", "--json", "--arch", "--kernel-version"):
        assert option in ended.out
    loaded = importlib.import_module(f"kexeckit.cli.{verb.replace('-', '_')}")
    assert (loaded.__doc__ or "").splitlines()[0] in ended.out


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_every_command(commands: Commands, word: str) -> None:
    """On standard output, exit 0."""
    ended = commands.run(word)
    assert (ended.code, ended.err) == (0, "")
    assert all(f"  {verb} " in ended.out and summary in ended.out for verb, summary in COMMANDS.items())


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_version(commands: Commands, word: str) -> None:
    """One line."""
    ended = commands.run(word)
    assert (ended.code, ended.out) == (0, f"kexeckit {__version__}\n")


def test_nothing_at_all_shows_the_commands(commands: Commands) -> None:
    """Exit 2, and the list on standard error."""
    ended = commands.run()
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("usage: kexeckit")


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (("frobnicate",), "no command 'frobnicate'", "lists the commands"),
        (("Plan",), "no command 'Plan'", "did you mean plan?"),
        (("crashkernl", "--root", "x"), "no command 'crashkernl'", "did you mean crashkernel?"),
        (("--json",), "no command is named; expected one of plan, load", "lists the commands"),
        (("--root", "x"), "no command is named", "lists the commands"),
        (("--root=x", "--json", "zone"), "no command 'zone'", "did you mean zones?"),
        (("-x", "plan"), "unknown option -x before a command", "lists the commands"),
        (("--jsn", "plan"), "unknown option --jsn before a command", "did you mean --json?"),
    ],
)
def test_no_such_command(commands: Commands, words: tuple[str, ...], says: str, hint: str) -> None:
    """Exit 2, one line that says what is missing, and the likely word."""
    ended = commands.run(*words)
    lines = ended.err.splitlines()
    assert (ended.code, len(lines)) == (2, 2)
    assert says in lines[0]
    assert hint in lines[1]
    assert bool(ended.out) == ("--json" in words)


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        (("--pan",), "unknown option --pan", "did you mean --panic?"),
        (("--pan", "--apend=x"), "unknown option --pan --apend=x", "did you mean --panic?"),
        (("--frobnicate",), "unknown option --frobnicate", "`kexeckit plan --help` shows the options"),
        (("--initrd=",), "--initrd is empty", "leave --initrd out, or give F"),
        (("--efi-map", ""), "--efi-map is empty", "leave --efi-map out"),
        (("--after", ""), "--after is empty", "leave --after out"),
        (("--serial=",), "--serial is empty", "leave --serial out"),
        (("--syscall", "fil"), "argument --syscall: invalid choice", "`kexeckit plan --help`"),
        (("--initrd",), "argument --initrd/--ramdisk: expected one argument", "`kexeckit plan --help`"),
    ],
)
def test_options_are_exact(commands: Commands, words: tuple[str, ...], says: str, hint: str) -> None:
    """No abbreviation is taken and no empty value passed over; the remedy names the likely option."""
    ended = commands.run("plan", commands.at("vmlinuz"), *words)
    assert ended.code == 2
    assert says in ended.message
    assert hint in ended.hint


def test_global_options_stand_before_or_behind_the_verb(commands: Commands) -> None:
    """The same document either way, also with =, and with a root that is named like a verb."""
    root, image = commands.at("root"), commands.at("vmlinuz")
    FakeMachine().write(commands.folder / "plan")
    expected = commands.run("plan", image, "--root", root, "--json", "--kernel-version", "6.1", "--syscall", "file")
    assert expected.code == 0
    tail = ["plan", image, "--syscall", "file"]
    assert commands.run("--root", root, "--json", "--kernel-version", "6.1", *tail) == expected
    assert commands.run(f"--root={root}", "--kernel-version=6.1", *tail, "--json") == expected
    cwd = Path.cwd()
    try:
        os.chdir(commands.folder)
        assert commands.run("--root", "plan", "--json", "--kernel-version", "6.1", *tail) == expected
    finally:
        os.chdir(cwd)


def test_usage_errors_are_exit_2(commands: Commands) -> None:
    """The offending words are shown and cannot act on a terminal."""
    ended = commands.run("plan", commands.at("vmlinuz"), "\x1b[31mred", "b\u202e\udcff")
    assert ended.code == 2
    assert ended.hint == "  hint: `kexeckit plan --help` shows the usage"
    assert r"\x1b[31mred" in ended.err
    assert r"\u202e\xff" in ended.err
    assert "\x1b" not in ended.err


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (KexeckitError("a\nb\x1b\u2028c\ud800"), 1, [r"kexeckit: a\x0ab\x1b\u2028c\ud800"]),
        (NotPermittedError("x", remedy="do\tthis"), 77, ["kexeckit: x", r"  hint: do\x09this"]),
    ],
)
def test_an_error_is_one_line_and_a_hint(
    capsys: pytest.CaptureFixture[str], error: KexeckitError, code: int, lines: list[str]
) -> None:
    """Whatever its text holds."""
    assert report(error) == code
    assert capsys.readouterr().err.splitlines() == lines


def _verb(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> None:
    # A command "boom" that raises.
    def run(_args: object) -> int:
        raise raised

    made = ModuleType("kexeckit.cli.boom")
    made.run, made.add_arguments = run, lambda _parser: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kexeckit.cli.boom", made)
    monkeypatch.setitem(module.COMMANDS, "boom", "")
    monkeypatch.setattr(module, "_discard_output", lambda: None)


@pytest.mark.parametrize(
    ("raised", "code", "err"),
    [
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 141, ""),
        (OSError(28, "No space left on device"), 74, "kexeckit: standard output: No space left on device\n"),
        (OSError(5, "Input/output error", "/x"), 74, "kexeckit: /x: Input/output error\n"),
        (FileNotFoundError(2, "No such file or directory", "/x"), 69, "kexeckit: /x: no such file or directory\n"),
    ],
)
def test_what_is_no_error_of_ours_ends_in_order_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: BaseException, code: int, err: str
) -> None:
    """A code and at most one line."""
    _verb(monkeypatch, raised)
    assert main(["boom"]) == code
    assert capsys.readouterr().err == err


@pytest.mark.parametrize("raised", [ZeroDivisionError(), MemoryError(), RecursionError("too deep"), ValueError("a\nb")])
def test_a_defect_is_one_line_and_exit_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: Exception
) -> None:
    """It names the kind and the line of ours that raised it, and says what a report needs; no traceback."""
    _verb(monkeypatch, raised)
    assert main(["boom"]) == 70
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"kexeckit: a defect of kexeckit: {type(raised).__name__} in kexeckit.cli.main, line ")
    assert second.startswith("  hint: report this line, `kexeckit --version`, the command")


def test_a_real_recursion_is_one_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The guard has stack left to speak with."""

    def run(args: object) -> int:
        return run(args) + 1

    _verb(monkeypatch, KeyboardInterrupt())
    monkeypatch.setattr(sys.modules["kexeckit.cli.boom"], "run", run)
    assert main(["boom", "--json"]) == 70
    seen = capsys.readouterr()
    assert json.loads(seen.out)["error"]["kind"] == "defect"
    assert len(seen.err.splitlines()) == 2


def test_a_plan_that_the_verifier_rejects_is_a_defect(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 70, with what it found."""
    finding = Finding("overlap", "a and b share a page")
    monkeypatch.setattr(verifier, "verify", lambda *_: [finding])
    ended = commands.plan()
    assert ended.code == 70
    assert "the verifier rejects the plan: overlap: a and b share a page" in ended.message
    assert "report it" in ended.hint


def test_an_error_as_a_document(commands: Commands) -> None:
    """With --json: kind, message, place, what was expected, remedy and exit code; the line on standard error stays."""
    ended = commands.run("plan", commands.put("bad", b"text of a kind\n" * 99), "--root", commands.at("root"), "--json")
    found = json.loads(ended.out)
    assert found["schema"] == "kexeckit/error/1"
    error = found["error"]
    assert (error["kind"], error["source"], error["line"]) == ("input", commands.at("bad"), None)
    assert (ended.code, error["exit_code"]) == (65, 65)
    assert ended.err.splitlines()[0] == f"kexeckit: {error['message']}"
    behind = commands.run("crashkernel", "--root", commands.at("none"), "--", "--json")
    assert (behind.code, behind.out) == (69, "")


def process(*words: str, stdout: int | None = None, encoding: str | None = None) -> subprocess.Popen[bytes]:
    """The command as a process of its own."""
    env = os.environ | ({"PYTHONIOENCODING": encoding} if encoding else {})
    run = [sys.executable, "-m", "kexeckit", *words]
    return subprocess.Popen(run, stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE, env=env)


@pytest.mark.parametrize("words", [("plan",), ("plan", "--json"), ("--help",), ("plan", "--help")])
def test_a_reader_that_goes_away(commands: Commands, words: tuple[str, ...]) -> None:
    """`| head -0`: 141 and not a word, no traceback at the interpreter's end either."""
    image = [commands.at("vmlinuz"), "--root", commands.at("root")] if words[-1] != "--help" else []
    read, write = os.pipe()
    os.close(read)
    with process(*words, *image, stdout=write) as child:
        os.close(write)
        assert child.communicate()[1] == b""
        assert child.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", [("plan",), ("plan", "--help")])
def test_an_output_that_is_full(commands: Commands, words: tuple[str, ...]) -> None:
    """Exit 74 and one line: a document that was cut must not look like success."""
    image = [commands.at("vmlinuz"), "--root", commands.at("root")] if words[-1] != "--help" else []
    with open("/dev/full", "wb") as full, process(*words, *image, stdout=full.fileno()) as child:  # noqa: PTH123
        lines = child.communicate()[1].decode().splitlines()
    assert child.returncode == 74
    assert "kexeckit: standard output: No space left on device" in lines
    assert not any("Traceback" in line for line in lines)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_terminal(commands: Commands, encoding: str) -> None:
    """Stray bytes and letters that it cannot show are escaped, not a reason to fail."""
    line = "name=J\u00fcrgen \udcff \u4e2d".encode("utf-8", "surrogateescape")
    FakeMachine(files={"/proc/cmdline": line}).write(commands.folder / "other")
    words = ["plan", commands.at("vmlinuz"), "--root", commands.at("other"), "--reuse-cmdline"]
    with process(*words, encoding=encoding) as child:
        out, err = child.communicate()
    assert (child.returncode, err) == (0, b"")
    assert b"\\xff" in out
    assert (b"\\u4e2d" in out) == (encoding != "utf-8")


HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\u202e"


@pytest.mark.parametrize("more", [(), ("--json",), ("--panic",), ("--syscall", "file")])
def test_nothing_from_files_reaches_the_terminal_raw(commands: Commands, more: tuple[str, ...]) -> None:
    """Names of files and resources, the command line, the release: no control character comes out."""
    name = "vm\x1b[31mlinuz"
    (commands.folder / "vmlinuz").rename(commands.folder / name)
    iomem = FakeMachine().iomem.replace("Local APIC", f"Local{HOSTILE}")
    files = {"/proc/sys/kernel/osrelease": b"6.1.0-\x1b[31m\n"}
    FakeMachine(iomem=iomem, cmdline=f"a={HOSTILE}", kcore=None, files=files).write(commands.folder / "ro\x07ot")
    ended = commands.plan(*more, "--reuse-cmdline", kernel=name, root="ro\x07ot")
    assert ended.code == 0
    text = ended.out + ended.err
    assert not [c for c in text if not c.isprintable() and c != "\n"]
    missing = commands.plan(kernel="no\x1b[31msuch\nfile")
    assert missing.message.endswith(r"no\x1b[31msuch\x0afile: no such file or directory")
