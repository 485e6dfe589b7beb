"""Memory hotplug against a loaded image, and when a reload would change nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from fakes import INITRD, FakeMachine, build_bzimage
from kexeckit.errors import PlanError, SystemCallError, UsageError
from kexeckit.kernel.behaviour.loading import behaviour_of
from kexeckit.kernel.load.crash_ranges import elfcorehdr_size
from kexeckit.kernel.load.kimage_check import ImageLimits
from kexeckit.kernel.page_tables.from_machine import image_limits, mapping_question
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.plan.cost import MappingRules, check_plan, cost_of_plan, mapping_rules, refusal_of
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.file_plan import plan_file_load
from kexeckit.plan.fingerprint import fingerprint, is_same_image
from kexeckit.plan.from_machine import plan_facts
from kexeckit.plan.hotplug import HotplugEvent, Verdict, effect_of, parse_event
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, NamedContent, Syscall
from kexeckit.plan.x86_64 import plan_x86_64
from kexeckit.purgatory import load_purgatory
from kexeckit.render.hotplug import hotplug_document, render_hotplug
from kexeckit.render.plan_cost import cost_document, render_cost
from kexeckit.system.machine import read_machine
from kexeckit.system.state import header_is_updated
from kexeckit.system.sysroot import Sysroot, open_sysroot

DIMM = HotplugEvent("add", MemRange(0x140000000, 0x148000000))
GONE = HotplugEvent("remove", MemRange(0x138000000, 0x140000000))
NEW, OLD = (behaviour_of(parse_kernel_version(v)) for v in ("6.12.107", "6.1"))
HOTPLUG_FILES = {
    "/sys/kernel/crash_elfcorehdr_size": b"917616\n",
    "/sys/devices/system/memory/crash_hotplug": b"1\n",
    "/proc/meminfo": b"MemTotal:        4000000 kB\nDirectMap4k:  1 kB\nDirectMap1G:  4 kB\n",
    "/proc/cpuinfo": b"processor : 0\nflags : fpu pdpe1gb\n",
    "/proc/sys/kernel/osrelease": b"6.12.107+deb13-cloud-amd64\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Sysroot:
    """A machine whose kernel has crash hotplug."""
    return open_sysroot(str(FakeMachine(files=HOTPLUG_FILES).write(tmp_path)))


@pytest.fixture
def facts(root: Sysroot) -> MachineFacts:
    """The same, collected."""
    return plan_facts(read_machine(root, handover=True))


def request(*, panic: bool, seed: bytes = b"", append: str = "a") -> LoadRequest:
    """A small kernel and initrd."""
    kernel, initrd = NamedContent("vmlinuz", build_bzimage()), NamedContent("initrd", INITRD)
    return LoadRequest(kernel, initrd, append, panic=panic, rng_seed=seed)


def planned(facts: MachineFacts, syscall: Syscall, *, panic: bool) -> LoadPlan:
    """A plan by either call."""
    wanted = request(panic=panic)
    if syscall is Syscall.FILE:
        return plan_file_load(wanted, facts)
    return plan_x86_64(wanted, facts, load_purgatory("x86_64"))


@pytest.mark.parametrize("text", ["add", "plug 0-1G", "add 1G", "add 2G-1G", ""])
def test_other_events_are_refused(text: str) -> None:
    """The message says what is expected."""
    with pytest.raises(UsageError, match=r"expected|above the start"):
        parse_event(text)


def test_events_are_read() -> None:
    """Half-open, sizes as usual."""
    assert parse_event("add 0x140000000-0x148000000") == DIMM
    assert parse_event(" remove 1G-2G ") == HotplugEvent("remove", MemRange(1 << 30, 2 << 30))
    with pytest.raises(ValueError, match="added or removed"):
        HotplugEvent("plug", MemRange(0, 1))


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (HotplugEvent("add", MemRange(0x13F000000, 0x148000000)), "RAM already"),
        (HotplugEvent("remove", MemRange(0x138000000, 0x150000000)), "not all of it is RAM"),
        (HotplugEvent("remove", MemRange(0xA8000000, 0xB0000000)), "does not give up reserved memory"),
    ],
)
def test_events_that_cannot_happen(facts: MachineFacts, event: HotplugEvent, why: str) -> None:
    """RAM that is there, is not there, or is reserved."""
    plan = planned(facts, Syscall.FILE, panic=True)
    with pytest.raises(PlanError, match=why):
        effect_of(event, plan, facts, NEW)


@pytest.mark.parametrize("event", [DIMM, GONE])
def test_new_kernels_update_the_header_of_their_own_images(facts: MachineFacts, event: HotplugEvent) -> None:
    """kexec_file_load, 6.6 and later."""
    effect = effect_of(event, planned(facts, Syscall.FILE, panic=True), facts, NEW)
    assert (effect.verdict, effect.by) == (Verdict.UPDATE, "kernel")


def test_capture_kernel_is_reloaded_where_the_kernel_does_nothing(facts: MachineFacts) -> None:
    """Old kernels, kernels without the option, images of kexec_load, headers that are full: each with its reason."""
    own, ours = planned(facts, Syscall.FILE, panic=True), planned(facts, Syscall.LOAD, panic=True)
    bare = replace(facts, loader=replace(facts.loader, crash_hotplug=False))
    many = replace(facts, loader=replace(facts.loader, possible_cpus=30000))
    cases = {
        "since 6.6": effect_of(DIMM, own, facts, OLD),
        "CONFIG_CRASH_HOTPLUG": effect_of(DIMM, own, bare, NEW),
        "loaded by kexec_file_load": effect_of(GONE, ours, facts, NEW),
        "the headers would need": effect_of(DIMM, own, many, NEW),
    }
    for why, effect in cases.items():
        assert (effect.verdict, effect.by) == (Verdict.RELOAD, "reload")
        assert why in effect.reasons[-1]


@pytest.mark.parametrize(
    ("event", "more"), [(DIMM, 1), (GONE, 0), (HotplugEvent("remove", MemRange(0x110000000, 0x118000000)), 1)]
)
def test_how_many_headers_are_needed_after_an_event(facts: MachineFacts, event: HotplugEvent, more: int) -> None:
    """One more for new memory, and for memory that falls in two; the kernel has room for these and not for one more."""
    own = planned(facts, Syscall.FILE, panic=True)
    assert own.elfcorehdr
    ranges = sum(not load.executable for load in own.elfcorehdr.loads) + more
    [header] = [s for s in own.segments if s.name == "elfcorehdr"]
    most = next(n for n in range(30000) if elfcorehdr_size(n + 1, ranges) > header.memsz)
    verdicts = []
    for cpus in (most, most + 1):
        many = replace(facts, loader=replace(facts.loader, possible_cpus=cpus))
        verdicts.append(effect_of(event, own, many, NEW).verdict)
    assert verdicts == [Verdict.UPDATE, Verdict.RELOAD]


def test_next_kernel_stays_valid_when_memory_is_added(facts: MachineFacts) -> None:
    """Its places are still RAM; who tells the next kernel depends on the call."""
    for syscall, told in ((Syscall.LOAD, "after a reload"), (Syscall.FILE, "never hands over")):
        effect = effect_of(DIMM, planned(facts, syscall, panic=False), facts, NEW)
        assert (effect.verdict, effect.by) == (Verdict.VALID, "nobody")
        assert told in effect.reasons[-1]


def test_next_kernel_loses_its_place_when_memory_goes(facts: MachineFacts) -> None:
    """A top-down image lies in the highest RAM, which is what is unplugged; and the map still has it."""
    effect = effect_of(GONE, planned(facts, Syscall.FILE, panic=False), facts, NEW)
    assert effect.verdict is Verdict.RELOAD
    assert "would be gone" in effect.reasons[0]
    assert "calls the memory RAM" in effect.reasons[1]


def test_memory_that_the_image_does_not_use_may_go(facts: MachineFacts) -> None:
    """Neither a segment nor the map."""
    plan = planned(facts, Syscall.FILE, panic=False)
    plan = replace(plan, segments=plan.segments[:0], e820=plan.e820.without(facts.resources.ram()))
    assert effect_of(GONE, plan, facts, NEW).verdict is Verdict.VALID


def test_effects_are_shown(facts: MachineFacts) -> None:
    """As text and as JSON."""
    effect = effect_of(DIMM, planned(facts, Syscall.FILE, panic=True), facts, NEW)
    assert "elfcorehdr to be updated (the kernel does it)" in render_hotplug([effect])
    document = hotplug_document([effect])[0]
    assert (document["action"], document["start"], document["verdict"]) == ("add", 0x140000000, "update")


def test_fingerprint_ignores_the_seed_and_sees_the_rest(facts: MachineFacts) -> None:
    """The seed is new each time; a command line, a file or a range of RAM is not."""
    purgatory = load_purgatory("x86_64")
    one = fingerprint(plan_x86_64(request(panic=True, seed=b"1" * 32), facts, purgatory))
    same = fingerprint(plan_x86_64(request(panic=True, seed=b"2" * 32), facts, purgatory))
    other = fingerprint(plan_x86_64(request(panic=True, seed=b"1" * 32, append="b"), facts, purgatory))
    assert is_same_image(one, same, kernel_updates_header=False)
    assert not is_same_image(one, other, kernel_updates_header=True)
    assert not is_same_image("", one, kernel_updates_header=True)


def test_header_counts_only_where_the_kernel_does_not_update_it(facts: MachineFacts) -> None:
    """Everything else being equal."""
    plan = planned(facts, Syscall.FILE, panic=True)
    assert plan.elfcorehdr is not None
    grown = replace(plan, elfcorehdr=replace(plan.elfcorehdr, loads=plan.elfcorehdr.loads[:-1]))
    assert is_same_image(fingerprint(plan), fingerprint(grown), kernel_updates_header=True)
    assert not is_same_image(fingerprint(plan), fingerprint(grown), kernel_updates_header=False)
    normal = planned(facts, Syscall.FILE, panic=False)
    assert fingerprint(normal).split(":")[1] == fingerprint(replace(normal, cmdline="b")).split(":")[1]


def test_kernel_says_whether_it_updates_the_header(root: Sysroot, tmp_path: Path) -> None:
    """One file of sysfs; absent means no."""
    assert header_is_updated(root)
    (tmp_path / "sys/devices/system/memory/crash_hotplug").unlink()
    assert not header_is_updated(root)


def rules_of(root: Sysroot) -> MappingRules:
    """How the fake machine maps."""
    return mapping_rules(mapping_question(read_machine(root, handover=True)))


def test_cost_of_a_crash_image_comes_out_of_the_reservation(root: Sysroot, facts: MachineFacts) -> None:
    """Tables, code and vmcoreinfo; designs side by side."""
    cost = cost_of_plan(planned(facts, Syscall.FILE, panic=True), rules_of(root))
    assert cost.control is not None
    assert cost.control.code == 0xA00E1000
    assert cost.image.total_pages == cost.tables.pages.total + 2
    assert [d.name for d in cost.designs] == ["all-2m", "all-1g", "crash-only", "this-kernel"]
    text = render_cost(cost)
    assert "out of the crash reservation" in text
    assert "designs side by side" in text
    document = cost_document(cost)
    assert document["control_pages"]["tables"][0] == 0xA00E2000
    assert document["copy"]["bytes_copied"] == 0


def test_cost_of_a_normal_image_is_free_memory_and_copying(root: Sysroot, facts: MachineFacts) -> None:
    """Three times the size is moved by a 6.12 kernel."""
    plan = planned(facts, Syscall.FILE, panic=False)
    cost = cost_of_plan(plan, rules_of(root))
    size = sum(s.memsz for s in plan.segments)
    assert (cost.image.bytes_placed, cost.image.bytes_copied) == (size, 3 * size)
    assert cost.control is None
    assert "each page 3 times" in render_cost(cost)
    assert cost_document(cost)["control_pages"] is None


def test_limits_are_read_and_held(root: Sysroot, facts: MachineFacts) -> None:
    """A good plan passes; on a machine with too little memory it is refused as the kernel would."""
    machine = read_machine(root, handover=True)
    limits = image_limits(machine, mapping_question(machine))
    assert limits.total_pages == 1_000_000
    for syscall in (Syscall.LOAD, Syscall.FILE):
        plan = planned(facts, syscall, panic=True)
        assert refusal_of(plan, limits) is None
        check_plan(plan, limits)
        with pytest.raises(SystemCallError, match=r"EINVAL: .* half of RAM is 50") as caught:
            check_plan(plan, replace(limits, total_pages=100))
        assert caught.value.remedy
    with pytest.raises(SystemCallError, match="EADDRNOTAVAIL"):
        check_plan(planned(facts, Syscall.LOAD, panic=True), ImageLimits())


@pytest.mark.parametrize(("action", "told"), [("add", "a dump would lack it"), ("remove", "reading a dump would fail")])
def test_what_a_stale_header_means(facts: MachineFacts, action: str, told: str) -> None:
    """Memory that is new is missing in a dump, memory that is gone is still listed."""
    event = DIMM if action == "add" else HotplugEvent("remove", MemRange(0x100000000, 0x140000000))
    effect = effect_of(event, planned(facts, Syscall.FILE, panic=True), facts, NEW)
    assert told in effect.reasons[0]


@pytest.mark.parametrize("name", ["kernel", "initrd", "boot_params"])
def test_the_fingerprint_sees_every_stable_segment(facts: MachineFacts, name: str) -> None:
    """Another digest of kernel, initrd or boot_params is another image; the purgatory's holds the others'."""
    plan = planned(facts, Syscall.LOAD, panic=True)
    other = tuple(replace(s, sha256="0" * 64) if s.name == name else s for s in plan.segments)
    assert fingerprint(replace(plan, segments=other)) != fingerprint(plan)
    seeded = tuple(replace(s, sha256="0" * 64) if s.name == "purgatory" else s for s in plan.segments)
    assert fingerprint(replace(plan, segments=seeded)) == fingerprint(plan)


def test_a_refusal_names_the_call_and_what_helps(facts: MachineFacts) -> None:
    """A smaller initrd only where it is too much for memory."""
    for syscall, call in ((Syscall.LOAD, "kexec_load"), (Syscall.FILE, "kexec_file_load")):
        with pytest.raises(SystemCallError) as caught:
            check_plan(planned(facts, syscall, panic=True), ImageLimits(next(iter(facts.crash_memory())), 100))
        assert (caught.value.syscall, caught.value.remedy) == (call, "use a smaller initrd")
    crash = MemRange(0x20000000, 0x30000000)
    with pytest.raises(SystemCallError) as caught:
        check_plan(planned(facts, Syscall.FILE, panic=True), ImageLimits(crash))
    assert caught.value.remedy == ""


def test_only_the_segments_that_lose_their_place_are_named(facts: MachineFacts) -> None:
    """Those in the memory that goes."""
    plan = planned(facts, Syscall.LOAD, panic=False)
    last = max(plan.segments, key=lambda s: s.range.start)
    gone = MemRange(last.range.start, last.range.end)
    effect = effect_of(HotplugEvent("remove", gone), plan, facts, NEW)
    assert effect.reasons[0] == f"the place of {last.name} would be gone"
