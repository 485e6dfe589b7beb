"""Mirrored memory on real kernels: ``python -m kexeckit.lab.campaign_mirror -n 20 --seed 1``.

A guest boots, loads the same kernel again with our own loader and an EFI memory map that calls some memory mirrored,
and starts it. The zones of that second kernel are predicted twice: from its own log, and from the log of the first
kernel plus the words as typed plus the raw EFI map.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kexeckit.errors import KexeckitError, UnavailableError
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.zones import printed_movable
from kexeckit.kernel.zones.predict import ZonePrediction, predict_zones
from kexeckit.lab.compare import Check
from kexeckit.lab.machine import Machine
from kexeckit.lab.mirror_cases import MirrorCase, mirror_cases, raw_efi_map
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.pyz import pyz_bytes
from kexeckit.lab.report import GuestReport, GuestRun, run_guest
from kexeckit.lab.second import INITRD, KERNEL, SecondKernel, second_kernel_image
from kexeckit.lab.zone_compare import compare_zones
from kexeckit.memory.units import MIB
from kexeckit.system.sysroot import FileRoot, SingleFile
from kexeckit.system.zone_input import read_zone_question

__all__ = ["MirrorResult", "run_mirror_campaign", "run_mirror_case"]

_SUITES = ("trixie", "sid", "bookworm", "bullseye")
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


def run_mirror_campaign(
    count: int, seed: int, suites: tuple[str, ...] = _SUITES, first: int = 0
) -> Iterator[MirrorResult]:
    """Run cases one after the other, from number `first` on, kernels taking turns; yields each result at once."""
    for number, case in enumerate(mirror_cases(count, seed)):
        if number < first:
            continue
        yield run_mirror_case(suites[number % len(suites)], case)


def run_mirror_case(suite: str, case: MirrorCase) -> MirrorResult:
    """Run one case."""
    machine = Machine(
        fetch_kernel(suite).vmlinuz,
        nodes=case.machine.nodes,
        append="log_buf_len=1M",
        machine_options=(f"max-ram-below-4g={case.machine.below_4g // MIB}M",),
    )
    raw = raw_efi_map(case.machine.ram, case.mirrored)
    try:
        run = _run(machine, case, raw)
        first = run.report("boot")
    except UnavailableError as error:
        return MirrorResult(suite, case, problem=str(error))
    if "second" not in run.reports and _may_die(case, raw, first):
        return MirrorResult(suite, case, died_as_warned=True)
    try:
        second = run.report("second")
    except UnavailableError as error:
        return MirrorResult(suite, case, problem=str(error))
    return _compared(suite, case, raw, first, second)


def _may_die(case: MirrorCase, raw: bytes, first: GuestReport) -> bool:
    return any("may die of it at boot" in w for w in _predict(first, list(case.words), raw).warnings)


def _run(machine: Machine, case: MirrorCase, raw: bytes) -> GuestRun:
    words = " ".join([_WORDS, *case.words])
    load = f"python3 {_PROGRAM} load --quiet --syscall load --efi-map {_MAP}"
    second = SecondKernel(
        load=f"{load} {KERNEL} --initrd {INITRD} --append '{words}'",
        start=f"run exec python3 {_PROGRAM} exec --now --yes",
    )
    image = second_kernel_image(machine, second, files=((_PROGRAM, pyz_bytes()), (_MAP, raw)))
    return run_guest(machine, image, timeout=300)


def _compared(suite: str, case: MirrorCase, raw: bytes, first: GuestReport, second: GuestReport) -> MirrorResult:
    failed: list[tuple[str, Check]] = []
    checks = 0
    for name, report, typed, efi_map in (
        ("own log", second, [], None),
        ("first log, words and EFI map", first, list(case.words), raw),
    ):
        try:
            prediction = _predict(report, typed, efi_map)
        except KexeckitError as error:
            failed.append((name, Check("prediction", str(error), "")))
            continue
        for check in compare_zones(prediction, second):
            checks += 1
            if not check.agrees:
                failed.append((name, check))
    starts = printed_movable(parse_boot_log(second.text("dmesg"), "the guest's log")) or {}
    return MirrorResult(suite, case, second.text("version").split()[2], len(starts), tuple(failed), checks)


def _predict(report: GuestReport, typed: list[str], efi_map: bytes | None) -> ZonePrediction:
    root = FileRoot(SingleFile("the guest's log", report.data("dmesg")))
    question = read_zone_question(root, typed, "x86_64", raw_efi_map=efi_map)
    return predict_zones(question.machine, question.parameters, question.behaviour)


def _line(number: int, result: MirrorResult) -> str:
    case = result.case
    sizes = "+".join(str(n.memory // MIB) for n in case.machine.nodes)
    outcome = result.problem.splitlines()[0] if result.problem else f"{len(result.failed)} of {result.checks} differ"
    if result.died_as_warned:
        outcome = "died at boot, as warned"
    elif not result.problem and not result.failed:
        outcome = f"all {result.checks} equal, {result.movable} nodes with Movable"
    layout = (
        f"{sizes} MiB, {case.machine.below_4g // MIB} below 4 GiB, {len(case.mirrored)} mirrored ranges ({case.name})"
    )
    return f"{number:4} {result.suite} {result.release} {layout}: {' '.join(case.words)}: {outcome}"


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print it; 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20, help="how many layouts (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what to draw from (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of the first layout to run (default: %(default)s)")
    parser.add_argument("--suites", default="", help="Debian suites, separated by commas")
    parser.add_argument("--out", type=Path, help="append one JSON line per layout to this file")
    args = parser.parse_args(argv)
    suites = tuple(args.suites.split(",")) if args.suites else _SUITES
    differ = problems = died = total = 0
    for number, result in enumerate(run_mirror_campaign(args.n, args.seed, suites, args.first), args.first + 1):
        _say(_line(number, result))
        for name, check in result.failed:
            _say(f"       {name}: {check.subject}: predicted {check.predicted}, observed {check.observed}")
        total += 1
        differ += bool(result.failed)
        problems += bool(result.problem)
        died += result.died_as_warned
        if args.out:
            with args.out.open("a") as file:
                file.write(json.dumps(_record(result, args.seed)) + "\n")
    equal = total - differ - problems - died
    _say(
        f"{total} layouts, {equal} equal in all, {died} died as warned, {differ} different, {problems} without a result"
    )
    return 1 if differ or problems else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _record(result: MirrorResult, seed: int) -> dict[str, object]:
    return {
        "seed": seed,
        "suite": result.suite,
        "release": result.release,
        "shape": result.case.name,
        "nodes": [n.memory for n in result.case.machine.nodes],
        "below_4g": result.case.machine.below_4g,
        "mirrored": [[r.start, r.end] for r in result.case.mirrored],
        "words": list(result.case.words),
        "movable": result.movable,
        "checks": result.checks,
        "differ": [[name, c.subject, c.predicted, c.observed] for name, c in result.failed],
        "problem": result.problem,
        "died_as_warned": result.died_as_warned,
    }


if __name__ == "__main__":
    sys.exit(main())
