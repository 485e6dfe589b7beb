"""What each kernel makes of crashkernel= words, malformed ones with its own message.

About kexeckit.kernel.reservation.request.
"""

import pytest

from kexeckit.kernel.behaviour.reservation import crash_rules
from kexeckit.kernel.reservation.request import Request, evaluate
from kexeckit.machine.version import parse_kernel_version

MIB = 1 << 20
GIB = 1 << 30


def asked(cmdline: str, version: str = "6.12", *, ram: int = 4 * GIB, arch: str = "x86_64") -> Request:
    """Return the request of a command line."""
    return evaluate(cmdline, ram, crash_rules(arch, parse_kernel_version(version)))


@pytest.mark.parametrize("version", ["5.10", "5.15", "6.1", "6.6", "6.12", "7.2"])
def test_the_last_plain_word_counts(version: str) -> None:
    """Repeats: the last one, also where the name is part of another word."""
    assert asked("crashkernel=64M crashkernel=128M", version).size == 128 * MIB
    assert asked("crashkernel=64M notcrashkernel=96M", version).size == 96 * MIB


def test_a_plain_word_beats_high() -> None:
    """Mixed plain and ,high: the plain one decides in any order."""
    found = asked("crashkernel=1G,high crashkernel=128M")
    assert (found.size, found.high) == (128 * MIB, False)


def test_high_after_a_bad_plain_word() -> None:
    """Up to 6.6 a plain word that fails lets ,high have its turn; later it does not."""
    line = "crashkernel=x crashkernel=256M,high"
    assert (asked(line, "6.1").size, asked(line, "6.1").high) == (256 * MIB, True)
    assert asked(line, "6.12").outcome == "refused"


def test_low_word_next_to_a_plain_one() -> None:
    """,low counts for a plain size up to 6.6 and not from 6.7 on."""
    line = "crashkernel=3G crashkernel=64M,low"
    assert asked(line, "6.1").low == 64 * MIB
    assert asked(line, "6.12").low is None


def test_bad_low_word() -> None:
    """A malformed ,low is ignored up to 6.6 and spoils everything from 6.7 on."""
    line = "crashkernel=1G,high crashkernel=x,low"
    assert asked(line, "6.1").outcome == "asked"
    assert asked(line, "6.1").low is None
    assert asked(line, "6.12").outcome == "refused"


def test_cma_word() -> None:
    """Known from 6.17 on; before, it is the last plain word and spoils everything."""
    line = "crashkernel=256M crashkernel=100M,cma"
    assert (asked(line, "7.2").size, asked(line, "7.2").cma) == (256 * MIB, 100 * MIB)
    assert asked(line, "6.12").messages == ("crashkernel: unrecognized char: ,",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "crashkernel: memory value expected"),
        ("auto", "crashkernel: memory value expected"),
        ("64Mfoo", "crashkernel: unrecognized char: f"),
        ("64M,hi", "crashkernel: unrecognized char: ,"),
        (":64M", "crashkernel: Memory value expected"),
        ("1G:64M", "crashkernel: '-' expected"),
        ("1G-x:64M", "crashkernel: Memory value expected"),
        ("2G-1G:64M", "crashkernel: end <= start"),
        ("1G-8G64M:", "crashkernel: ':' expected"),
        ("1G-8G:x", "crashkernel: Memory value expected"),
        ("1G-:4G", "crashkernel: invalid size"),
        ("1G-:64M@", "crahskernel: Memory value expected after '@'"),
        ("64M@16M,high", "crashkernel: unrecognized char: @"),
        ("64M,low,high", "crashkernel: unrecognized char: ,"),
    ],
)
def test_messages_of_6_12(value: str, message: str) -> None:
    """Each malformed form, in the kernel's words."""
    found = asked(f"crashkernel={value}")
    assert found.outcome == "refused"
    assert found.messages == (message,)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("6.1", "Memory value expected after '@'"),
        ("6.12", "crahskernel: Memory value expected after '@'"),
        ("7.2", "crashkernel: Memory value expected after '@'"),
    ],
)
def test_one_message_in_three_wordings(version: str, message: str) -> None:
    """The same fault reads differently by version."""
    assert asked("crashkernel=1G-:64M@", version).messages == (message,)


@pytest.mark.parametrize(("version", "outcome"), [("6.12", "none"), ("7.2", "refused")])
def test_a_unit_without_a_number(version: str, outcome: str) -> None:
    """It is zero to an older kernel, without a word, and no value to a newer one."""
    found = asked("crashkernel=M", version)
    assert found.outcome == outcome
    assert found.messages == (() if outcome == "none" else ("crashkernel: memory value expected",))


def test_a_number_too_large() -> None:
    """An older kernel takes what is left of it modulo 2^64, a newer one the largest, which exceeds all RAM."""
    assert asked("crashkernel=17592186044672M", "6.12").size == 256 * MIB
    assert asked("crashkernel=17592186044672M", "7.2").outcome == "refused"


def test_a_malformed_cma_word_counts_all_the_same() -> None:
    """The kernel complains, and then uses the size that it read before."""
    found = asked("crashkernel=256M crashkernel=100Mx,cma", "7.2")
    assert (found.size, found.cma) == (256 * MIB, 100 * MIB)
    assert found.messages == ("crashkernel: unrecognized char: x",)


@pytest.mark.parametrize(
    ("arch", "version", "cma"), [("x86_64", "6.17", 100), ("arm64", "7.2", 0), ("arm64", "7.3", 100)]
)
def test_who_asks_for_cma(arch: str, version: str, cma: int) -> None:
    """arm64 knows the word from 6.17 on and asks for it from 7.3 on."""
    found = asked("crashkernel=256M crashkernel=100M,cma", version, arch=arch)
    assert (found.size, found.cma) == (256 * MIB, cma * MIB)


def test_a_bad_high_word_leaves_cma_unread() -> None:
    """Nothing behind the first complaint is looked at, where only ,high and ,cma are given."""
    found = asked("crashkernel=1x,high crashkernel=1x,cma", "7.2")
    assert (found.outcome, found.messages) == ("refused", ("crashkernel: unrecognized char: x",))


def test_a_bad_low_word_is_noticed_late() -> None:
    """Up to 6.6 x86 reads ,low only once the main part lies above 4 GiB."""
    found = asked("crashkernel=256M crashkernel=1x,low", "6.1")
    assert (found.messages, found.late) == ((), ("crashkernel: unrecognized char: x",))


def test_half_a_letter_in_a_message() -> None:
    """The kernel says one byte, also of a letter that has two."""
    assert asked("crashkernel=64\u00e9").messages == ("crashkernel: unrecognized char: \udcc3",)


@pytest.mark.parametrize("arch", ["ppc64", "s390x", "riscv64"])
def test_suffixed_words_are_passed_over_everywhere(arch: str) -> None:
    """The parser is common to all, also where nothing asks for ,high."""
    assert asked("crashkernel=64M crashkernel=1G,high", "5.10", arch=arch).size == 64 * MIB


def test_a_size_that_rounds_up_to_nothing() -> None:
    """Whole pages of 2^64 - 1 bytes are 2^64, which is 0."""
    assert asked("crashkernel=0xffffffffffffffff", "5.10", arch="arm64").outcome == "none"


def test_offsets() -> None:
    """An empty offset and 0 mean anywhere; junk behind the offset is ignored."""
    assert asked("crashkernel=64M@").base == 0
    assert asked("crashkernel=64M@0").base == 0
    assert asked("crashkernel=64M@16Mjunk").base == 16 * MIB
    assert asked("crashkernel=1G-8G:64M,8G-:128M@32M").base == 32 * MIB


def test_nothing_behind_the_matching_range_is_read() -> None:
    """Junk behind the first match does not matter; before it, it does."""
    assert asked("crashkernel=1G-8G:64M,junk").size == 64 * MIB
    assert asked("crashkernel=8G-:1T,1G-8G:64M").messages == ("crashkernel: invalid size",)


def test_zero_bytes() -> None:
    """A list without a match, and a match of size 0, reserve nothing and say so."""
    for value in ("8G-:256M", "1G-8G:0"):
        found = asked(f"crashkernel={value}")
        assert (found.outcome, found.messages) == ("none", ("crashkernel size resulted in zero bytes",))
        assert found.size == 0


@pytest.mark.parametrize(("version", "size"), [("5.15", 64 * MIB), ("6.0", 128 * MIB), ("5.14.0-162.el9", 128 * MIB)])
def test_total_is_rounded_to_128_mib(version: str, size: int) -> None:
    """A machine of 4 GiB less some: from 6.0 on, and in vendor kernels, it counts as 4 GiB."""
    assert asked("crashkernel=2G-4G:64M,4G-:128M", version, ram=4 * GIB - 5 * MIB).size == size


@pytest.mark.parametrize(("total", "size"), [(1920 * MIB, 0), (1920 * MIB + 1, 64 * MIB)])
def test_total_is_rounded_to_no_more_than_that(total: int, size: int) -> None:
    """15 and 16 times 128 MiB: what is a byte more counts as 2 GiB."""
    assert evaluate("crashkernel=2G-:64M", total, crash_rules("x86_64", parse_kernel_version("6.12"))).size == size


def test_size_of_all_ram_is_refused_silently() -> None:
    """From 6.12 on; earlier kernels try and fail."""
    assert asked("crashkernel=8T").outcome == "refused"
    assert asked("crashkernel=8T").messages == ()
    assert asked("crashkernel=8T", "6.1").outcome == "asked"


def test_no_word() -> None:
    """Without the option nothing is asked for; a lone ,low is not enough."""
    assert asked("quiet").outcome == "none"
    assert asked("crashkernel=64M,low").outcome == "none"


def test_vendor_auto() -> None:
    """RHEL 7 and 8 have sizes for auto, others refuse it."""
    assert asked("crashkernel=auto", "3.10.0-957.el7.x86_64", ram=12 * GIB).size == 161 * MIB
    assert asked("crashkernel=auto", "4.18.0-147.el8.x86_64", ram=500 * GIB).size == 256 * MIB
    assert asked("crashkernel=auto", "4.18.0-305.el8.x86_64", ram=8 * GIB).size == 192 * MIB
    assert asked("crashkernel=auto", "5.14.0-70.el9.x86_64").outcome == "refused"


def test_arm64_before_5_19_knows_no_high() -> None:
    """,high is passed over there without a word, and the size is rounded to pages."""
    alone = asked("crashkernel=256M,high", "5.10", arch="arm64")
    assert (alone.outcome, alone.messages) == ("refused", ())
    assert asked("crashkernel=64M crashkernel=256M,high", "5.10", arch="arm64").size == 64 * MIB
    assert asked("crashkernel=100000001", "5.10", arch="arm64").size == 100003840
    assert asked("crashkernel=100000001", "6.12", arch="arm64").size == 100000001


def test_other_architectures_give_a_size() -> None:
    """Where only the rule is known, the size still is."""
    for arch in ("riscv64", "ppc64", "s390x", "mips"):
        assert asked("crashkernel=1G-8G:192M", arch=arch).size == 192 * MIB
