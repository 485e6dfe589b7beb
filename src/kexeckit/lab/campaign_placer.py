"""The in-kernel loader's choices, predicted and observed: ``python -m kexeckit.lab.campaign_placer -n 16 --seed 1``.

Each random machine boots once and loads several images with kexec_file_load; the kernel prints where it puts each
buffer, which PT_LOADs it writes and which e820 map it hands over. Refusals are compared by their errno.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from kexeckit.errors import SystemCallError, UnavailableError
from kexeckit.formats.bzimage import parse_bzimage
from kexeckit.formats.firmware_memmap import make_firmware_map, parse_memmap_entry
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.behaviour import behaviour_of
from kexeckit.kernel.file_load import predict_file_load
from kexeckit.kernel.file_load_handover import HandoverMap, crash_memory_map, normal_memory_map
from kexeckit.kernel.file_load_inputs import FileLoadFiles, FileLoadKernel, FileLoadMachine, X86Image
from kexeckit.kernel.version import parse_kernel_version
from kexeckit.lab.compare import Check
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import SUITES, fetch_kernel
from kexeckit.lab.placer_cases import PlacerImage, PlacerMachine, random_images, random_placer_machine
from kexeckit.lab.placer_compare import compare_load, parse_observed
from kexeckit.lab.report import GuestReport, run_guest
from kexeckit.memory.memmap import MemoryMap
from kexeckit.memory.units import MIB

__all__ = ["LoadResult", "run_placer_campaign"]

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
    random = Random(seed)
    for turn in range(machines):
        machine = random_placer_machine(random)
        images = random_images(random, machine, loads)
        pair = (suites[turn % len(suites)], random.choice(SUITES))
        try:
            yield from _run_machine(pair, machine, images)
        except UnavailableError as error:
            yield LoadResult(pair[0], "", str(machine), "", problem=str(error))


def _run_machine(pair: tuple[str, str], machine: PlacerMachine, images: list[PlacerImage]) -> Iterator[LoadResult]:
    kernels = [fetch_kernel(suite).vmlinuz for suite in pair]
    guest = Machine(
        kernels[0],
        memory=machine.memory,
        append=" ".join(machine.words),
        machine_options=(f"max-ram-below-4g={machine.below_4g // MIB}M",),
        extra=("-smp", f"{machine.cpus},maxcpus={machine.max_cpus}"),
    )
    files: tuple[tuple[str, bytes | Path], ...] = (
        (_CASES, json.dumps([_case(i) for i in images]).encode()),
        (_SCRIPT, Path(__file__).with_name("placer_guest.py").read_bytes()),
        *zip(_KERNELS, kernels, strict=True),
    )
    job = f"run placer python3 {_SCRIPT} {_CASES}\n"
    report = run_guest(guest, GuestImage(python=True, job=job, files=files), timeout=400).report("boot")
    if report.number("placer.status"):
        raise UnavailableError(f"the guest's script failed: {report.text('placer.out')[-800:]}")
    answers = json.loads(report.text("placer.out"))
    for image, answer in zip(images, answers["results"], strict=True):
        yield _compare(pair[0], report, (machine, image), kernels[image.kernel], answers, answer)


def _case(image: PlacerImage) -> dict[str, Any]:
    flags = _DEBUG | (_ON_CRASH if image.crash else 0)
    return {"kernel": _KERNELS[image.kernel], "initrd": image.initrd, "cmdline": image.cmdline, "flags": flags}


def _compare(
    suite: str,
    report: GuestReport,
    case: tuple[PlacerMachine, PlacerImage],
    kernel_file: Path,
    answers: dict[str, Any],
    answer: dict[str, Any],
) -> LoadResult:
    image = case[1]
    release = report.text("version").split()[2]
    machine = FileLoadMachine(parse_iomem(report.text("iomem"), "the guest's iomem"))
    kernel = _kernel(release, answers)
    files = FileLoadFiles(image.crash, image.initrd, image.cmdline)
    try:
        plan = predict_file_load(machine, kernel, _header(kernel_file), files)
    except SystemCallError as error:
        checks = [Check("errno", str(error.errno), str(answer["errno"]))]
    else:
        checks = [Check("errno", "0", str(answer["errno"]))]
        seen = parse_observed(answer["lines"])
        if seen.lost:
            return LoadResult(suite, release, str(case[0]), str(image), problem="the guest lost kernel messages")
        if not answer["errno"]:
            handed: HandoverMap = (
                crash_memory_map(machine, kernel, plan) if image.crash else normal_memory_map(_kexec_table(report))
            )
            checks += compare_load(plan, handed, seen)
    return LoadResult(suite, release, str(case[0]), str(image), tuple(checks))


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
    image = parse_bzimage(memoryview(path.read_bytes()), str(path))
    return X86Image(
        file_size=image.file_size,
        setup_sects=image.setup_size // 512 - 1,
        init_size=image.init_size,
        kernel_alignment=image.kernel_alignment,
        pref_address=image.pref_address,
        cmdline_size=image.cmdline_size,
    )


def _kexec_table(report: GuestReport) -> MemoryMap:
    entries = [
        parse_memmap_entry({"start": f"{start:#x}", "end": f"{last:#x}", "type": kind}, "firmware memmap")
        for start, last, kind in report.firmware_memmap()
    ]
    return make_firmware_map(entries, "firmware memmap")


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print it; 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=8, help="how many machines (default: %(default)s)")
    parser.add_argument("--loads", type=int, default=8, help="loads for each machine (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what to draw from (default: %(default)s)")
    parser.add_argument("--suites", default=",".join(SUITES), help="Debian suites, separated by commas")
    parser.add_argument("--out", type=Path, help="append one JSON line per load to this file")
    args = parser.parse_args(argv)
    results = []
    for result in run_placer_campaign(args.n, args.seed, tuple(args.suites.split(",")), args.loads):
        results.append(result)
        _tell(len(results), result)
        if args.out:
            with args.out.open("a") as file:
                file.write(json.dumps({"seed": args.seed, **asdict(result)}) + "\n")
    bad = [r for r in results if r.failed or r.problem]
    equal = sum(len(r.checks) for r in results if not r.failed)
    sys.stdout.write(f"{len(results)} loads, {len(results) - len(bad)} equal in all ({equal} checks), {len(bad)} not\n")
    return 1 if bad else 0


def _tell(number: int, result: LoadResult) -> None:
    outcome = result.problem or (f"{len(result.failed)} DIFFER" if result.failed else f"all {len(result.checks)} equal")
    lines = [f"{number:4} {result.suite} {result.machine}: {result.image}: {outcome}"]
    lines += [f"       {c.subject}: predicted {c.predicted}, observed {c.observed}" for c in result.failed]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
