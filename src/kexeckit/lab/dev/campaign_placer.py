"""The in-kernel loader's choices, predicted and observed: ``make lab-placer N=16 SEED=1``.

Each random machine boots once and loads several images with kexec_file_load; the kernel prints where it puts each
buffer, which PT_LOADs it writes and which e820 map it hands over. Refusals are compared by their errno.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from kexeckit.errors import SystemCallError, UnavailableError
from kexeckit.formats.bzimage import parse_bzimage
from kexeckit.formats.firmware_memmap import make_firmware_map, parse_memmap_entry
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.behaviour.loading import behaviour_of
from kexeckit.kernel.load.file_load import predict_file_load
from kexeckit.kernel.load.file_load_handover import HandoverMap, crash_memory_map, normal_memory_map
from kexeckit.kernel.load.file_load_inputs import FileLoadFiles, FileLoadKernel, FileLoadMachine, X86Image
from kexeckit.lab.compare import Check
from kexeckit.lab.dev.campaign import Campaign, run_cases
from kexeckit.lab.dev.campaign_command import campaign_parser, check_line, outcome, run_and_print
from kexeckit.lab.dev.placer_cases import PlacerImage, PlacerMachine, random_images, random_placer_machine
from kexeckit.lab.dev.placer_compare import compare_load, parse_observed
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import SUITES, fetch_kernel
from kexeckit.lab.report import GuestReport, run_guest
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.memmap import MemoryMap
from kexeckit.memory.units import MIB

__all__ = ["LoadResult", "PlacerBoot", "PlacerCampaign", "PlacerCase", "run_placer_campaign"]

_DEBUG = 8
_ON_CRASH = 2
_CASES = "/etc/placer.json"
_SCRIPT = "/placer_guest.py"
_KERNELS = ("/boot/first", "/boot/second")


@dataclass(frozen=True, slots=True)
class LoadResult:
    """One load, predicted and observed.

    Attributes:
        suite: Debian suite of the running kernel.
        release: What ``uname -r`` says in it.
        machine: The machine, in words.
        image: The image, in words.
        checks: Each compared piece.
        problem: Why there is no result, or empty.
    """

    suite: str
    release: str
    machine: str
    image: str
    checks: tuple[Check, ...] = ()
    problem: str = ""

    @property
    def failed(self) -> list[Check]:
        """What does not agree."""
        return [c for c in self.checks if not c.agrees]


@dataclass(frozen=True, slots=True)
class PlacerCase:
    """One load to come.

    Attributes:
        suites: Debian suites of the running kernel and of the other one that is loaded.
        machine: The machine.
        image: What is loaded.
        number: Which load of the machine it is.
    """

    suites: tuple[str, str]
    machine: PlacerMachine
    image: PlacerImage
    number: int


@dataclass(frozen=True, slots=True)
class PlacerBoot:
    """What a machine said of all its loads.

    Attributes:
        report: Its report.
        answers: What its script printed.
        kernels: The kernel files.
        results: Each load's part of the answers.
    """

    report: GuestReport
    answers: dict[str, Any]
    kernels: tuple[Path, ...]
    results: dict[PlacerCase, dict[str, Any]]


@dataclass(frozen=True)
class PlacerCampaign(Campaign[PlacerCase, PlacerBoot, LoadResult]):
    """Choices of kexec_file_load; drawn are machines, counted are loads, and the loads of a machine share a boot.

    Attributes:
        suites: Debian suites whose kernels take turns.
        loads: Loads for each machine.
    """

    unit: ClassVar[str] = "loads"
    identity: ClassVar[tuple[str, ...]] = ("suite", "machine", "image")

    suites: tuple[str, ...] = SUITES
    loads: int = 8

    def draw(self, count: int, seed: int) -> Iterator[tuple[PlacerCase, ...]]:
        """Draw machines, and images for each."""
        random = Random(seed)
        for turn in range(count):
            machine = random_placer_machine(random)
            images = random_images(random, machine, self.loads)
            pair = (self.suites[turn % len(self.suites)], random.choice(SUITES))
            yield tuple(PlacerCase(pair, machine, image, number) for number, image in enumerate(images))

    def blank(self, case: PlacerCase, problem: str = "") -> LoadResult:
        """Return a load that has not happened."""
        return LoadResult(case.suites[0], "", str(case.machine), str(case.image), problem=problem)

    def share(self, cases: tuple[PlacerCase, ...]) -> PlacerBoot:
        """Boot the machine and load everything."""
        return _run_machine(cases)

    def boot(self, case: PlacerCase, shared: PlacerBoot) -> LoadResult:
        """Compare one load; it is done."""
        release = shared.report.text("version").split()[2]
        result = replace(self.blank(case), release=release)
        checks = _compare(release, case, shared)
        return (
            replace(result, problem="the guest lost kernel messages")
            if checks is None
            else replace(result, checks=checks)
        )

    def lines(self, result: LoadResult) -> Iterator[str]:
        """Tell a load, and each check that differs."""
        what = outcome(result.problem, len(result.failed), len(result.checks))
        yield f"{result.suite} {result.machine}: {result.image}: {what}"
        yield from map(check_line, result.failed)


def run_placer_campaign(
    machines: int, seed: int, suites: tuple[str, ...] = SUITES, loads: int = 8
) -> Iterator[LoadResult]:
    """Boot machines and compare their loads.

    Args:
        machines: How many machines.
        seed: What to draw from.
        suites: Debian suites whose kernels take turns.
        loads: Loads for each machine.

    Yields:
        One result per load.
    """
    campaign = PlacerCampaign(suites, loads)
    yield from run_cases(campaign, campaign.draw(machines, seed))


def _run_machine(cases: tuple[PlacerCase, ...]) -> PlacerBoot:
    machine = cases[0].machine
    kernels = tuple(fetch_kernel(suite).vmlinuz for suite in cases[0].suites)
    guest = Machine(
        kernels[0],
        memory=machine.memory,
        append=" ".join(machine.words),
        machine_options=(f"max-ram-below-4g={machine.below_4g // MIB}M",),
        extra=("-smp", f"{machine.cpus},maxcpus={machine.max_cpus}"),
    )
    files: tuple[tuple[str, bytes | Path], ...] = (
        (_CASES, json.dumps([_case(c.image) for c in cases]).encode()),
        (_SCRIPT, Path(__file__).with_name("placer_guest.py").read_bytes()),
        *zip(_KERNELS, kernels, strict=True),
    )
    job = f"run placer python3 {_SCRIPT} {_CASES}\n"
    report = run_guest(guest, GuestImage(python=True, job=job, files=files), timeout=400).report("boot")
    if report.number("placer.status"):
        raise UnavailableError(f"the guest's script failed: {report.text('placer.out')[-800:]}")
    answers = json.loads(report.text("placer.out"))
    return PlacerBoot(report, answers, kernels, dict(zip(cases, answers["results"], strict=True)))


def _case(image: PlacerImage) -> dict[str, Any]:
    flags = _DEBUG | (_ON_CRASH if image.crash else 0)
    return {"kernel": _KERNELS[image.kernel], "initrd": image.initrd, "cmdline": image.cmdline, "flags": flags}


# None where kernel messages were lost.
def _compare(release: str, case: PlacerCase, boot: PlacerBoot) -> tuple[Check, ...] | None:
    image, answer = case.image, boot.results[case]
    machine = FileLoadMachine(parse_iomem(boot.report.text("iomem"), "the guest's iomem"))
    kernel = _kernel(release, boot.answers)
    files = FileLoadFiles(image.crash, image.initrd, image.cmdline)
    try:
        plan = predict_file_load(machine, kernel, _header(boot.kernels[image.kernel]), files)
    except SystemCallError as error:
        return (Check("errno", str(error.errno), str(answer["errno"])),)
    seen = parse_observed(answer["lines"])
    if seen.lost:
        return None
    errno = Check("errno", "0", str(answer["errno"]))
    if answer["errno"]:
        return (errno,)
    handed: HandoverMap = (
        crash_memory_map(machine, kernel, plan) if image.crash else normal_memory_map(_kexec_table(boot.report))
    )
    return (errno, *compare_load(plan, handed, seen))


def _kernel(release: str, answers: dict[str, Any]) -> FileLoadKernel:
    # Kernels before 6.8 do not know the debug flag and refuse it; the script leaves it out for them.
    cpus = answers["cpus"]
    return FileLoadKernel(
        behaviour_of(parse_kernel_version(release)),
        possible_cpus=_count(cpus["possible"]),
        present_cpus=_count(cpus["present"]),
        nr_cpus=int(cpus["kernel_max"]) + 1,
        cma=answers["meminfo"].get("CmaTotal", 0) > 0,
    )


def _count(text: str) -> int:
    pairs = (part.partition("-") for part in text.split(","))
    return sum(int(last or first) - int(first) + 1 for first, _, last in pairs)


def _header(path: Path) -> X86Image:
    return X86Image.of(parse_bzimage(memoryview(path.read_bytes()), str(path)))


def _kexec_table(report: GuestReport) -> MemoryMap:
    entries = [
        parse_memmap_entry({"start": f"{start:#x}", "end": f"{last:#x}", "type": kind}, "firmware memmap")
        for start, last, kind in report.firmware_memmap()
    ]
    return make_firmware_map(entries, "firmware memmap")


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print it; 1 where anything differed or has no result."""
    parser = campaign_parser(__doc__, 8, "machines")
    parser.add_argument("--loads", type=int, default=8, help="loads for each machine (default: %(default)s)")
    args = parser.parse_args(argv)
    return run_and_print(PlacerCampaign(args.suites or SUITES, args.loads), args, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
