"""Machines whose SRAT has RAM in its holes, predicted and then booted: ``make lab-srat N=40``.

QEMU's own table never has holes, so each guest gets one of ours through its initrd. Each machine is booted once without
words and then with several. Compared are the nodes of memory with what kernel/boot/nodes.py makes of the table, and the
reservation and the zones with their predictions, from each boot's own log and from the log of the boot without words.
With a little RAM on no node a kernel dies at boot; then that is what is compared.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from kexeckit.errors import UnavailableError
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.memory import node_ranges
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.behaviour.nodes import node_rules
from kexeckit.kernel.boot.nodes import node_layout
from kexeckit.lab.compare import Check
from kexeckit.lab.dev.campaign import Campaign, run_cases
from kexeckit.lab.dev.campaign_command import campaign_parser, check_line, outcome, run_and_print
from kexeckit.lab.dev.campaign_crashkernel import crash_predictions
from kexeckit.lab.dev.srat_cases import SHAPES, SRAT_FORMS, SratMachine, random_srat_machine, random_srat_words
from kexeckit.lab.dev.zone_compare import ZoneSource, compare_sources, differing
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import SUITES, fetch_kernel
from kexeckit.lab.report import GuestReport, run_guest
from kexeckit.machine.version import KernelVersion, parse_kernel_version
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import MIB

__all__ = ["SratBoot", "SratCampaign", "SratResult", "srat_campaign"]

_VARIANTS = 3
_ARCH = "x86_64"
_DIES = "NULL pointer dereference"
# A kernel that died this early cannot restart the machine; one that lives reports in a quarter of this.
_PATIENCE = 25


@dataclass(frozen=True, slots=True)
class SratResult:
    """One boot and its predictions.

    Attributes:
        suite: Debian suite of the kernel.
        form: Form of the words.
        words: The words.
        layout: The machine, in words.
        shape: What is special about its table.
        release: What the kernel's package says.
        came: ``nodes`` where the kernel uses the table, ``one node`` where it refuses it, ``dies``.
        differ: (source, subject, predicted, observed) of each check that differs.
        checks: How many checks were made.
        reservations: How many of them are predictions of a reservation.
        left_open: How many reservations were "not determined", with what happened among the candidates.
        problem: Why there is no result, or empty.
    """

    suite: str
    form: str
    words: tuple[str, ...]
    layout: str
    shape: str
    release: str = ""
    came: str = ""
    differ: tuple[tuple[str, str, str, str], ...] = ()
    checks: int = 0
    reservations: int = 0
    left_open: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SratBoot:
    """One boot to come.

    Attributes:
        suite: Debian suite of the kernel.
        machine: The machine.
        form: Form of the words; ``none`` for the boot without.
        words: The words.
    """

    suite: str
    machine: SratMachine
    form: str = "none"
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class SratCampaign(Campaign[SratBoot, GuestReport | None, SratResult]):
    """Tables with holes; counted are boots, of which each machine's first, without words, is shared.

    Attributes:
        suites: Debian suites whose kernels take turns; empty for all.
        shapes: Shapes of tables that take turns.
    """

    identity = ("suite", "form", "words", "layout")
    suites: tuple[str, ...] = ()
    shapes: tuple[str, ...] = SHAPES

    def draw(self, count: int, seed: int) -> Iterator[tuple[SratBoot, ...]]:
        """Draw machines, and words for each; one on which a kernel dies is booted once."""
        random = Random(seed)
        suites = self.suites or SUITES
        done = turn = form = 0
        while done < count:
            # One step further each time around, so that every kernel meets every shape.
            around, at = divmod(turn, len(suites))
            suite = suites[at]
            machine = random_srat_machine(random, self.shapes[(around + at) % len(self.shapes)])
            boots = [SratBoot(suite, machine)]
            for k in range(_VARIANTS):
                name = SRAT_FORMS[(form + k) % len(SRAT_FORMS)]
                boots.append(SratBoot(suite, machine, name, random_srat_words(random, machine, name)))
            boots = boots[:1] if _expected(boots[0]) == "dies" else boots[: count - done]
            form, done, turn = form + len(boots) - 1, done + len(boots), turn + 1
            yield tuple(boots)

    def blank(self, case: SratBoot, problem: str = "") -> SratResult:
        """Return a boot that has not happened."""
        machine = case.machine
        return SratResult(case.suite, case.form, case.words, machine.layout, machine.shape, problem=problem)

    def share(self, cases: tuple[SratBoot, ...]) -> GuestReport | None:
        """Boot without words; None where the kernel died of the table."""
        return _run(cases[0])

    def boot(self, case: SratBoot, shared: GuestReport | None) -> SratResult:
        """Boot with words, and compare."""
        blank = replace(self.blank(case), release=fetch_kernel(case.suite).release)
        expected = _expected(case)
        report = shared if case.form == "none" or shared is None else _run(case)
        if report is None:
            wrong = [] if expected == "dies" else [("table", "the boot", expected, "dies")]
            return replace(blank, came="dies", differ=tuple(wrong), checks=1)
        nodes = _node_check(case, report)
        plain = None if case.form == "none" else shared
        sources = [ZoneSource("own log", report, (), _ARCH)]
        sources += [ZoneSource("log without words", plain, case.words, _ARCH)] if plain else []
        zones, made = compare_sources(sources, report)
        tree = parse_iomem(report.text("iomem"), "the guest's iomem")
        seen = tuple((r.start, r.size) for r in tree.crash_regions())
        told = list(crash_predictions(_ARCH, report, case.words, plain, seen)) if plain else []
        differ = (
            *differing(() if nodes.agrees else (("table", nodes),)),
            *differing(zones),
            *((name, "reservation", text, str(seen)) for name, verdict, text in told if verdict == "differs"),
        )
        return replace(
            blank,
            came=expected,
            differ=differ,
            checks=1 + made + len(told),
            reservations=len(told),
            left_open=sum(verdict == "open" for _, verdict, _ in told),
        )

    def lines(self, result: SratResult) -> Iterator[str]:
        """Tell a boot, and each check that differs."""
        what = outcome(result.problem, len(result.differ), result.checks)
        rest = f", {result.left_open} open" if result.left_open else ""
        words = " ".join(result.words) or "(no words)"
        yield f"{result.release or result.suite} {result.layout}: {words}: {result.came}: {what}{rest}"
        yield from (f"{source}: {check_line(Check(*check))}" for source, *check in result.differ)


def srat_campaign(
    count: int, seed: int, suites: tuple[str, ...] = (), shapes: tuple[str, ...] = SHAPES
) -> Iterator[SratResult]:
    """Boot and compare.

    Args:
        count: How many boots.
        seed: What to draw from.
        suites: Debian suites whose kernels take turns; empty for all.
        shapes: Shapes of tables that take turns.

    Yields:
        One result per boot, as soon as it is there.
    """
    campaign = SratCampaign(suites, shapes)
    yield from run_cases(campaign, campaign.draw(count, seed))


def _expected(case: SratBoot) -> str:
    # What the firmware keeps of RAM lies at the top of it below 4 GiB, where pieces are larger than that.
    rules = node_rules(_ARCH, _version(case.suite))
    layout = node_layout(RangeSet(case.machine.ram), case.machine.affinities, rules)
    if layout is None:
        return "one node"
    return "dies" if layout.lost and rules.lost_stops else "nodes"


def _version(suite: str) -> KernelVersion:
    return parse_kernel_version(fetch_kernel(suite).version)


def _node_check(case: SratBoot, report: GuestReport) -> Check:
    printed = node_ranges(parse_boot_log(report.text("dmesg"), "the guest's log"))
    memory = RangeSet(n.range for n in printed)
    layout = node_layout(memory, case.machine.affinities, node_rules(_ARCH, _version(case.suite)))
    made = {0: memory}
    if layout:
        nodes = sorted({r.node or 0 for r in layout.regions})
        made = {nid: RangeSet(r.range for r in layout.regions if r.node == nid) for nid in nodes}
    seen = {nid: RangeSet(n.range for n in printed if n.node == nid) for nid in sorted({n.node for n in printed})}
    return Check("nodes of memory", str(made), str(seen))


def _run(case: SratBoot) -> GuestReport | None:
    machine = case.machine
    guest = Machine(
        fetch_kernel(case.suite).vmlinuz,
        memory=machine.memory,
        append=" ".join(["log_buf_len=1M", "earlyprintk=ttyS0,115200", *case.words]),
        machine_options=(f"max-ram-below-4g={machine.below_4g // MIB}M",),
    )
    image = GuestImage(files=(("/kernel/firmware/acpi/srat.aml", machine.srat),))
    dies = _expected(case) == "dies"
    # What says why the kernel died is printed with quiet, too.
    try:
        return run_guest(guest, image, timeout=_PATIENCE if dies else 90).report("boot")
    except UnavailableError as error:
        if dies and _DIES in str(error):
            return None
        raise


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print it; 1 where anything differed or has no result."""
    args = campaign_parser(__doc__, 40, "boots").parse_args(argv)
    return run_and_print(SratCampaign(args.suites), args, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
