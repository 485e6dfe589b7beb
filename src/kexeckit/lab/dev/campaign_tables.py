"""Identity tables, predicted and then read out of a machine that runs on them.

``python -m kexeckit.lab.dev.campaign_tables -n 16 --seed 1``: each random machine loads an image that only spins, jumps
into it (by panic or on purpose), and is stopped there. CR3 and the tables are read over QEMU's monitor.
"""

import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from kexeckit.errors import UnavailableError
from kexeckit.formats.boot_params import parse_boot_params
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.behaviour.loading import behaviour_of
from kexeckit.kernel.load.resource_walk import crash_regions_of
from kexeckit.kernel.page_tables.calls import EFI_SYSTEM_TABLE, EfiTables, kernel_calls
from kexeckit.kernel.page_tables.rule import kernel_rule
from kexeckit.lab.compare import Check
from kexeckit.lab.dev.campaign import Campaign, run_cases
from kexeckit.lab.dev.campaign_command import campaign_parser, check_line, outcome, run_and_print
from kexeckit.lab.dev.placer_cases import PlacerMachine, random_placer_machine
from kexeckit.lab.dev.tables_compare import compare_refusals, compare_tables, predict_tables, see_tables
from kexeckit.lab.guest import Guest
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import SUITES, fetch_kernel
from kexeckit.lab.qmp import Qmp
from kexeckit.lab.report import GuestReport, GuestRun
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange
from kexeckit.memory.units import MIB

__all__ = ["TablesCampaign", "TablesCase", "TablesResult", "run_tables_campaign", "run_tables_case"]

_SCRIPT = "/tables_guest.py"
_CPUS = ("max", "max,-pdpe1gb", "max,-la57", "max,-pdpe1gb,-la57")
_LA57 = 1 << 12
_DEBIAN = re.compile(r"#\d+ .*Debian (\d+\.\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class TablesCase:
    """One machine and one image.

    Attributes:
        suite: Debian suite of the kernel.
        machine: The machine.
        cpu: QEMU's CPU model: with or without 1 GiB pages and 5 levels.
        crash: Jump by panic.
        seed: For the image's segments.
        firmware: Extra QEMU words for another firmware, or none.
    """

    suite: str
    machine: PlacerMachine
    cpu: str
    crash: bool
    seed: int
    firmware: tuple[str, ...] = ()

    def __str__(self) -> str:
        how = "crash" if self.crash else "normal"
        return f"{self.suite} {self.machine}, {self.cpu}, {how}{', EFI' if self.firmware else ''}"


@dataclass(frozen=True, slots=True)
class TablesResult:
    """One case, predicted and observed.

    Attributes:
        case: In words.
        release: What the kernel calls itself.
        levels: Levels that were in use.
        checks: Each compared piece.
        problem: Why there is no result, or empty.
    """

    case: str
    release: str = ""
    levels: int = 0
    checks: tuple[Check, ...] = ()
    problem: str = ""

    @property
    def failed(self) -> list[Check]:
        """What does not agree."""
        return [c for c in self.checks if not c.agrees]


@dataclass(frozen=True)
class TablesCampaign(Campaign[TablesCase, None, TablesResult]):
    """Identity tables; counted are jumps.

    Attributes:
        suites: Debian suites whose kernels take turns.
        firmware: Extra QEMU words for another firmware, or none.
    """

    unit: ClassVar[str] = "jumps"
    identity: ClassVar[tuple[str, ...]] = ("case",)

    suites: tuple[str, ...] = SUITES
    firmware: tuple[str, ...] = ()

    def draw(self, count: int, seed: int) -> Iterator[tuple[TablesCase]]:
        """Draw machines and images."""
        random = Random(seed)
        suites = self.suites
        for turn in range(count):
            # Every suite with every CPU, by panic and on purpose, before anything repeats.
            suite, cpu = suites[turn % len(suites)], _CPUS[turn // len(suites) % len(_CPUS)]
            crash = turn // (len(suites) * len(_CPUS)) % 2 == 0
            machine = random_placer_machine(random)
            while crash and "@" in machine.words[0]:
                # A fixed place may be taken, and then there is nothing to load into.
                machine = random_placer_machine(random)
            yield (TablesCase(suite, machine, cpu, crash, random.randrange(1 << 30), self.firmware),)

    def blank(self, case: TablesCase, problem: str = "") -> TablesResult:
        """Return a jump that has not happened."""
        return TablesResult(str(case), problem=problem)

    def share(self, cases: tuple[TablesCase, ...]) -> None:
        """Share nothing: a jump ends its guest."""

    def boot(self, case: TablesCase, shared: None) -> TablesResult:  # noqa: ARG002 - see share
        """Run one case."""
        return run_tables_case(case)

    def lines(self, result: TablesResult) -> Iterator[str]:
        """Tell a jump, and each check that differs."""
        what = outcome(result.problem, len(result.failed), len(result.checks))
        yield f"{result.case}, {result.levels} levels: {what}"
        yield from map(check_line, result.failed)


def run_tables_campaign(
    count: int, seed: int, suites: tuple[str, ...] = SUITES, firmware: tuple[str, ...] = ()
) -> Iterator[TablesResult]:
    """Draw cases and run them."""
    campaign = TablesCampaign(suites, firmware)
    yield from run_cases(campaign, campaign.draw(count, seed))


def run_tables_case(case: TablesCase, timeout: float = 300.0) -> TablesResult:
    """Run one case.

    Raises:
        UnavailableError: QEMU is missing, or the guest did not come as far as the jump.
    """
    guest = Machine(
        fetch_kernel(case.suite).vmlinuz,
        memory=case.machine.memory,
        append=" ".join(case.machine.words),
        machine_options=(f"max-ram-below-4g={case.machine.below_4g // MIB}M",),
        cpu_model=case.cpu,
        extra=case.firmware,
    )
    spec = json.dumps({"crash": case.crash, "seed": case.seed})
    start = "crash" if case.crash else f"python3 {_SCRIPT} jump"
    job = f"run load python3 {_SCRIPT} load '{spec}' || finish 1\ncat /proc/meminfo >/tmp/meminfo\n"
    job += "cat /sys/firmware/efi/config_table >/tmp/efi 2>/dev/null\nemit efi_config /tmp/efi\n"
    job += f"emit meminfo /tmp/meminfo\n{start}\n"
    files: tuple[tuple[str, bytes | Path], ...] = ((_SCRIPT, Path(__file__).with_name("tables_guest.py").read_bytes()),)
    with Guest(guest, GuestImage(python=True, job=job, files=files)) as running:
        if not running.wait_for("boot/meminfo", timeout):
            report = GuestRun.from_guest(running, True, timeout).report("boot")
            raise UnavailableError(f"the image was not loaded: {report.text('load.out')[-500:]}")
        report = GuestRun.from_guest(running, False, timeout).report("boot")
        answers = json.loads(report.text("load.out"))
        with running.qmp() as monitor:
            registers = _until_spinning(monitor, answers["segments"][0][0], running)
            return _compare(case, report, answers, (monitor, registers))


def _until_spinning(monitor: Qmp, entry: int, guest: Guest) -> dict[str, int]:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        text = monitor.human("info registers")
        found = {name: int(value, 16) for name, value in re.findall(r"\b(RIP|CR3|CR4)=([0-9a-f]+)", text)}
        if found.get("RIP") == entry:
            monitor.stop()
            return found
        time.sleep(0.1)
    raise UnavailableError(f"the guest never reached {entry:#x}; last lines of its console:\n{guest.console_tail()}")


def _compare(
    case: TablesCase, report: GuestReport, answers: dict[str, Any], stopped: tuple[Qmp, dict[str, int]]
) -> TablesResult:
    monitor, registers = stopped
    tree = parse_iomem(report.text("iomem"), "the guest's iomem")
    version = report.text("version")
    stable = _DEBIAN.search(version)
    behaviour = behaviour_of(parse_kernel_version(stable[1] if stable else version.split()[2]))
    segments = [MemRange.from_size(mem, memsz) for mem, memsz, _ in answers["segments"]]
    levels = 5 if registers["CR4"] & _LA57 else 4
    region = crash_regions_of(tree).main
    rule = kernel_rule(behaviour, gbpages="-pdpe1gb" not in case.cpu)
    calls = kernel_calls(tree, behaviour, segments, _efi_tables(report, monitor))
    predicted = predict_tables(calls, rule, levels, behaviour, region if case.crash else None)
    seen = see_tables(lambda at: monitor.read_physical(at, 4096), registers["CR3"], levels)
    checks = [*compare_tables(predicted, seen), *compare_refusals(answers, region, levels, crash=case.crash)]
    return TablesResult(str(case), version.split()[2], levels, tuple(checks))


def _efi_tables(report: GuestReport, monitor: Qmp) -> EfiTables | None:
    # The number of configuration tables stands in the system table, in the guest's memory.
    where = report.text("efi_config").strip()
    if not where:
        return None
    params = parse_boot_params(report.data("boot_params"), "the guest's boot_params")
    table = monitor.read_physical(params.efi.systab, EFI_SYSTEM_TABLE)
    return EfiTables(params.efi.systab, int(where, 16), int.from_bytes(table[104:112], "little"))


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print it; 1 where anything differed or has no result."""
    parser = campaign_parser(__doc__, 16, "machines")
    parser.add_argument("--bios", metavar="FILE", help="another firmware for the guests, such as OVMF.fd")
    args = parser.parse_args(argv)
    firmware = ("-bios", args.bios) if args.bios else ()
    return run_and_print(TablesCampaign(args.suites or SUITES, firmware), args, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
