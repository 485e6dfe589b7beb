"""The repository speaks of the project alone, in clean text files."""

import re

import pytest

from source_tree import ROOT, files

TEXT = (".py", ".md", ".toml", ".c", ".h", ".S", ".lds", ".sh", ".txt", ".json", ".rules", ".service", "")
# A lock file names what it locks, and where from.
LOCK = "uv.lock"
# Licence texts are quoted as they are.
QUOTED = ("LICENSE", LOCK)

PLACES = re.compile(r"(?<![\w.])/(?:(?:work|root|Users|tmp/kk)/[\w.]|home/\w\w)")
HOSTS = re.compile(
    r"\b(?:pypi\.org|pythonhosted\.org|(?:deb|security|ftp[\w.]*)\.debian\.org|npmjs\.|crates\.io|docker\.io|ghcr\.io)"
)
TRACES = re.compile(r"\bissue #?\d|\bTODO\b|\bFIXME\b|^(?:<{7}|>{7}|={7})(?: |$)", re.MULTILINE)

# Captures of lab guests are as the kernel printed them, bytes and all.
AS_CAPTURED = ROOT / "tests" / "golden" / "captures"

PATHS = [p for p in files(*TEXT) if p.name not in QUOTED and AS_CAPTURED not in p.parents]


def test_there_is_something_to_look_at() -> None:
    """The walk over the tree finds the tree."""
    names = {str(p.relative_to(ROOT)) for p in PATHS}
    assert {"README.md", "Makefile", ".ci/run", "src/kexeckit/errors.py"} <= names


@pytest.mark.parametrize(
    ("pattern", "example"),
    [(PLACES, "see /root/x"), (HOSTS, "from deb.debian.org"), (HOSTS, "pypi.org"), (TRACES, "as in issue 3 ")],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], example: str) -> None:
    """Each pattern has something that it finds."""
    # The examples stand in this very file, which the test below therefore leaves out.
    assert pattern.search(example)


@pytest.mark.parametrize("pattern", [PLACES, HOSTS, TRACES], ids=["places", "hosts", "traces"])
def test_nothing_but_the_project_is_mentioned(pattern: re.Pattern[str]) -> None:
    """No path of one person's machine, no host of a package registry, no trace of how the work was organised."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in PATHS
        if path.name != "test_cleanliness.py"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found


def test_text_files_are_tidy() -> None:
    """UTF-8, Unix line ends, one newline at the end, no trailing blanks, tabs only where make and C need them."""
    wrong = []
    for path in PATHS:
        data = path.read_bytes()
        text = data.decode("utf-8")
        name = path.relative_to(ROOT)
        if data and (not text.endswith("\n") or text.endswith("\n\n")):
            wrong.append(f"{name}: does not end with exactly one newline")
        if "\r" in text:
            wrong.append(f"{name}: carriage returns")
        if re.search(r"[ \t]$", text, re.MULTILINE):
            wrong.append(f"{name}: trailing blanks")
        if "\t" in text and path.suffix in (".py", ".md", ".toml"):
            wrong.append(f"{name}: tabs")
    assert not wrong


def test_scripts_are_executable_and_have_an_interpreter() -> None:
    """What a person runs by name can be run by name."""
    scripts = [p for p in PATHS if p.read_bytes().startswith(b"#!")]
    assert ROOT / ".ci" / "run" in scripts
    assert not [str(p) for p in scripts if not p.stat().st_mode & 0o111 and p.parent.name in (".ci", "tools")]
