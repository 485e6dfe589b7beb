"""What is written agrees with what is there: docstrings, links, commands, options, terms, versions."""

import ast
import importlib
import re
from argparse import ArgumentParser
from collections.abc import Iterator

import pytest
from hypothesis import settings

import kexeckit
from kexeckit.cli.main import COMMANDS
from kexeckit.cli.parser import add_global_options
from source_tree import ROOT, files, modules

MAN = ROOT / "docs" / "man" / "kexeckit.1.md"
TERMS = """
memory range, resource, e820 entry, memory map, segment, PT_LOAD, hole, gap, page frame, zone, node,
purgatory, elfcorehdr, crash kernel region, capture kernel, boot_params, setup_data, control pages,
identity page tables, vmcoreinfo, kexec_load, kexec_file_load, crashkernel=, KernelBehaviour, lab,
rehearse, not determined
"""
CODE = re.compile(r"```.*?```|`[^`\n]+`|^    [^\n]*$", re.DOTALL | re.MULTILINE)
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def test_everything_public_has_a_docstring() -> None:
    """Modules, classes, functions and methods without an underscore; `__init__` is described by its class."""
    bare = [
        f"{module.path}: {name}"
        for module in modules("src")
        for name, node in _public(module.tree)
        if not ast.get_docstring(node)
    ]
    assert not bare


def test_every_test_says_what_it_shows() -> None:
    """The docstring of a test is the behaviour it holds."""
    silent = [
        f"{module.path}: {function.name}"
        for module in modules("tests")
        for function in module.functions()
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not silent


def test_links_between_documents_resolve() -> None:
    """Every relative link leads to a file of the project."""
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in files(".md")
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text("utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert not broken


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_in_the_list_has_a_module(name: str) -> None:
    """What `kexeckit --help` offers can be run."""
    module = importlib.import_module(f"kexeckit.cli.{name.replace('-', '_')}")
    assert callable(module.run)
    assert callable(module.add_arguments)


def test_commands_named_in_the_documents_exist() -> None:
    """A reader who types what README or the man page says is understood."""
    unknown = set()
    for document in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", MAN):
        code = "\n".join(
            re.findall(r"```.*?```|`[^`\n]+`|^    .*$", document.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        )
        unknown |= set(re.findall(r"\bkexeckit(?:\.pyz)? ([a-z][a-z-]*)\b", code)) - set(COMMANDS)
    assert not unknown


def test_make_targets_named_in_the_documents_exist() -> None:
    """The same for `make`."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = set()
    for document in files(".md"):
        named |= set(re.findall(r"`make ([a-z][a-z-]*)", document.read_text("utf-8")))
    assert named
    assert not named - targets


@pytest.mark.parametrize("term", re.split(r",\s+", TERMS.strip()))
def test_the_glossary_has_the_words_of_the_field(term: str) -> None:
    """Every term is defined in a row of its own."""
    cells = re.findall(r"^\| (\*\*.+?\*\*) \|", (ROOT / "GLOSSARY.md").read_text("utf-8"), re.MULTILINE)
    assert term in [word for cell in cells for word in re.findall(r"\*\*(.+?)\*\*", cell)]


@pytest.mark.parametrize("name", COMMANDS)
def test_man_page_and_help_have_the_same_options(name: str) -> None:
    """Both ways: nothing undocumented, nothing invented; and each option stands once."""
    parser = ArgumentParser(add_help=False)
    importlib.import_module(f"kexeckit.cli.{name.replace('-', '_')}").add_arguments(parser)
    offered = {option for action in parser._actions for option in action.option_strings}
    named = _man_options(f"### kexeckit {name}")
    assert sorted(named) == sorted(offered)


def test_man_page_has_the_global_options() -> None:
    """The options that every command has stand once."""
    parser = ArgumentParser(add_help=False)
    add_global_options(parser)
    offered = {option for action in parser._actions for option in action.option_strings}
    assert sorted(_man_options("## GLOBAL OPTIONS")) == sorted(offered | {"-h", "--help", "-V", "--version"})


def test_man_page_has_every_schema_and_exit_code() -> None:
    """Who reads the JSON of a command finds it described; exit codes are those of the errors."""
    text = MAN.read_text("utf-8")
    schemas = {s for m in modules("src") for s in re.findall(r'"(kexeckit/[a-z-]+/\d+)"', m.text)}
    assert schemas
    assert not {s for s in schemas if s not in text}
    errors = importlib.import_module("kexeckit.errors")
    codes = {str(c.exit_code) for c in vars(errors).values() if isinstance(c, type) and hasattr(c, "exit_code")}
    assert {*codes, "0", "3"} == set(re.findall(r"^\*\*(\d+)\*\*$", text, re.MULTILINE)) - {"130", "141"}


def test_contributing_names_the_switches_of_the_tests() -> None:
    """Every option that conftest.py adds to pytest stands there, and no sentence denies it."""
    options = re.findall(r'addoption\("(--[a-z-]+)"', (ROOT / "tests" / "conftest.py").read_text("utf-8"))
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert options
    assert not [option for option in options if option not in text]
    assert "no switch" not in text


def test_contributing_has_the_numbers_of_examples() -> None:
    """Those of the profiles that hypothesis is set up with."""
    sentence = re.search(r"Property tests draw [^.]*\.", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert sentence
    numbers = [int(n.replace(",", "")) for n in re.findall(r"\b[0-9][0-9,]*\b", sentence[0])]
    profiles = ("dev", "ci", "deep")
    assert numbers == [settings.get_profile(name).max_examples for name in profiles]


def test_changelog_and_package_agree_on_the_version() -> None:
    """The version stands in three places, and in all of them it is the same."""
    assert re.search(
        rf"^## \[?{re.escape(kexeckit.__version__)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert f'version = "{kexeckit.__version__}"' in (ROOT / "pyproject.toml").read_text("utf-8")


def _public(tree: ast.Module) -> Iterator[tuple[str, Documented]]:
    yield "the module", tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not inner.name.startswith("_"):
                    yield f"{node.name}.{inner.name}", inner


def _man_options(heading: str) -> list[str]:
    # Options stand in bold at the beginning of a line: **-n**, **--dry-run**, or **--initrd** *F*.
    text = MAN.read_text("utf-8")
    assert f"\n{heading}\n" in text, f"the man page has no section {heading!r}"
    section = re.split(r"^#{2,3} ", text.split(f"\n{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("**-")]
    return [option for line in lines for option in re.findall(r"\*\*(--?[a-zA-Z][\w-]*)\*\*", line)]
