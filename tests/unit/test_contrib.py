"""The shipped unit and rule: what they run exists, with the options that they name."""

import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

import pytest

from kexeckit.cli import load

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
UNIT = (CONTRIB / "kexeckit-load@.service").read_text()
RULES = (CONTRIB / "98-kexeckit.rules").read_text()


def test_unit_runs_a_command_that_exists() -> None:
    """With the example of its own head put in."""
    example = dict(re.findall(r'^# +(KEXECKIT_\w+)="(.*)"$', UNIT, re.MULTILINE))
    line = next(text for text in UNIT.splitlines() if text.startswith("ExecStart="))
    words = line.removeprefix("ExecStart=/usr/bin/kexeckit load ").split()
    assert len(words) < len(line.split())
    filled: list[str] = []
    for word in words:
        # Without braces systemd splits at blanks, with braces it is one word.
        filled += example[word[1:]].split() if word.startswith("$KEX") else [example.get(word[2:-1], word)]
    parser = ArgumentParser()
    load.add_arguments(parser)
    args = parser.parse_args(filled)
    assert (args.panic, args.if_changed, args.quiet, args.append) == (True, True, True, example["KEXECKIT_APPEND"])


@pytest.mark.parametrize("action", ["add", "remove", "online", "offline"])
def test_rule_restarts_the_unit_for_each_event(action: str) -> None:
    """One line, for memory, by systemctl without waiting."""
    line = next(text for text in RULES.splitlines() if not text.startswith("#"))
    assert action in line.split('ACTION=="')[1].split('"')[0].split("|")
    program = shlex.split(line.split('RUN+="')[1].rstrip('"'))
    assert program == ["/usr/bin/systemctl", "--no-block", "restart", "kexeckit-load@*.service"]
