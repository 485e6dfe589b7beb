"""What-ifs whose words move what is reserved before: cma=, mem=, and words that are not modelled.

About kexeckit.kernel.reservation.cma, kexeckit.kernel.reservation.early, kexeckit.kernel.reservation.from_machine,
kexeckit.kernel.reservation.words, kexeckit.kernel.reservation.ends.
"""

from pathlib import Path

import pytest

from bootlogs import GIB, MIB, pc_table, x86_log
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.cma import knows_cma
from kexeckit.kernel.reservation.explain import explain
from kexeckit.kernel.reservation.predict import Reservation, predict_reservation
from kexeckit.system.sysroot import DirectoryRoot
from readings import facts_of_log, facts_of_root

NODES = (
    "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x0009ffff]",
    "ACPI: SRAT: Node 0 PXM 0 [mem 0x00100000-0x7fffffff]",
    "ACPI: SRAT: Node 1 PXM 1 [mem 0x80000000-0xbfffffff]",
)
RANGES = ((0, 0x1000, 0x9F000), (0, MIB, 2 * GIB), (1, 2 * GIB, 0xBFFE0000))
# Right below where the kernel moved the initrd to.
NODE_DATA = ((0x7ECE7000, 0x7ECEB000),)


def predict(text: str, *words: str) -> Reservation:
    """Return the prediction for a log and words."""
    return predict_reservation(facts_of_log(text, words))


def rows(found: Reservation, what: str) -> list[tuple[int | None, str]]:
    """Return the candidates of one doubt, each with what would decide for it."""
    return [(c.start, c.when) for d in found.doubts if d.what == what for c in d.candidates]


def starts(found: Reservation) -> list[int | None]:
    """Return the start of every region."""
    return [r.start for r in found.regions]


def log(*more: str, cmdline: str = "root=/dev/vda1 nokaslr") -> str:
    """Return the log of a PC with 3 GiB of RAM, with lines of its own."""
    return x86_log(pc_table(), version="6.12.0", cmdline=cmdline, more=more)


def test_cma_on_a_kernel_that_may_ignore_it() -> None:
    """Nothing in the log tells whether cma= counts: both addresses are candidates, and there is room either way."""
    found = predict(log(), "crashkernel=256M", "cma=64M")
    assert found.outcome == "reserved"
    assert starts(found) == [None]
    assert rows(found, "cma") == [
        (0xAA000000, "the kernel takes cma="),
        (0xAE000000, "it ignores cma="),
    ]


def test_cma_that_moves_nothing_is_no_doubt() -> None:
    """An area above 4 GiB leaves a region below where it is."""
    text = x86_log(pc_table(5 * GIB), version="6.12.0")
    assert starts(predict(text, "crashkernel=256M", "cma=64M")) == [0xAE000000]


@pytest.mark.parametrize(
    ("line", "start"),
    [
        ("cma: Reserved 64 MiB at 0x00000000ba000000", 0xAA000000),
        ('Unknown kernel command line parameters "quiet cma=64M", will be passed to user space.', 0xAE000000),
        ("Memory: 1K/2K available (1K kernel code, 1K reserved, 0K cma-reserved)", 0xAE000000),
    ],
)
def test_a_boot_with_the_word_decides(line: str, start: int) -> None:
    """An area was made, the word was refused, or nothing came of it."""
    text = log(line, cmdline="root=/dev/vda1 nokaslr cma=64M")
    assert starts(predict(text, "crashkernel=256M", "cma=64M")) == [start]


@pytest.mark.parametrize("word", ["hugetlb_cma=1G", "crashkernel=128M,cma"])
def test_areas_of_others_prove_nothing(word: str) -> None:
    """Huge pages and crashkernel=,cma print the same line."""
    text = log("cma: Reserved 64 MiB at 0x00000000ba000000", cmdline=f"nokaslr {word}")
    assert knows_cma(parse_boot_log(text, "log")) is None


@pytest.mark.parametrize(("option", "start"), [("CONFIG_DMA_CMA=y", 0xAA000000), ("CONFIG_CMA=y", 0xAE000000)])
def test_the_configuration_decides(tmp_path: Path, option: str, start: int) -> None:
    """A root that has the kernel's configuration."""
    (tmp_path / "dmesg").write_text(log())
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot/config-6.12.0").write_text(f"CONFIG_CRASH_RESERVE=y\n{option}\n")
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/osrelease").write_text("6.12.0\n")
    facts = facts_of_root(DirectoryRoot(str(tmp_path)), ("crashkernel=256M", "cma=64M"))
    found = predict_reservation(facts)
    assert starts(found) == [start]
    assert any("config" in source for source in facts.sources)


@pytest.mark.parametrize(
    ("version", "option", "outcome"),
    [
        ("6.12.0", "CONFIG_CRASH_RESERVE=y", "reserved"),
        ("6.12.0", "CONFIG_KEXEC_CORE=y", "failed"),
        ("6.8.12", "CONFIG_KEXEC_CORE=y", "reserved"),
        ("6.8.12", "CONFIG_KEXEC=y", "failed"),
        ("4.2.8", "CONFIG_KEXEC=y", "reserved"),
    ],
)
def test_a_kernel_that_is_built_without_it(tmp_path: Path, version: str, option: str, outcome: str) -> None:
    """Its configuration says so, whatever its memory has room for."""
    (tmp_path / "dmesg").write_text(log().replace("6.12.0", version))
    (tmp_path / "boot").mkdir()
    (tmp_path / f"boot/config-{version}").write_text(f"CONFIG_DMA_CMA=y\n{option}\n")
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/osrelease").write_text(f"{version}\n")
    found = predict_reservation(facts_of_root(DirectoryRoot(str(tmp_path)), ("crashkernel=128M",)))
    assert found.outcome == outcome, found.problem
    assert ("is built without CONFIG_" in found.problem) == (outcome == "failed")
    none = predict_reservation(facts_of_root(DirectoryRoot(str(tmp_path)), ()))
    assert none.outcome in ("none", "not-determined")


@pytest.mark.parametrize(
    ("version", "more"),
    [("6.12.0", []), ("7.2.0", [(0xA2000000, "it takes cma=, for each node as well")])],
)
def test_areas_on_each_node(version: str, more: list[tuple[int, str]]) -> None:
    """7.x may be built to give each node an area of the same size, which is one more candidate."""
    text = x86_log(pc_table(), version=version, more=NODES, nodes=RANGES)
    found = predict(text, "crashkernel=256M", "cma=100M")
    assert rows(found, "cma") == [
        (0xA8000000, "the kernel takes cma="),
        *more,
        (0xAE000000, "it ignores cma="),
    ]


def test_an_initrd_that_mem_cuts_off_is_moved_across_nodes() -> None:
    """It goes to the top of what is left before nodes are known; the region comes below it."""
    # node 0 |------------------ 2 GiB ------------------|
    # node 1                                             |-- 64 MiB --|.... cut off
    # initrd                                       |---- 100 MiB -----|
    text = x86_log(pc_table(), version="6.12.0", initrd=(0xB9BE0000, 0xBFFE0000), more=NODES, nodes=RANGES)
    found = predict(text, f"mem={2048 + 64}M", "crashkernel=256M")
    initrd = next(h for h in found.early.held if h.name == "initrd")
    assert initrd.range.start == (2048 + 64 - 100) * MIB
    assert starts(found) == [((2048 + 64 - 100 - 256) * MIB) // (16 * MIB) * 16 * MIB]


def test_an_initrd_that_was_moved_stays_where_the_boot_loader_put_it_without_the_cut() -> None:
    """The log shows both places; a what-if with more memory takes the first."""
    moved = "Allocated new RAMDISK: [mem 0x7eced000-0x7fffefff]"
    text = x86_log(pc_table(), version="6.12.0", cmdline="nokaslr mem=2G", node_data=NODE_DATA, more=(moved,))
    assert starts(predict(text, "mem=4G", "crashkernel=256M")) == [0xAE000000]


@pytest.mark.parametrize("word", ["hugetlb_cma=2G", "numa=off", "log-buf-len=64M", "nogbpages", "acpi=off"])
def test_words_that_are_not_modelled_are_no_answer(word: str) -> None:
    """They move what is reserved before; the address that holds without them is a candidate."""
    found = predict(log(), "crashkernel=256M", word)
    assert found.outcome == "not-determined"
    assert [start for start, _ in rows(found, "words")] == [0xAE000000]
    assert any("not modelled" in reason.text for reason in explain(found))


def test_such_a_word_in_the_boot_itself_is_an_answer() -> None:
    """What it did stands in the log."""
    text = log(cmdline="nokaslr numa=off crashkernel=256M")
    assert starts(predict(text)) == [0xAE000000]
    assert starts(predict(text, "crashkernel=128M")) == [0xB6000000]


@pytest.mark.parametrize(
    ("words", "areas"),
    [
        (("crashkernel=256M", "crashkernel=100M,cma"), [(0xA7C00000, 100)]),
        (("crashkernel=256M", "crashkernel=1G,cma"), [(0x6E000000, 1024)]),
        (("crashkernel=1G", "crashkernel=2G,cma"), [(0x3E000000, 1024), (0x1E000000, 512)]),
    ],
)
def test_areas_of_the_crash_kernel_itself(words: tuple[str, ...], areas: list[tuple[int, int]]) -> None:
    """,cma gets up to four areas, halved until they fit."""
    found = predict(x86_log(pc_table(), version="7.2.0"), *words)
    assert [(r.start, r.size // MIB) for r in found.regions if r.kind == "cma"][: len(areas)] == areas


def test_areas_of_the_crash_kernel_without_a_region() -> None:
    """They are reserved even where the region itself found no room."""
    found = predict(x86_log(pc_table(), version="7.2.0"), "crashkernel=3040M", "crashkernel=64M,cma")
    assert found.outcome == "failed"
    assert [(r.kind, r.start) for r in found.regions] == [("cma", 0xBAC00000)]
    assert any(reason.about == "cma" for reason in explain(found))


def test_at_most_four_areas_of_the_crash_kernel_itself() -> None:
    """CRASHK_CMA_RANGES_MAX, kernel/crash_reserve.c: of 8 GiB in halves, the fourth piece is the last."""
    found = predict(x86_log(pc_table(), version="7.2.0"), "crashkernel=2G", "crashkernel=8G,cma")
    assert [r.size // MIB for r in found.regions if r.kind == "cma"] == [512, 256, 128, 32]


def test_the_last_cma_counts() -> None:
    """Of several words, and a size that only a configuration asked for is placed again with other memory."""
    text = log("cma: Reserved 64 MiB at 0x00000000ba000000", cmdline="root=/dev/vda1 nokaslr cma=64M")
    assert starts(predict(text, "crashkernel=256M", "cma=64M cma=32M")) == [0xAC000000]
    assert starts(predict(text, "crashkernel=256M", "cma=32M cma=64M")) == [0xAA000000]
    built_in = log("cma: Reserved 64 MiB at 0x00000000ba000000")
    assert starts(predict(built_in, "crashkernel=256M")) == [0xAA000000]
    # The initrd goes to the top of 2 GiB: 0x6eced000 to the end; the area right below, from a border of 4 MiB on.
    assert starts(predict(built_in, "crashkernel=256M", "mem=2G")) == starts(
        predict(built_in, "crashkernel=256M", "mem=2G", "cma=64M")
    )
