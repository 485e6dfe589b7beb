"""The library behind `import kexeckit`: its names, and that it answers as the commands do."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import kexeckit
from cli_bench import Commands
from documents import checked
from fakes import INITRD, build_bzimage
from kexeckit import (
    InputError,
    Machine,
    NotDeterminedError,
    PlanError,
    Range,
    Region,
    UnavailableError,
    UsageError,
    behaviours_of,
    crash_regions,
    open_machine,
    page_tables,
    plan,
    predict_reservation,
    predict_zones,
    verify,
)
from kexeckit.cli.main import main
from kexeckit.errors import SystemCallError
from kexeckit.kernel.behaviour.behaviours import ASSUMED
from kexeckit.kernel.reservation.doubt import Candidate
from kexeckit.plan.make import plan_image
from machines import GOLDEN, IOMEM, captures
from source_tree import SRC

NAMES = [path.name for path in captures()]
WORDS = "x86_64 node:2 ram:64G crashkernel=512M kernel:6.12"
TIB = 1 << 40


def capture(name: str) -> str:
    """The folder of a golden capture."""
    return str(GOLDEN / "captures" / name)


@pytest.fixture
def image(tmp_path: Path) -> str:
    """A kernel's file."""
    (tmp_path / "vmlinuz").write_bytes(build_bzimage())
    (tmp_path / "initrd.img").write_bytes(INITRD)
    return str(tmp_path / "vmlinuz")


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The document that a command prints, checked against its schema."""
    main([*words, "--json"])
    return checked(capsys.readouterr().out)


def in_new_python(program: str) -> str:
    """What a program prints in a process of its own."""
    run = [sys.executable, "-S", "-c", program]
    return subprocess.run(run, capture_output=True, text=True, check=True, cwd=SRC).stdout.strip()


def test_all_names_are_there_and_listed() -> None:
    """`dir` has them, each can be loaded, and they are few."""
    assert 10 <= len(kexeckit.__all__) <= 25
    assert len(set(kexeckit.__all__)) == len(kexeckit.__all__)
    assert dir(kexeckit) == sorted(kexeckit.__all__)
    assert all(getattr(kexeckit, name) is not None for name in kexeckit.__all__)


def test_type_checkers_see_the_same_names() -> None:
    """The table of homes, `__all__` and the imports for checkers say the same."""
    text = (SRC / "kexeckit" / "__init__.py").read_text("utf-8")
    seen = {tuple(line.split()[1::2]) for line in text.splitlines() if line.startswith("    from kexeckit.")}
    # from MODULE import NAME as PUBLIC: words 1, 3 and 5.
    homes = {(f"kexeckit.{module}", name, public) for public, (module, name) in kexeckit._HOMES.items()}
    assert seen == homes
    assert {public for _, _, public in seen} | {"__version__"} == set(kexeckit.__all__)


def test_the_import_loads_no_module_of_the_package() -> None:
    """Neither does `dir`; a name loads what it needs."""
    said = "print(*sorted(m for m in sys.modules if m.startswith('kexeckit.')))"
    assert in_new_python(f"import sys, kexeckit; dir(kexeckit); kexeckit.__version__; {said}") == ""
    assert "kexeckit.errors" in in_new_python(f"import sys, kexeckit; kexeckit.InputError; {said}")
    loaded = in_new_python(f"import sys, kexeckit; kexeckit.predict_zones; {said}").split()
    assert "kexeckit.api.zones" in loaded
    assert "kexeckit.plan" not in loaded


def test_a_name_that_is_not_there() -> None:
    """An AttributeError, so that `hasattr` works."""
    name = "open_machines"
    assert not hasattr(kexeckit, name)
    with pytest.raises(AttributeError, match="'kexeckit' has no attribute 'open_machines'"):
        getattr(kexeckit, name)


@pytest.mark.parametrize("before", ["", "import kexeckit.plan", "import kexeckit.plan.make", "kexeckit.plan"])
def test_plan_is_the_function(before: str) -> None:
    """Whatever was imported before; and the package of the same name is importable after."""
    program = f"import kexeckit\n{before}\nfrom kexeckit import plan\nprint(plan.__module__, kexeckit.plan is plan)"
    program += "\nfrom kexeckit.plan.make import plan_image\nprint(kexeckit.plan is plan)"
    assert in_new_python(program).split() == ["kexeckit.api.plan", "True", "True"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("words", [(), ("crashkernel=300M",)])
def test_a_reservation_is_that_of_the_command(
    name: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The document is what `crashkernel --json` prints; attributes say the same."""
    found = predict_reservation(open_machine(capture(name)), *words)
    document = printed(capsys, "crashkernel", *words, "--root", capture(name))
    assert json.loads(found.to_json()) == document
    assert (found.outcome, found.agreement) == (document["outcome"], document["agreement"])
    assert (found.about, found.certainty) == (document["about"], document["certainty"])
    assert [
        {
            "start": r.start,
            "size": r.size,
            "kind": r.kind,
            "name": r.name,
            "certainty": {"size": r.size_certainty.value, "address": r.address_certainty.value},
            "share": r.share,
        }
        for r in found.regions
    ] == document["regions"]
    assert [(r.about, r.text) for r in found.reasons] == [(r["about"], r["text"]) for r in document["reasons"]]
    assert list(found.explanations) == document["explanations"]
    assert list(found.assumed) == document["assumed"]
    assert found.determined is True
    assert found.observed is not None
    assert found.observed.outcome == document["observed"]["outcome"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("words", [(), ("kernelcore=40%",)])
def test_zones_are_those_of_the_command(name: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """The document is what `zones --json` prints; attributes say the same."""
    found = predict_zones(open_machine(capture(name)), *words)
    document = printed(capsys, "zones", *words, "--root", capture(name))
    assert json.loads(found.to_json()) == document
    assert [(n.nid, n.movable_start) for n in found.nodes] == [
        (n["nid"], n["movable_start"]) for n in document["nodes"]
    ]
    assert [z.start_pfn * found.page_size for z in found.ranges] == [r["start"] for r in document["ranges"]]
    assert [(r.about, r.text) for r in found.reasons] == [(r["about"], r["text"]) for r in document["reasons"]]
    assert (list(found.warnings), list(found.assumed)) == (document["warnings"], document["assumed"])
    assert (found.agreement, list(found.explanations)) == (document["agreement"], document["explanations"])
    assert (found.outcome, found.determined) == ("determined", True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("panic", [False, True])
@pytest.mark.parametrize("syscall", ["load", "file"])
def test_a_plan_is_that_of_the_command(
    name: str,
    panic: bool,
    syscall: str,
    image: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a next kernel and a capture kernel, by either system call; also for a machine without a reservation."""
    monkeypatch.setattr(os, "urandom", bytes)
    initrd = image.replace("vmlinuz", "initrd.img")
    words = [image, "--initrd", initrd, "--append", "quiet", "--syscall", syscall, *(["--panic"] if panic else [])]
    document = printed(capsys, "plan", *words, "--root", capture(name))
    machine = open_machine(capture(name))
    if "error" in document:
        with pytest.raises((PlanError, SystemCallError)) as caught:
            plan(machine, image, initrd=initrd, cmdline="quiet", panic=panic, syscall=syscall)
        assert str(caught.value) == document["error"]["message"]
        return
    made = plan(machine, Path(image), initrd=initrd, cmdline="quiet", panic=panic, syscall=syscall)
    assert json.loads(made.to_json()) == document
    assert (made.panic, made.syscall, made.entry) == (panic, syscall, document["entry"])
    assert made.cmdline == document["cmdline"]
    assert [s.name for s in made.segments] == [s["name"] for s in document["segments"]]
    assert [e.start for e in made.e820] == [e["start"] for e in document["e820"]]
    assert (list(made.warnings), list(made.assumed)) == (document["warnings"], document["assumed"])
    kernel = made.segment("kernel")
    assert kernel is not None
    assert kernel in made.segments
    assert verify(made) == ()


def test_a_plan_is_always_verified(image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from `plan_image`, whose verifier has its own tests; a plan for another machine is found out."""
    seen = []

    def spy(*args: Any) -> Any:
        seen.append(args)
        return plan_image(*args)

    monkeypatch.setattr(sys.modules["kexeckit.plan.make"], "plan_image", spy)
    made = plan(open_machine(capture("bios-1g-6.1")), image, panic=True)
    assert len(seen) == 1
    found = verify(made, open_machine(capture("efi-1g-6.12")))
    assert "memory" in {f.invariant for f in found}
    assert verify(made, open_machine(capture("bios-1g-6.1"))) == ()


def test_a_plan_that_cannot_be(image: str) -> None:
    """The errors have types: no reservation, no file, no such system call, an architecture that is not planned."""
    machine = open_machine(capture("no-reservation-5.10"))
    with pytest.raises(PlanError, match="no memory is reserved"):
        plan(machine, image, panic=True)
    with pytest.raises(UnavailableError, match="nowhere: no such file"):
        plan(machine, "nowhere")
    with pytest.raises(UsageError, match=r"syscall 'kexec'.*load, file"):
        plan(machine, image, syscall="kexec")
    with pytest.raises(PlanError, match="arm64"):
        plan(open_machine("arm64 ram:4G kernel:6.12"), "nowhere")


@pytest.mark.parametrize("name", NAMES)
def test_page_tables_are_those_of_the_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a machine, with and without what is said about it."""
    machine = open_machine(capture(name))
    found = page_tables(machine)
    document = printed(capsys, "page-tables", "--root", capture(name))
    assert json.loads(found.to_json()) == document
    assert (found.bytes, found.levels, found.leaf) == (document["bytes"], document["levels"], "kernel")
    assert [r.text for r in found.reasons] == [r["text"] for r in document["reasons"]]
    assert list(found.assumed) == document["assumed"]
    words = ("--levels", "4", "--leaf", "2M", "--no-gbpages")
    changed = page_tables(machine, levels=4, leaf="2M", gbpages=False)
    assert json.loads(changed.to_json()) == printed(capsys, "page-tables", *words, "--root", capture(name))


def test_page_tables_of_ranges(capsys: pytest.CaptureFixture[str]) -> None:
    """By the name of an architecture, any of its names; as a kernel builds them, or with one size of leaf."""
    by_hand = Range(0, 24 * TIB)
    for leaf in ("2M", "kernel"):
        words = ("--range", "0-24T", "--leaf", leaf, "--arch", "x86_64", "--kernel-version", "6.12")
        found = page_tables(open_machine("x86_64 ram:1G kernel:6.12"), by_hand, leaf=leaf)
        assert json.loads(found.to_json()) == printed(capsys, "page-tables", *words)
        assert page_tables("amd64", by_hand, leaf=leaf).pages == found.pages
    old = page_tables(open_machine("x86_64 ram:1G kernel:4.10"), by_hand)
    assert old.bytes is not None
    assert old.bytes > 96 << 20
    two = page_tables("x86_64", Range(0, 1 << 30), Range(5 * TIB, 5 * TIB + 1), leaf="1G")
    assert two.pages == 1 + 2
    assert page_tables("x86_64", by_hand, levels=5).levels == 5
    small = page_tables("x86_64", by_hand, gbpages=False)
    assert (small.pages, two.bytes) == (page_tables("x86_64", by_hand, leaf="2M").pages, 3 * 4096)
    assert not page_tables(open_machine("x86_64 ram:1G kernel:2.6.20"), by_hand).determined


def test_a_version_is_assumed_only_where_a_kernel_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Leaves of one size for given ranges ask none on x86_64; arm64 makes its copy by version."""
    by_hand = Range(0, 24 * TIB)
    assert page_tables("x86_64", by_hand).assumed == (ASSUMED,)
    assert page_tables("x86_64", by_hand, leaf="2M").assumed == ()
    assert page_tables("arm64", by_hand, leaf="2M").assumed == (ASSUMED,)
    words = ("--range", "0-24T", "--leaf", "2M", "--arch", "x86_64")
    assert json.loads(page_tables("x86_64", by_hand, leaf="2M").to_json()) == printed(capsys, "page-tables", *words)
    # Which tables of firmware are mapped is the kernel's choice, whatever the leaves are.
    assert ASSUMED in page_tables(open_machine("x86_64 ram:1G"), leaf="2M").assumed


def test_page_tables_that_are_not_determined() -> None:
    """A kernel below what is modelled has no number."""
    found = page_tables(open_machine("x86_64 ram:1G kernel:2.6.20"))
    assert (found.determined, found.pages, found.bytes, found.assumed) == (False, None, None, ())
    assert "not determined" in found.reasons[0].text
    assert repr(found) == "<PageTables not determined; 4 levels, leaf kernel>"


def test_page_tables_refuse_what_is_no_question() -> None:
    """An architecture alone, an unknown one, a leaf of another size."""
    with pytest.raises(UsageError, match="no range is given for x86_64"):
        page_tables("x86_64")
    with pytest.raises(UsageError, match="'vax' is no architecture"):
        page_tables("vax", Range(0, 1))
    with pytest.raises(UsageError, match="leaf '3M': expected one of 4K, 2M, 1G, kernel"):
        page_tables("x86_64", Range(0, 1), leaf="3M")


def test_every_kind_of_source_can_be_opened(tmp_path: Path) -> None:
    """A folder, a listing, TOML, a document, words, as text or as Path; and this machine."""
    (tmp_path / "iomem").write_text(IOMEM)
    assert [str(r) for r in crash_regions(open_machine(tmp_path / "iomem"))] == [
        "main [0xa0000000, 0xb0000000), 256 MiB"
    ]
    assert open_machine(GOLDEN / "mirror_thread.toml").kind == "described"
    (tmp_path / "m.json").write_text(open_machine(capture("bios-1g-6.1")).to_json())
    assert open_machine(tmp_path / "m.json") == open_machine(capture("bios-1g-6.1"))
    assert open_machine(capture("bios-1g-6.1") + "/dmesg").kind == "log"
    assert open_machine(WORDS).source == "the description"
    assert open_machine("AMD64 ram:1G").arch == "x86_64"
    assert (open_machine().kind, open_machine("/").kind) == ("live", "live")


def test_a_text_is_a_description_where_it_begins_with_an_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With words behind it; a file of such a name is opened as a path, and other texts are paths."""
    monkeypatch.chdir(tmp_path)
    for name in ("x86_64 of mine", "x86_64", "boot log"):
        (tmp_path / name).write_text(IOMEM)
    assert open_machine("x86_64").kind == "iomem"
    assert open_machine("boot log").kind == "iomem"
    assert open_machine(Path("x86_64 of mine")).kind == "iomem"
    assert open_machine("./x86_64 of mine").kind == "iomem"
    with pytest.raises(UsageError):
        open_machine("x86_64 of mine")
    with pytest.raises(UnavailableError, match="nowhere"):
        open_machine("nowhere")
    with pytest.raises(UnavailableError):
        open_machine("")


def test_what_is_stated_of_a_machine_wins() -> None:
    """Architecture and release, by any usual name."""
    machine = open_machine(capture("bios-1g-6.1"), arch="amd64", release="6.12.3")
    assert (machine.arch, machine.release) == ("x86_64", "6.12.3")
    with pytest.raises(UsageError, match="'vax'"):
        open_machine(capture("bios-1g-6.1"), arch="vax")


@pytest.mark.parametrize("name", NAMES)
def test_a_machine_goes_through_json(name: str) -> None:
    """Equal, with equal answers; the text is what `kexeckit machine --json` prints."""
    machine = open_machine(capture(name))
    again = Machine.from_json(machine.to_json())
    assert again == machine
    assert predict_reservation(again).to_json() == predict_reservation(machine).to_json()
    assert predict_zones(again).to_json() == predict_zones(machine).to_json()
    with pytest.raises(InputError, match=r"mine: \$\.schema"):
        Machine.from_json('{"schema": "kexeckit/plan/1"}', "mine")


def test_a_machine_as_json_is_the_document_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """To the letter."""
    main(["machine", "--root", capture("bios-1g-6.1"), "--json"])
    assert open_machine(capture("bios-1g-6.1")).to_json() + "\n" == capsys.readouterr().out


def test_crash_regions_that_are_not_shown() -> None:
    """None at all is an answer; a source that shows nothing of them has none."""
    assert crash_regions(open_machine(capture("no-reservation-5.10"))) == ()
    with pytest.raises(NotDeterminedError, match="the description does not show"):
        crash_regions(open_machine(WORDS))


def test_behaviours_that_are_stated() -> None:
    """They change an answer as `--set` does; a slip is named."""
    machine = open_machine("x86_64 ram:64G kernel:6.12")
    small = behaviours_of(machine, gb_leaves=False)
    assert (small.stated, behaviours_of(machine).stated) == (("gb_leaves",), ())
    assert behaviours_of(machine, cma_align="4M").reservation.cma_align == 4 << 20
    found, usual = page_tables(machine, behaviours=small), page_tables(machine)
    assert (found.pages or 0) > (usual.pages or 0)
    assert any("stated by the user: gb_leaves is False" in r.text for r in found.reasons)
    with pytest.raises(
        UsageError, match=r"behaviours_of\(\): there is no behaviour 'gb_leafs'; did you mean gb_leaves"
    ):
        behaviours_of(machine, gb_leafs=True)
    with pytest.raises(UsageError, match="gb_leaves takes true or false"):
        behaviours_of(machine, gb_leaves="often")
    stated = behaviours_of(machine, after_numa=False)
    assert (
        predict_reservation(machine, "crashkernel=1G", behaviours=stated).answer.predicted.facts.rules.after_numa
        is False
    )


def test_stated_behaviours_reach_every_answer(image: str) -> None:
    """A record of the kernel's behaviour for each."""
    machine = open_machine(capture("bios-1g-6.1"))
    stated = behaviours_of(machine, gb_leaves=False, core_mirror=not behaviours_of(machine).zones.core_mirror)
    assert predict_zones(machine, behaviours=stated).answer.question.behaviour == stated.zones
    assert plan(machine, image, behaviours=stated).facts.kernel == stated
    assert stated.zones != behaviours_of(machine).zones


def test_words_that_are_slips_or_odd() -> None:
    """A slip is refused with a remedy; what a kernel makes of odd values is said."""
    machine = open_machine(WORDS)
    with pytest.raises(UsageError) as caught:
        predict_zones(machine, "kernelcor=1G")
    assert "kernelcore=1G" in caught.value.remedy
    with pytest.raises(UsageError):
        predict_reservation(machine, "crashkernl=1G")
    odd = predict_reservation(machine, "crashkernel=256", "quiet")
    assert odd.words == ("crashkernel=256", "quiet")
    assert len(odd.doubtful_words) == 2
    assert json.loads(odd.to_json())["doubtful_words"] == list(odd.doubtful_words)
    assert predict_reservation(machine, "crashkernel=256M").doubtful_words == ()
    zones = predict_zones(machine, "kernelcore=512")
    assert len(zones.doubtful_words) == 1
    assert json.loads(zones.to_json())["doubtful_words"] == list(zones.doubtful_words)


def test_an_open_address_has_no_range() -> None:
    """The outcome may be known even so."""
    found = predict_reservation(open_machine("riscv64 ram:8G kernel:6.12"), "crashkernel=512M")
    assert (found.outcome, found.determined) == ("not-determined", False)
    assert [(r.start, r.range, r.size) for r in found.regions] == [(None, None, 512 << 20)]
    assert str(found.regions[0]) == "main at an address that is not determined, 512 MiB"


SHOWN = {
    "range": (Range(0x1000, 1 << 32), "Range(0x00001000, 0x100000000)"),
    "region": (Region(0x1000000, 1 << 28, "main", "Crash kernel"), "<Region main [0x01000000, 0x11000000), 256 MiB>"),
    "machine": (
        open_machine(WORDS),
        "<Machine the description (described): x86_64, kernel 6.12, 64.0 GiB RAM, 2 nodes>",
    ),
    "unknown": (Machine("x", "log"), "<Machine x (log): ?, kernel ?, RAM ?, nodes ?>"),
    "reservation": (
        predict_reservation(open_machine(capture("bios-1g-6.1"))),
        "<ReservationPrediction reserved: main [0x2e000000, 0x3e000000), 256 MiB (observed: agree)>",
    ),
    "none": (predict_reservation(open_machine("x86_64 ram:1G kernel:6.1")), "<ReservationPrediction none>"),
    "zones": (
        predict_zones(open_machine(GOLDEN / "mirror_thread.toml"), "kernelcore=mirror"),
        "<ZonesPrediction 2 nodes, Movable of node 0 from 0x180000000, Movable of node 1 from 0x1120000000>",
    ),
    "node": (
        predict_zones(open_machine(capture("numa-6g-newest"))).nodes[0],
        "<NodeZones node 0: DMA pfn [0x1, 0x1000), DMA32 pfn [0x1000, 0xbffe0)>",
    ),
    "zone": (
        predict_zones(open_machine(capture("numa-6g-newest"))).nodes[0].zones[0],
        "<ZoneSpan DMA pfn [0x1, 0x1000), 3998 present>",
    ),
    "behaviours": (
        behaviours_of(open_machine(WORDS), gb_leaves=False, cma_align="4M"),
        "<Behaviours x86_64, kernel 6.12, stated: cma_align, gb_leaves>",
    ),
    "assumed": (behaviours_of(open_machine("x86_64 ram:1G")), "<Behaviours x86_64, kernel 7.2 (assumed)>"),
    "candidate": (
        Candidate("main", 0x20000000, 0x20000000, 0, "it is free"),
        "<Candidate main: 0x20000000, if it is free>",
    ),
    "candidates": (
        Candidate("low", 0x20000000, 0x1000000, 1 << 24, "it is free"),
        "<Candidate low: 0x20000000 down to 0x1000000 by 0x1000000, if it is free>",
    ),
    "no candidate": (Candidate("low", None, None, 0, "it is not free"), "<Candidate low: none, if it is not free>"),
    "tables": (page_tables("x86_64", Range(0, TIB)), "<PageTables 3 pages, 0x3000 bytes; 4 levels, leaf kernel>"),
}


@pytest.mark.parametrize(("thing", "text"), SHOWN.values(), ids=SHOWN)
def test_a_value_shows_itself_in_one_line(thing: object, text: str) -> None:
    """Addresses are hexadecimal."""
    assert repr(thing) == text


def test_plans_show_themselves_in_one_line(image: str) -> None:
    """The plan, its segments, and what was observed."""
    machine = open_machine(capture("bios-1g-6.1"))
    made = plan(machine, image, panic=True)
    assert repr(made) == "<Plan capture kernel, kexec_load, entry 0x3dffd000, 5 segments>"
    assert repr(made.segment("kernel")) == "<Segment kernel [0x3d600000, 0x3de00000), 0x10000 bytes filled>"
    assert repr(made.made) == "<LoadPlan x86_64, kexec_load, 5 segments>"
    by_file = plan(machine, image, syscall="file")
    assert repr(by_file) == "<Plan next kernel, kexec_file_load, entry 0x3f600200, 3 segments>"
    text = repr(predict_reservation(machine).observed)
    assert text.startswith("<ObservedReservation reserved: main [0x2e000000, 0x3e000000), 256 MiB (seen in ")


def test_the_library_prints_nothing(image: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Warnings are attributes."""
    machine = open_machine(capture("bios-1g-6.1"))
    predict_reservation(machine, "crashkernel=256")
    plan(machine, image)
    assert Commands(tmp_path, capsys).capsys.readouterr() == ("", "")
