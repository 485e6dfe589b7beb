"""Zones of random machines, predicted and then booted: ``python -m kexeckit.lab.dev.campaign_zones -n 40 --seed 1``.

Each machine is booted once without zone words and then with several. Every boot is predicted twice: from its own log,
and from the log of the boot without words plus the words as typed, which is how a person asks.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

from kexeckit.lab.compare import Check
from kexeckit.lab.dev.campaign import Booted, Campaign, Record, run_cases
from kexeckit.lab.dev.campaign_command import campaign_parser, check_line, outcome, run_and_print
from kexeckit.lab.dev.zone_cases import FORMS, ZoneCase, ZoneMachineCase, random_machine, random_words
from kexeckit.lab.dev.zone_compare import ZoneSource, compare_sources, differing, movable_nodes
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import SUITES, fetch_kernel
from kexeckit.lab.report import GuestReport, run_guest
from kexeckit.memory.units import MIB

__all__ = ["BootResult", "ZoneBoot", "ZonesCampaign", "run_campaign"]

_SUITES = {"x86_64": SUITES, "arm64": ("trixie",)}
_VARIANTS = 3


@dataclass(frozen=True, slots=True)
class BootResult(Booted):
    """One boot and its two predictions.

    Attributes:
        movable: How many nodes got a ZONE_MOVABLE.
        failed: Checks that did not agree, with the prediction they belong to; empty when all agreed.
        checks: How many checks were made.
    """

    movable: int = 0
    failed: tuple[tuple[str, Check], ...] = ()
    checks: int = 0


@dataclass(frozen=True, slots=True)
class ZoneBoot:
    """One boot to come.

    Attributes:
        suite: Debian suite of the kernel.
        machine: The machine.
        case: Words and their form.
    """

    suite: str
    machine: ZoneMachineCase
    case: ZoneCase


@dataclass(frozen=True)
class ZonesCampaign(Campaign[ZoneBoot, GuestReport, BootResult]):
    """Zones; counted are boots, of which each machine's first, without words, is shared.

    Attributes:
        arch: ``x86_64`` or ``arm64``.
        suites: Debian suites whose kernels take turns; empty for all that the campaign knows.
    """

    arch: str = "x86_64"
    suites: tuple[str, ...] = ()

    def draw(self, count: int, seed: int) -> Iterator[tuple[ZoneBoot, ...]]:
        """Draw machines, and words for each."""
        random = Random(seed)
        suites = self.suites or _SUITES[self.arch]
        for turn, done in enumerate(range(0, count, 1 + _VARIANTS)):
            machine = random_machine(random, self.arch)
            # One step further each time around, so that every kernel meets every form.
            begin = turn * _VARIANTS + turn // len(suites)
            forms = ["none", *(FORMS[1 + (begin + k) % (len(FORMS) - 1)] for k in range(_VARIANTS))]
            if machine.srat:
                forms[1] = "movable_node"
            words = [(f, random_words(random, machine, f) if f != "none" else ()) for f in forms[: count - done]]
            yield tuple(ZoneBoot(suites[turn % len(suites)], machine, ZoneCase(*drawn)) for drawn in words)

    def blank(self, case: ZoneBoot, problem: str = "") -> BootResult:
        """Return a boot that has not happened."""
        machine, drawn = case.machine, case.case
        return BootResult(case.suite, machine.arch, drawn.form, drawn.words, _layout(machine), problem=problem)

    def share(self, cases: tuple[ZoneBoot, ...]) -> GuestReport:
        """Boot without words."""
        return _run(cases[0].suite, cases[0].machine, ())

    def boot(self, case: ZoneBoot, shared: GuestReport) -> BootResult:
        """Boot with words, and compare the predictions."""
        words, arch = case.case.words, case.machine.arch
        sources = []
        report = shared
        if case.case.form != "none":
            report = _run(case.suite, case.machine, words)
            sources.append(ZoneSource("log without words", shared, words, arch))
        failed, checks = compare_sources([ZoneSource("own log", report, (), arch), *sources], report)
        release = report.text("version").split()[2]
        movable = movable_nodes(report)
        return replace(self.blank(case), release=release, movable=movable, failed=failed, checks=checks)

    def lines(self, result: BootResult) -> Iterator[str]:
        """Tell a boot, and each check that differs."""
        what = outcome(result.problem, len(result.failed), result.checks)
        words = " ".join(result.words) or "(no words)"
        yield f"{result.suite} {result.arch} {result.release} {result.layout}: {words}: {what}"
        yield from (f"{name}: {check_line(check)}" for name, check in result.failed)

    def record(self, result: BootResult) -> Record:
        """Return what is written down: of the checks, those that differ."""
        return {name: value for name, value in asdict(result).items() if name != "failed"} | {
            "differ": differing(result.failed)
        }


def run_campaign(count: int, seed: int, arch: str = "x86_64", suites: tuple[str, ...] = ()) -> Iterator[BootResult]:
    """Boot and compare.

    Args:
        count: How many boots.
        seed: What to draw from.
        arch: ``x86_64`` or ``arm64``.
        suites: Debian suites whose kernels take turns; empty for all that the campaign knows.

    Yields:
        One result per boot, as soon as it is there.
    """
    campaign = ZonesCampaign(arch, suites)
    yield from run_cases(campaign, campaign.draw(count, seed))


def _run(suite: str, machine: ZoneMachineCase, words: tuple[str, ...]) -> GuestReport:
    options = () if machine.arch != "x86_64" else (f"max-ram-below-4g={machine.below_4g // MIB}M",)
    files: tuple[tuple[str, bytes | Path], ...] = ()
    if machine.srat:
        files = (("/kernel/firmware/acpi/srat.aml", machine.srat),)
    guest = Machine(
        fetch_kernel(suite, machine.arch).vmlinuz,
        arch=machine.arch,
        nodes=machine.nodes,
        append=" ".join(["log_buf_len=1M", *words]),
        machine_options=options,
    )
    return run_guest(guest, GuestImage(arch=machine.arch, files=files), timeout=240).report("boot")


def _layout(machine: ZoneMachineCase) -> str:
    sizes = "+".join(str(n.memory // MIB) for n in machine.nodes)
    own = ", own SRAT" if machine.srat else ""
    return f"{sizes} MiB in {len(machine.nodes)} nodes, {machine.below_4g // MIB} MiB below 4 GiB{own}"


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print it; 1 where anything differed or has no result."""
    parser = campaign_parser(__doc__, 16, "boots")
    parser.add_argument("--arch", default="x86_64", choices=sorted(_SUITES))
    args = parser.parse_args(argv)
    return run_and_print(ZonesCampaign(args.arch, args.suites), args, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
