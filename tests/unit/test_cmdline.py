"""The kernel's command line: words as next_arg() sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kexeckit.errors import UsageError
from kexeckit.formats.cmdline import has_word, kernel_words, split_words, values, with_words, without

SPACE = b" \t\n\v\f\r\xa0"


def next_arg(args: bytes) -> tuple[bytes, bytes | None, bytes]:
    """Name, value and rest, by the rules of lib/cmdline.c written down anew: an oracle on a buffer with an index."""
    quoted = in_quote = args[:1] == b'"'
    args = args[quoted:]
    equals = at = 0
    while at < len(args) and (in_quote or args[at : at + 1] not in _spaces()):
        if equals == 0 and args[at : at + 1] == b"=":
            equals = at
        in_quote ^= args[at : at + 1] == b'"'
        at += 1
    word, rest = bytearray(args[:at]), args[at + 1 :]
    end = len(word)
    start = equals + 1 if equals else 0
    if equals and word[start : start + 1] == b'"':
        start += 1
        if word[end - 1 : end] == b'"':
            end -= 1
            quoted = False
    if quoted and end > 0 and word[end - 1 : end] == b'"':
        end -= 1
    while rest and rest[:1] in _spaces():
        rest = rest[1:]
    if not equals:
        return bytes(word[:end]), None, rest
    return bytes(word[:equals]), bytes(word[start : max(start, end)]), rest


def _spaces() -> set[bytes]:
    return {bytes([c]) for c in SPACE}


def as_the_kernel(line: bytes) -> list[tuple[bytes, bytes | None]]:
    """All words of a line."""
    rest = line.lstrip(SPACE)
    out = []
    while rest:
        name, value, rest = next_arg(rest)
        out.append((name, value))
    return out


def as_we(line: bytes) -> list[tuple[bytes, bytes | None]]:
    """The same from split_words."""
    text = line.decode("utf-8", "surrogateescape")

    def back(part: str) -> bytes:
        return part.encode("utf-8", "surrogateescape")

    return [(back(w.name), None if w.value is None else back(w.value)) for w in split_words(text)]


LINES = st.one_of(
    st.lists(st.sampled_from([b'"', b"=", b" ", b"\t", b"a", b"-", b"\xc3\xa0", b"\xa0"]), max_size=16).map(b"".join),
    st.binary(max_size=40).map(lambda b: b.replace(b"\0", b"")),
)


@given(LINES)
def test_words_are_those_of_next_arg(line: bytes) -> None:
    """Any bytes: the same names and values as the kernel's own splitter."""
    assert as_we(line) == as_the_kernel(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=b c", [("a", "b"), ("c", None)]),
        ('a="b c" d', [("a", "b c"), ("d", None)]),
        ('"a=b c" d', [("a", "b c"), ("d", None)]),
        ('"a b"', [("a b", None)]),
        ("a='b c'", [("a", "'b"), ("c'", None)]),
        ("a\\ b", [("a\\", None), ("b", None)]),
        ("  a \t\n b\v\f\rc ", [("a", None), ("b", None), ("c", None)]),
        ("a=", [("a", "")]),
        ("=a", [("=a", None)]),
        ("a=b=c", [("a", "b=c")]),
        ('a="b', [("a", "b")]),
        ('dyndbg="file a +p; file b +p" x', [("dyndbg", "file a +p; file b +p"), ("x", None)]),
        ("", []),
    ],
)
def test_words_by_example(line: str, expected: list[tuple[str, str | None]]) -> None:
    """Quotes switch separation; single quotes and backslashes are ordinary."""
    assert [(w.name, w.value) for w in split_words(line)] == expected


def test_a_letter_whose_second_byte_is_0xa0_ends_a_word() -> None:
    """The kernel's isspace() takes 0xa0 for white space, in the middle of a letter too."""
    assert [w.text for w in split_words("a=\u00e0b")] == ["a=\udcc3", "b"]


STRIP = [
    ("crashkernel=256M", ""),
    ("a crashkernel=256M b", "a b"),
    ("a\tcrashkernel=256M\tb", "a\tb"),
    ("a\ncrashkernel=256M\n", "a"),
    ('a "crashkernel=256M" b', "a b"),
    ('a "crashkernel=256M,high foo" b', "a b"),
    ('a crashkernel="256M" b', "a b"),
    ("crashkernel=1G,high crashkernel=64M,low quiet", "quiet"),
    ("crashkernel quiet", "quiet"),
    ("foo.crashkernel=1 crashkernel=256M", "foo.crashkernel=1"),
    ("crashkernel_foo=1 crashkernel=256M x", "crashkernel_foo=1 x"),
    ("xcrashkernel=1", "xcrashkernel=1"),
    ('foo="a crashkernel=1 b" bar', 'foo="a crashkernel=1 b" bar'),
    ("a  b   crashkernel=1  c", "a  b   c"),
    ("init=/x -- crashkernel=1 y", "init=/x -- y"),
    ("crashkernel=1\u00a0b", "b"),
]


@pytest.mark.parametrize(("line", "rest"), STRIP)
def test_crashkernel_is_taken_out_whatever_the_quoting_and_white_space(line: str, rest: str) -> None:
    """Whole names only; neighbours, quotes and white space of the rest stay as they are."""
    assert without(line, ("crashkernel",)) == rest


@given(LINES)
def test_taking_words_out_leaves_exactly_the_others(line: bytes) -> None:
    """The kernel sees the same words without those of the name, in the same order."""
    text = line.decode("utf-8", "surrogateescape")
    rest = without(text, ("a",)).encode("utf-8", "surrogateescape")
    assert as_the_kernel(rest) == [w for w in as_the_kernel(line) if w[0] != b"a"]


def test_dashes_and_underscores_are_one_letter_in_names() -> None:
    """parameq() says so; values keep theirs."""
    assert without("acpi-rsdp=0x1 acpi_rsdp=0x2 a", ("acpi_rsdp",)) == "a"
    assert values("log-buf-len=1-2", "log_buf_len") == ["1-2"]


def test_what_stands_behind_two_dashes_is_not_the_kernels() -> None:
    """console= there is an argument of init."""
    line = "console=ttyS0 -- console=ttyS1 mem=1G"
    assert values(line, "console") == ["ttyS0"]
    assert not has_word(line, "mem")
    assert [w.text for w in kernel_words(line)] == ["console=ttyS0"]
    assert has_word("--=x mem=1", "mem")


def test_values_and_has_word() -> None:
    """In order; a word without a value has none."""
    assert values("a=1 a b=2 a=3", "a") == ["1", "3"]
    assert has_word("a b", "b")
    assert not has_word('"c d"', "d")


@pytest.mark.parametrize(
    ("cmdline", "words", "expected"),
    [
        ("ro kernelcore=1G quiet", ["kernelcore=2G"], "ro quiet kernelcore=2G"),
        ("ro", [], "ro"),
        ("", ["movable_node"], "movable_node"),
        (" ", ["a"], "a"),
        ("a=1 b=2", ["a=1"], "b=2 a=1"),
        ("a=1 a=2", ["a=3 a=4", "b"], "a=3 a=4 b"),
        ("movable-node x", ["movable_node"], "x movable_node"),
        ("ro -- single crashkernel=1M", ["crashkernel=1G", "mem=4G"], "ro crashkernel=1G mem=4G -- single"),
        ("-- single", ["mem=4G"], "mem=4G -- single"),
        ("a  b\tc", ["d"], "a  b\tc d"),
        ('x="y z" --', ["d"], 'x="y z" d --'),
        ("\u00e0 --", ["d"], "\u00e0 d --"),
    ],
)
def test_typed_words_replace_those_of_their_name(cmdline: str, words: list[str], expected: str) -> None:
    """They stand behind the others, in front of what is for init; the rest stays as it is written."""
    assert with_words(cmdline, words) == expected


@pytest.mark.parametrize("word", ["1G", "512M,high", "7"])
def test_a_bare_value_is_no_word(word: str) -> None:
    """Usage, with an example."""
    with pytest.raises(UsageError, match="no word of a kernel command line") as caught:
        with_words("ro", ["mem=1G", word])
    assert "such" in caught.value.remedy or "like" in caught.value.remedy


@given(st.text('ab-= "\t', max_size=12), st.lists(st.sampled_from(["a=1", "b", "mem=4G"]), max_size=3))
def test_typed_words_are_the_kernels(cmdline: str, words: list[str]) -> None:
    """Whatever stood there, the kernel reads each typed word as typed, unless a quote was left open."""
    found = [w.text for w in kernel_words(with_words(cmdline, words))]
    if cmdline.count('"') % 2 == 0:
        assert [w for w in found if w in words][-len(words) :] == words or not words
