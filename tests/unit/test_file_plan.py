"""The running kernel's own loader, in the form of a plan."""

import errno
from dataclasses import replace

import pytest

from fakes import INITRD, build_bzimage, make_facts, make_request
from kexeckit.errors import InputError, PlanError, SystemCallError
from kexeckit.kernel.behaviour.behaviours import ASSUMED as VERSION
from kexeckit.machine.version import NEWEST
from kexeckit.plan.facts import LoaderFacts
from kexeckit.plan.file_plan import plan_file_load
from kexeckit.plan.fingerprint import fingerprint
from kexeckit.plan.load_plan import Syscall
from kexeckit.plan.segment import digest
from kexeckit.render.plan import plan_document, render_plan

FACTS = make_facts()


def test_a_crash_image_as_the_kernel_would_place_it() -> None:
    """Names, addresses in the reservation, the kernel's own word in front of the command line."""
    plan = plan_file_load(make_request(panic=True), FACTS)
    assert [s.name for s in plan.segments] == ["elfcorehdr", "purgatory", "boot_params", "kernel", "initrd"]
    assert all(s.range.start >= 0xA0000000 and s.range.end <= 0xB0000000 for s in plan.segments)
    assert plan.cmdline == "elfcorehdr=0xa0000000 console=ttyS0 quiet"
    assert (plan.syscall, plan.panic) == (Syscall.FILE, True)


def test_only_what_comes_from_files_has_a_digest() -> None:
    """The kernel makes the rest itself."""
    plan = plan_file_load(make_request(panic=True), FACTS)
    digests = {s.name: s.sha256 for s in plan.segments}
    assert digests["initrd"] == digest(INITRD)
    assert digests["kernel"] == digest(build_bzimage()[2560:])
    assert {name for name, found in digests.items() if found is None} == {"elfcorehdr", "purgatory", "boot_params"}


def test_an_unknown_release_is_assumed_and_said() -> None:
    """The newest one that is known; a known one is not listed."""
    plan = plan_file_load(make_request(), replace(FACTS, release=""))
    assert plan.assumed == (VERSION,)
    newest = plan_file_load(make_request(), replace(FACTS, release=NEWEST))
    assert (newest.assumed, newest.segments) == ((), plan.segments)


@pytest.mark.parametrize(
    ("release", "panic", "said"),
    [
        ("6.1", False, []),
        ("6.1", True, ["number of CPUs"]),
        ("6.12", True, ["number of CPUs", "CONFIG_NR_CPUS", "room for hotplug"]),
        ("7.2", False, ["CMA area"]),
        ("7.2", True, ["number of CPUs", "CONFIG_NR_CPUS", "room for hotplug"]),
    ],
)
def test_what_is_not_shown_is_listed_where_it_matters(release: str, panic: bool, said: list[str]) -> None:
    """By kernel and by slot; nothing of it where all is shown."""
    unknown = LoaderFacts(not_shown=("possible_cpus", "nr_cpus", "crash_hotplug", "cma"))
    plan = plan_file_load(make_request(panic=panic), replace(FACTS, release=release, loader=unknown))
    assert len(plan.assumed) == len(said)
    assert all(words in text for words, text in zip(said, plan.assumed, strict=True))
    assert plan_file_load(make_request(panic=panic), replace(FACTS, release=release)).assumed == ()


def test_what_is_not_determined_is_said() -> None:
    """A CMA area decides on 6.17 and later, and no file shows it: the image can be loaded all the same."""
    facts = replace(FACTS, release="7.2.0", loader=LoaderFacts(cma=True))
    plan = plan_file_load(make_request(), facts)
    assert plan.segments == ()
    assert plan.entry is None
    assert any("CMA area" in text for text in plan.warnings)
    assert "entry not determined" in render_plan(plan)
    assert plan_document(plan)["entry"] is None
    assert fingerprint(plan)


def test_a_release_that_is_none_is_the_sources_fault() -> None:
    """Where no option was given, the text comes from a file."""
    with pytest.raises(InputError, match="not a kernel version"):
        plan_file_load(make_request(), replace(FACTS, release="unknown"))


def test_the_kernels_refusal_is_foretold() -> None:
    """With its errno; no region is EADDRNOTAVAIL."""
    with pytest.raises(SystemCallError, match="no crash region"):
        plan_file_load(make_request(panic=True), make_facts("00100000-bffdffff : System RAM\n"))


def test_wrong_files_and_characters_are_refused_before_the_kernel_sees_them() -> None:
    """As for our own plans."""
    with pytest.raises(InputError, match="not a bzImage"):
        plan_file_load(make_request(INITRD), FACTS)
    with pytest.raises(InputError, match="swapped"):
        plan_file_load(make_request(initrd=build_bzimage()), FACTS)
    with pytest.raises(PlanError, match="NUL"):
        plan_file_load(make_request(cmdline="a\0b"), FACTS)


def test_a_map_that_is_too_long_is_cut_with_a_warning() -> None:
    """The in-kernel loader drops what is beyond 128 entries."""
    many = tuple((0x200000000 + n * 0x2000, 0x200000FFF + n * 0x2000, "Reserved") for n in range(200))
    facts = make_facts(memmap=many)
    plan = plan_file_load(make_request(), facts)
    assert any("72 memory map entries beyond 128 are dropped" in w for w in plan.warnings)
    assert len(plan.e820) == 128


def test_a_kernel_larger_than_its_init_size_is_refused_as_the_kernel_refuses() -> None:
    """Bufsz above memsz is EINVAL."""
    with pytest.raises(SystemCallError, match="65536 bytes for 4096 bytes of memory") as caught:
        plan_file_load(make_request(build_bzimage(init_size=4096)), FACTS)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("panic", [False, True])
def test_the_map_that_the_kernel_hands_over(*, panic: bool) -> None:
    """The firmware's to a normal image; to a capture kernel the low 640 KiB and the reservation as RAM.

    What is said of dumps is said for capture kernels only.
    """
    facts = replace(make_facts(), dump_warnings=("no vmcoreinfo",))
    plan = plan_file_load(make_request(panic=panic), facts)
    tops = [r.end for r in plan.e820.ram()]
    assert (max(tops) == 0xB0000000) is panic
    assert (0x140000000 in tops) is not panic
    assert ("no vmcoreinfo" in plan.warnings) is panic
    assert (plan.elfcorehdr is not None) is panic


def test_limits_of_the_kernels_loader_are_half_open_here() -> None:
    """Its highest end is the last byte; the segments' requests have the one after."""
    plan = plan_file_load(make_request(panic=True), make_facts())
    assert {s.request.maximum % 4096 for s in plan.segments} == {0}
    assert all(s.range.end <= s.request.maximum for s in plan.segments)
