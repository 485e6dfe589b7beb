"""Descriptions with anything in them: a machine or an error for users, never another exception."""

import json

from hypothesis import given
from hypothesis import strategies as st

from kexeckit.errors import InputError, KexeckitError
from kexeckit.formats.machine_description import contradictions
from kexeckit.formats.machine_words import parse_machine_words
from kexeckit.machine.document import parse_document, to_document
from kexeckit.machine.sources.described import machine_from_words
from kexeckit.machine.value import Machine
from machines import read_text

KEYS = [
    *(
        "arch",
        "kernel",
        "cmdline",
        "mirrored",
        "zone_dma",
        "page_size",
        "dma_limit",
        "nodes",
        "firmware",
        "held",
        "image",
    ),
    *("initrd", "crash_kernel", "efi", "kaslr", "flags", "levels", "cpus", "distances", "id", "memory", "colour"),
]
SCALARS = st.one_of(
    st.booleans().map(lambda b: str(b).lower()),
    st.integers(-1, 1 << 65).map(str),
    st.sampled_from(["0", "4096", "10", '"1G"', '"2G"', '"4G"', '"8G"', '"ram"', '"reserved"', '"initrd"', '"x86_64"']),
    st.just("1.5"),
    st.just("1979-05-27"),
)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3).map(lambda vs: f"[{', '.join(vs)}]"), max_leaves=8)
LINES = st.lists(
    st.builds("{} = {}".format, st.sampled_from(KEYS), VALUES), max_size=4, unique_by=lambda t: t.split()[0]
)


def checked(machine: Machine) -> None:
    """A machine that was made can be written and read back."""
    assert parse_document(json.dumps(to_document(machine)), "m.json") == machine


@given(LINES, st.booleans())
def test_any_description_is_read_or_refused(lines: list[str], sound: bool) -> None:
    """Values of all kinds under all keys, beside memory that is sound, or not."""
    base = '[[nodes]]\nid = 0\nmemory = [[0, "8G"]]\n'
    text = "\n".join(line for line in lines if not (sound and line.startswith("nodes")))
    try:
        machine = read_text(f"{text}\n{base if sound else ''}", "m.toml")
    except InputError as error:
        assert str(error).startswith("m.toml: ")  # noqa: PT017
        return
    checked(machine)


NAMES = st.sampled_from(
    ["ram", "node", "hole", "mirror", "hotplug", "kernel", "efi", "kaslr", "cpus", "levels", "page"]
)
TEXTS = st.sampled_from(
    ["1G", "64G", "2", "1", "8", "4", "64K", "6.12", "on", "off", "3G-4G", "1G-2G", "0", "", "none"]
)
WORDS = st.one_of(st.builds("{}:{}".format, NAMES, TEXTS), st.text(max_size=6), st.just("crashkernel=1G"))


@given(st.sampled_from(["x86_64", "arm64", "s390x", "x87"]), st.lists(WORDS, max_size=6))
def test_any_words_are_read_or_refused(arch: str, words: list[str]) -> None:
    """Whatever stands in the line."""
    try:
        machine = machine_from_words(" ".join([arch, "ram:8G", *words]), "--machine")
    except KexeckitError:
        return
    checked(machine)


@given(st.integers(1, 1 << 24), st.integers(1, 64), st.sampled_from(["x86_64", "arm64", "loongarch64"]))
def test_no_memory_is_lost_between_nodes(mib: int, count: int, arch: str) -> None:
    """All RAM is on some node, none on two, and nothing is elsewhere; a PC's firmware keeps a little."""
    if mib < count:
        return
    found = parse_machine_words(arch, [f"ram:{mib}M", f"node:{count}"])
    sizes = [n.memory.size for n in found.nodes]
    assert len(sizes) == count
    kept = (1024 - 639) + (128 if mib > 1 else 0) if arch == "x86_64" else 0
    assert found.ram.size == sum(sizes) == (mib << 20) - kept * 1024
    assert not list(contradictions(found))
