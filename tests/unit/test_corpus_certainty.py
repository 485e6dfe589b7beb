"""Logs of real machines judge certainty: their outcome is cut out before they are asked, and held against it."""

import json
from pathlib import Path

import pytest

from bootlogs import GIB, pc_table, x86_log
from kexeckit.lab.dev.corpus_certainty import judge_corpus, main

# Where the region of the log below comes to lie, in MiB.
AT = 0xAE0


def corpus(folder: Path, start: int, outcome: str = "Reserving 256MB of memory at {}MB for crashkernel") -> Path:
    """Write a corpus of one log that tells where its region is."""
    text = x86_log(pc_table(5 * GIB), version="6.1.0", cmdline="root=/dev/vda1 nokaslr crashkernel=256M")
    (folder / "log.txt").write_text(text + f"[    0.000000] {outcome.format(start)} (System RAM: 8191MB)\n")
    records = [{"kind": "dmesg-crash", "file": "log.txt"}, {"kind": "dmesg-zone", "file": "other.txt"}]
    (folder / "index.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


def test_a_log_is_asked_about_its_boot_and_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """This boot is certain here, the next one likely: its initrd is placed anew."""
    found = list(judge_corpus(corpus(tmp_path, AT)))
    addresses = {question: judged for _, question, judged in found if judged.what == "address"}
    assert {q: (j.certainty, j.right) for q, j in addresses.items()} == {
        "this boot": ("certain", True),
        "next boot": ("likely", True),
    }
    assert main([str(tmp_path)]) == 0
    assert "| this boot | address | 1 | 0 | 0 | 0 | 0 | 0 | 100.0% |" in capsys.readouterr().out


def test_what_was_certain_and_wrong_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log that says something else."""
    assert main([str(corpus(tmp_path, AT + 16))]) == 1
    assert "log.txt, this boot: certain address main: 0xae000000; came 0xaf000000" in capsys.readouterr().out


def test_the_outcome_is_not_asked_with(tmp_path: Path) -> None:
    """The line that tells it is no line of the log that is asked."""
    folder = corpus(tmp_path, AT)
    text = (folder / "log.txt").read_text()
    (folder / "log.txt").write_text(text.replace("crashkernel=256M", "quiet"))
    judged = [j for _, question, j in judge_corpus(folder) if question == "this boot"]
    assert [(j.what, j.told, j.seen) for j in judged if j.what == "outcome"] == [("outcome", "nothing", "reserved")]
