"""Typed words: slips are refused with the likely word, odd values are told, and all else passes.

About kexeckit.kernel.reservation.vocabulary, kexeckit.kernel.reservation.answer.
"""

import json
from pathlib import Path

import pytest

from cli_bench import Commands
from fakes import FakeMachine
from kexeckit.errors import UsageError
from kexeckit.formats.word_check import Vocabulary, check_words, distance, unknown_words, value_doubts
from kexeckit.kernel.reservation import vocabulary as crash
from kexeckit.kernel.zones import vocabulary as zones

CRASH = crash.VOCABULARY
ZONES = zones.VOCABULARY


@pytest.mark.parametrize(
    ("word", "vocabulary", "meant"),
    [
        ("crashkernl=1G", CRASH, "did you mean crashkernel=1G?"),
        ("crahskernel=1G,high", CRASH, "did you mean crashkernel=1G,high?"),
        ("Crashkernel=1G", CRASH, "did you mean crashkernel=1G?"),
        ("CRASHKERNEL=1G", CRASH, "did you mean crashkernel=1G?"),
        ("crash_kernel=1G", CRASH, "did you mean crashkernel=1G?"),
        ("crashkernel:1G", CRASH, "did you mean crashkernel=1G?"),
        ("crashkernel1G", CRASH, "did you mean crashkernel=1G?"),
        ("crahskernal=1G", CRASH, "did you mean crashkernel=1G?"),
        ("Mem=4G", CRASH, "did you mean mem=4G?"),
        ("memap=4K$1M", CRASH, "did you mean memmap=4K$1M?"),
        ("1G", CRASH, "did you mean crashkernel=1G?"),
        ("512M,high", CRASH, "did you mean crashkernel=512M,high?"),
        ("auto", CRASH, "did you mean crashkernel=auto?"),
        ("crashkernel", CRASH, "such as crashkernel=512M"),
        ("", CRASH, "leave it out"),
        ("kernlcore=1G", ZONES, "did you mean kernelcore=1G?"),
        ("movable-nod", ZONES, "did you mean movable_node?"),
        ("1G", ZONES, "did you mean kernelcore=1G?"),
        ("30%", ZONES, "did you mean kernelcore=30%?"),
        ("mirror", ZONES, "did you mean kernelcore=mirror?"),
        ("movablecore", ZONES, "such as movablecore=512M"),
    ],
)
def test_slips_are_refused(word: str, vocabulary: Vocabulary, meant: str) -> None:
    """Never answered as if nothing had been asked for."""
    with pytest.raises(UsageError) as caught:
        check_words([word], vocabulary)
    assert meant in caught.value.remedy


@pytest.mark.parametrize(
    "word",
    [
        *("crashkernel=1G", "mem=4G", "memmap=4K$1M", "cma=64M", "movable_node", "movable-node", "nokaslr"),
        *("quiet", "root=/dev/vda", "memtest=1", "numa_balancing=off", "hugepages=4", "nmi_watchdog=0", "sme=on"),
        *("console=ttyS0", "memory_corruption_check=0", "kaslr", "efi=debug", "crash_kexec_post_notifiers"),
        *("memhp_default_state=online", "movable_gc", "kernelcore=mirror", "cgroup_disable=memory", "noapic", "cmd=1"),
    ],
)
def test_other_words_of_a_kernel_pass(word: str) -> None:
    """Words of other subsystems that look a little alike are no slips."""
    check_words([word], CRASH)
    check_words([word], ZONES)


def test_words_without_effect_are_named() -> None:
    """As typed."""
    assert unknown_words(["quiet crashkernel=1G", "movable-node"], CRASH) == ["quiet"]


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("crashkernel=256", "that is 256 B; a unit (K, M, G) is probably missing"),
        ("crashkernel=1048575", "a unit (K, M, G) is probably missing"),
        ("crashkernel=512MB", "refuses it, because 'B' follows 512M; 512M is probably meant"),
        ("crashkernel=512MiB", "because 'iB' follows 512M"),
        ("crashkernel=1.5G", "because '.5G' follows 1; it knows whole numbers only"),
        ("crashkernel=512M,hihg", "512M,high is probably meant"),
        ("crashkernel=512M,High", "512M,high is probably meant"),
        ("crashkernel=auto", "only some vendors' kernels know auto"),
        ("kernelcore=512MB", "reads 512M and passes over 'B'"),
        ("kernelcore=miror", "reads as 0; mirror is probably meant"),
        ("movablecore=many", "reads as 0"),
        ("mem=512", "that is 512 B"),
        ("mem=4GB", "reads 4G and passes over 'B'"),
    ],
)
def test_odd_values_are_told(word: str, says: str) -> None:
    """What the kernel makes of them, and what was probably meant."""
    [found] = value_doubts([word], auto=False)
    assert found.startswith(f"{word}: ")
    assert says in found


@pytest.mark.parametrize(
    "word",
    [
        *(
            "crashkernel=1048576",
            "crashkernel=512K",
            "crashkernel=256M@64M",
            "crashkernel=1G,high",
            "crashkernel=64M,cma",
        ),
        *("crashkernel=1G-2G:64M,2G-:128M", "crashkernel=0", "crashkernel=0x10000000", "crashkernel=", "crashkernel=x"),
        *("kernelcore=30%", "kernelcore=mirror", "movablecore=1g", "mem=4G", "cma=64M@0-4G", "memmap=4K$1M", "quiet"),
    ],
)
def test_good_values_are_silent(word: str) -> None:
    """And what the kernel itself refuses in words of its own is left to the prediction."""
    assert list(value_doubts([word])) == []


def test_auto_where_a_kernel_knows_it() -> None:
    """Then it is a value like another."""
    assert list(value_doubts(["crashkernel=auto"], auto=True)) == []


@pytest.mark.parametrize(
    ("one", "other", "slips"), [("", "", 0), ("ab", "ba", 1), ("abc", "ac", 1), ("ac", "abc", 1), ("abc", "xyz", 3)]
)
def test_distance(one: str, other: str, slips: int) -> None:
    """Letters added, dropped, changed, or swapped with a neighbour."""
    assert distance(one, other) == slips


@pytest.mark.parametrize(("verb", "word"), [("crashkernel", "crashkernl=1G"), ("crashkernel", "1G"), ("zones", "1G")])
def test_both_commands_refuse_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, word: str) -> None:
    """Exit 2 and a remedy, before a memory map is missed."""
    commands = Commands(tmp_path, capsys)
    (tmp_path / "empty").mkdir()
    ended = commands.run(verb, word, "--root", commands.at("empty"), "--arch", "x86_64")
    assert ended.code == 2
    assert ended.message == f"kexeckit: {word!r} is no word of a kernel command line"
    assert ended.hint.startswith("  hint: did you mean ")


def test_the_kernels_answer_stays_beside_the_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """crashkernel=512MB fails, exit 1, as it does on the machine; the warning is on standard error."""
    commands = Commands(tmp_path, capsys, FakeMachine())
    root = ("--root", commands.at("root"), "--kernel-version", "6.1")
    ended = commands.run("crashkernel", "crashkernel=512MB", "quiet", *root)
    assert ended.code == 1
    assert ended.out.startswith("predicted for the next boot: failed, certain\n")
    assert ended.err.splitlines() == [
        "kexeckit: warning: crashkernel=512MB: the kernel refuses it, because 'B' follows 512M; 512M is probably meant",
        "kexeckit: warning: quiet: no effect on a reservation is known",
    ]
    ended = commands.run("zones", "kernelcore=512MB", *root)
    assert (ended.code, "passes over 'B'" in ended.err) == (0, True)


@pytest.mark.parametrize(("verb", "odd"), [("crashkernel", "crashkernel=512MB"), ("zones", "kernelcore=512MB")])
def test_the_document_has_the_warnings_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, odd: str
) -> None:
    """The same sentences in both places; a list without any where no word is odd."""
    commands = Commands(tmp_path, capsys, FakeMachine())
    root = ("--root", commands.at("root"), "--kernel-version", "6.1", "--json")
    ended = commands.run(verb, odd, *root)
    said = json.loads(ended.out)["doubtful_words"]
    assert [text.partition(":")[0] for text in said] == [odd]
    assert ended.err.splitlines() == [f"kexeckit: warning: {text}" for text in said]
    ended = commands.run(verb, odd.removesuffix("B"), *root)
    assert (json.loads(ended.out)["doubtful_words"], ended.err) == ([], "")
