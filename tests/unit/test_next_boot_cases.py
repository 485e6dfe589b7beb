"""Random machines that are asked about their next boot: all kinds of them, possible ones, always the same."""

import json
from collections import Counter
from itertools import islice
from pathlib import Path

from kexeckit.formats.word_check import check_words
from kexeckit.kernel.reservation.vocabulary import VOCABULARY
from kexeckit.lab.dev.campaign_next_boot import NextBootCampaign
from kexeckit.lab.dev.next_boot_cases import (
    BIOS,
    DEVICE_TREE,
    EFI,
    EFI_ACPI,
    EFI_DEVICE_TREE,
    NextMachine,
    next_machines,
)
from kexeckit.lab.packages import SUITES

MANY = 400


def machines() -> list[tuple[NextMachine, tuple[tuple[str, ...], ...]]]:
    """Draw many machines with their words."""
    return list(islice(next_machines(1), MANY))


def test_shares() -> None:
    """70 % are x86_64, EFI starts half of them and of arm64's, KASLR is on in half, and no kernel is rare."""
    drawn = [machine for machine, _ in machines()]
    starts = Counter(m.firmware for m in drawn)
    assert 0.62 < (starts[BIOS] + starts[EFI]) / MANY < 0.78
    assert 0.4 < starts[EFI] / (starts[BIOS] + starts[EFI]) < 0.6
    assert starts[DEVICE_TREE] > starts[EFI_ACPI] > 10 < starts[EFI_DEVICE_TREE]
    assert 0.42 < sum(m.kaslr for m in drawn) / MANY < 0.58
    suites = Counter(m.suite for m in drawn)
    assert all(suites[s] > MANY / 6 for s in SUITES)
    for firmware in (EFI, EFI_ACPI):
        assert {m.efi_debug for m in drawn if m.firmware == firmware} == {True, False}


def test_machines_are_possible() -> None:
    """A GiB at least, half of one on the first node; what only some machines have is on no other."""
    for machine, _ in machines():
        assert 1024 <= sum(machine.memory) <= 32768
        assert machine.memory[0] >= 512
        assert min(machine.memory) >= 32
        assert machine.below_4g <= sum(machine.memory)
        assert machine.arch == "x86_64" or not machine.window + machine.below_4g
        assert machine.efi or not (machine.efi_debug or machine.random_device)
        assert machine.padding < 97 << 20


def test_layouts_vary() -> None:
    """Nodes, hot-plug windows, sizes that are no round number, and large initrds all come."""
    drawn = [machine for machine, _ in machines()]
    assert {len(m.memory) for m in drawn} >= {1, 2, 3}
    assert sum(sum(m.memory) % 256 != 0 for m in drawn) > MANY // 2
    assert sum(bool(m.window) for m in drawn) > MANY // 8
    assert sum(m.padding > 64 << 20 for m in drawn) > MANY // 16


def test_words() -> None:
    """Every boot asks for a reservation; each form comes, and `,cma` only where the kernel has it."""
    said = [(machine, " ".join(words)) for machine, boots in machines() for words in boots]
    assert all("crashkernel=" in text for _, text in said)
    for form in (",high", ",low", "@", ",cma", "mem=", "core=", "-:", "0-"):
        assert sum(form in text for _, text in said) >= 5, form
    assert {m.suite for m, text in said if ",cma" in text} == {"trixie", "sid"}
    assert not any("memmap=" in text for _, text in said)
    for _, text in said:
        check_words(text.split(), VOCABULARY)


def test_some_words_ask_for_too_much() -> None:
    """Now and then for more than the machine has."""
    plain = [(m, w.removeprefix("crashkernel=")) for m, boots in machines() for words in boots for w in words[:1]]
    sizes = [(m, int(size[:-1])) for m, size in plain if size[:-1].isdigit() and size.endswith("M")]
    assert 0.02 < sum(size > sum(m.memory) for m, size in sizes) / len(sizes) < 0.2


def test_a_machine_is_written_down() -> None:
    """And comes back from JSON as it was."""
    for machine, _ in machines()[:20]:
        assert NextMachine.from_record(json.loads(json.dumps(machine.record()))) == machine


def test_boots() -> None:
    """The first boot of a machine has no words; fewer boots are the first of more; names are unlike."""
    campaign = NextBootCampaign(Path("/nowhere"))
    many = list(campaign.draw(100, 3))
    boots = [case for cases in many for case in cases]
    assert len(boots) == len({case.name for case in boots}) == 100
    assert all(not cases[0].words and all(case.words for case in cases[1:]) for cases in many)
    assert [case for cases in campaign.draw(40, 3) for case in cases] == boots[:40]
    assert boots[0] not in [case for cases in campaign.draw(100, 4) for case in cases]


def test_boots_of_some_kernels() -> None:
    """A machine has the same name whichever kernels are booted."""
    campaign = NextBootCampaign(Path("/nowhere"), ("sid",))
    some = [case for cases in campaign.draw(30, 3) for case in cases]
    every = [case for cases in NextBootCampaign(Path("/nowhere")).draw(300, 3) for case in cases]
    assert {case.machine.suite for case in some} == {"sid"}
    assert all(case in every for case in some)
