"""Mirrored memory on real kernels: ``python -m kexeckit.lab.dev.campaign_mirror -n 20 --seed 1``.

A guest boots, loads the same kernel again with our own loader and an EFI memory map that calls some memory mirrored,
and starts it. The zones of that second kernel are predicted twice: from its own log, and from the log of the first
kernel plus the words as typed plus the raw EFI map.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from kexeckit.lab.compare import Check
from kexeckit.lab.dev.campaign import DIFFERENT, EQUAL, NO_RESULT, Campaign, Record, run_cases
from kexeckit.lab.dev.campaign_command import campaign_parser, check_line, outcome, run_and_print
from kexeckit.lab.dev.mirror_cases import MirrorCase, mirror_cases, raw_efi_map
from kexeckit.lab.dev.zone_compare import ZoneSource, compare_sources, differing, movable_nodes
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.pyz import pyz_bytes
from kexeckit.lab.report import GuestRun, run_guest
from kexeckit.lab.second import INITRD, KERNEL, SecondKernel, second_kernel_image
from kexeckit.memory.units import MIB

__all__ = ["MirrorCampaign", "MirrorResult", "run_mirror_campaign", "run_mirror_case"]

_SUITES = ("trixie", "sid", "bookworm", "bullseye")
_WARNED = "died at boot, as warned"
_PROGRAM, _MAP = "/usr/bin/kexeckit.pyz", "/boot/efi.map"
# nokaslr: a kernel that moves itself would look for mirrored memory to move to.
_WORDS = "console=ttyS0 panic=-1 nokaslr quiet log_buf_len=1M efi=debug"


@dataclass(frozen=True, slots=True)
class MirrorResult:
    """One second kernel and its two predictions.

    Attributes:
        suite: Debian suite of the kernel.
        case: The case.
        release: What ``uname -r`` said.
        movable: How many nodes got a ZONE_MOVABLE.
        failed: Checks that did not agree, with the prediction they belong to.
        checks: How many checks were made.
        problem: Why there is no result, or empty.
        died_as_warned: The kernel died at boot, and the prediction had said that it might.
    """

    suite: str
    case: MirrorCase
    release: str = ""
    movable: int = 0
    failed: tuple[tuple[str, Check], ...] = ()
    checks: int = 0
    problem: str = ""
    died_as_warned: bool = False


@dataclass(frozen=True)
class MirrorCampaign(Campaign[tuple[str, MirrorCase], None, MirrorResult]):
    """Mirrored memory; counted are layouts.

    Attributes:
        suites: Debian suites whose kernels take turns.
    """

    unit: ClassVar[str] = "layouts"
    identity: ClassVar[tuple[str, ...]] = ("suite", "shape", "nodes", "below_4g", "mirrored", "words")
    verdicts: ClassVar[tuple[str, ...]] = (EQUAL, _WARNED, DIFFERENT, NO_RESULT)

    suites: tuple[str, ...] = _SUITES

    def draw(self, count: int, seed: int) -> Iterator[tuple[tuple[str, MirrorCase]]]:
        """Draw layouts."""
        for number, case in enumerate(mirror_cases(count, seed)):
            yield ((self.suites[number % len(self.suites)], case),)

    def blank(self, case: tuple[str, MirrorCase], problem: str = "") -> MirrorResult:
        """Return a run that has not happened."""
        return MirrorResult(*case, problem=problem)

    def share(self, cases: tuple[tuple[str, MirrorCase], ...]) -> None:
        """Share nothing: each layout has a guest of its own."""

    def boot(self, case: tuple[str, MirrorCase], shared: None) -> MirrorResult:  # noqa: ARG002 - see share
        """Run one case."""
        return run_mirror_case(*case)

    def lines(self, result: MirrorResult) -> Iterator[str]:
        """Tell a run, and each check that differs."""
        case = result.case
        what = outcome(result.problem, len(result.failed), result.checks)
        if result.died_as_warned:
            what = _WARNED
        elif not result.problem and not result.failed:
            what += f", {result.movable} nodes with Movable"
        sizes = "+".join(str(n.memory // MIB) for n in case.machine.nodes)
        below = f"{case.machine.below_4g // MIB} below 4 GiB"
        layout = f"{sizes} MiB, {below}, {len(case.mirrored)} mirrored ranges ({case.name})"
        yield f"{result.suite} {result.release} {layout}: {' '.join(case.words)}: {what}"
        yield from (f"{name}: {check_line(check)}" for name, check in result.failed)

    def record(self, result: MirrorResult) -> Record:
        """Return what is written down: of the checks, those that differ."""
        return {
            "suite": result.suite,
            "release": result.release,
            "shape": result.case.name,
            "nodes": [n.memory for n in result.case.machine.nodes],
            "below_4g": result.case.machine.below_4g,
            "mirrored": [[r.start, r.end] for r in result.case.mirrored],
            "words": result.case.words,
            "movable": result.movable,
            "checks": result.checks,
            "differ": differing(result.failed),
            "problem": result.problem,
            "died_as_warned": result.died_as_warned,
        }

    def verdict(self, record: Record) -> str:
        """Judge a record: a kernel that died as it was said to is no difference."""
        return _WARNED if record["died_as_warned"] else super().verdict(record)


def run_mirror_campaign(count: int, seed: int, suites: tuple[str, ...] = _SUITES) -> Iterator[MirrorResult]:
    """Run cases one after the other, kernels taking turns; yields each result at once."""
    campaign = MirrorCampaign(suites)
    yield from run_cases(campaign, campaign.draw(count, seed))


def run_mirror_case(suite: str, case: MirrorCase) -> MirrorResult:
    """Run one case.

    Raises:
        UnavailableError: QEMU is missing, or a kernel died of which that was not said.
    """
    machine = Machine(
        fetch_kernel(suite).vmlinuz,
        nodes=case.machine.nodes,
        append="log_buf_len=1M",
        machine_options=(f"max-ram-below-4g={case.machine.below_4g // MIB}M",),
    )
    raw = raw_efi_map(case.machine.ram, case.mirrored)
    run = _run(machine, case, raw)
    typed = ZoneSource("first log, words and EFI map", run.report("boot"), case.words, efi_map=raw)
    if "second" not in run.reports and any("may die of it at boot" in w for w in typed.predict().warnings):
        return MirrorResult(suite, case, died_as_warned=True)
    second = run.report("second")
    failed, checks = compare_sources((ZoneSource("own log", second), typed), second)
    return MirrorResult(suite, case, second.text("version").split()[2], movable_nodes(second), failed, checks)


def _run(machine: Machine, case: MirrorCase, raw: bytes) -> GuestRun:
    words = " ".join([_WORDS, *case.words])
    load = f"python3 {_PROGRAM} load --quiet --syscall load --efi-map {_MAP}"
    second = SecondKernel(
        load=f"{load} {KERNEL} --initrd {INITRD} --append '{words}'",
        start=f"run exec python3 {_PROGRAM} exec --now --yes",
    )
    image = second_kernel_image(machine, second, files=((_PROGRAM, pyz_bytes()), (_MAP, raw)))
    return run_guest(machine, image, timeout=300)


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print it; 1 where anything differed or has no result."""
    args = campaign_parser(__doc__, 20, "layouts").parse_args(argv)
    return run_and_print(MirrorCampaign(args.suites or _SUITES), args, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
