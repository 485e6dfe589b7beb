"""Zones of random machines, predicted and then booted: ``python -m kexeckit.lab.campaign_zones -n 40 --seed 1``.

Each machine is booted once without zone words and then with several. Every boot is predicted twice: from its own log,
and from the log of the boot without words plus the words as typed, which is how a person asks.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from kexeckit.errors import KexeckitError, UnavailableError
from kexeckit.formats.bootlog.boot import parse_boot_log
from kexeckit.formats.bootlog.zones import printed_movable
from kexeckit.kernel.zones.predict import ZonePrediction, predict_zones
from kexeckit.lab.compare import Check
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.report import GuestReport, run_guest
from kexeckit.lab.zone_cases import FORMS, ZoneCase, ZoneMachineCase, random_machine, random_words
from kexeckit.lab.zone_compare import compare_zones
from kexeckit.memory.units import MIB
from kexeckit.system.sysroot import FileRoot, SingleFile
from kexeckit.system.zone_input import read_zone_question

__all__ = ["BootResult", "run_campaign"]

_SUITES = ("bullseye", "bookworm", "trixie", "sid")
_VARIANTS = 3


@dataclass(frozen=True, slots=True)
class BootResult:
    """One boot and its two predictions.

    Attributes:
        suite: Debian suite of the kernel.
        arch: Architecture.
        form: Form of the words.
        words: The words.
        layout: The machine, in words.
        release: What ``uname -r`` said.
        movable: How many nodes got a ZONE_MOVABLE.
        failed: Checks that did not agree, with the prediction they belong to; empty when all agreed.
        checks: How many checks were made.
        problem: Why there is no result, or empty.
    """

    suite: str
    arch: str
    form: str
    words: tuple[str, ...]
    layout: str
    release: str = ""
    movable: int = 0
    failed: tuple[tuple[str, Check], ...] = ()
    checks: int = 0
    problem: str = ""


def run_campaign(
    count: int, seed: int, arch: str = "x86_64", suites: tuple[str, ...] = _SUITES
) -> Iterator[BootResult]:
    """Boot and compare.

    Args:
        count: How many boots.
        seed: What to draw from.
        arch: ``x86_64`` or ``arm64``.
        suites: Debian suites whose kernels take turns.

    Yields:
        One result per boot, as soon as it is there.
    """
    random = Random(seed)
    done = turn = 0
    while done < count:
        machine = random_machine(random, arch)
        suite = suites[turn % len(suites)]
        # One step further each time around, so that every kernel meets every form.
        begin = turn * _VARIANTS + turn // len(suites)
        forms = ["none", *(FORMS[1 + (begin + k) % (len(FORMS) - 1)] for k in range(_VARIANTS))]
        if machine.srat:
            forms[1] = "movable_node"
        turn += 1
        plain: GuestReport | None = None
        for form in forms[: count - done]:
            words = () if plain is None else random_words(random, machine, form)
            result, report = _boot(suite, machine, ZoneCase(form, words), plain)
            plain = plain or report
            done += 1
            yield result
            if plain is None:
                break


def _boot(
    suite: str, machine: ZoneMachineCase, case: ZoneCase, plain: GuestReport | None
) -> tuple[BootResult, GuestReport | None]:
    layout = _layout(machine)
    try:
        report = _run_again(suite, machine, case.words)
    except UnavailableError as error:
        return BootResult(suite, machine.arch, case.form, case.words, layout, problem=str(error)), None
    failed: list[tuple[str, Check]] = []
    checks = 0
    sources: dict[str, tuple[GuestReport, list[str]]] = {"own log": (report, [])}
    if plain is not None:
        sources["log without words"] = (plain, list(case.words))
    for name, (source, typed) in sources.items():
        try:
            prediction = _predict(source, typed, machine.arch)
        except KexeckitError as error:
            failed.append((name, Check("prediction", str(error), "")))
            continue
        for check in compare_zones(prediction, report):
            checks += 1
            if not check.agrees:
                failed.append((name, check))
    release = report.text("version").split()[2]
    starts = printed_movable(parse_boot_log(report.text("dmesg"), "the guest's log")) or {}
    result = BootResult(suite, machine.arch, case.form, case.words, layout, release, len(starts), tuple(failed), checks)
    return result, report


def _run_again(suite: str, machine: ZoneMachineCase, words: tuple[str, ...]) -> GuestReport:
    # Under emulation a guest now and then dies of corrupted flags, long after its zones were made; it gets another go.
    try:
        return _run(suite, machine, words)
    except UnavailableError:
        return _run(suite, machine, words)


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


def _predict(report: GuestReport, typed: list[str], arch: str) -> ZonePrediction:
    root = FileRoot(SingleFile("the guest's log", report.data("dmesg")))
    question = read_zone_question(root, typed, arch)
    return predict_zones(question.machine, question.parameters, question.behaviour)


def _layout(machine: ZoneMachineCase) -> str:
    sizes = "+".join(str(n.memory // MIB) for n in machine.nodes)
    own = ", own SRAT" if machine.srat else ""
    return f"{sizes} MiB in {len(machine.nodes)} nodes, {machine.below_4g // MIB} MiB below 4 GiB{own}"


def _line(number: int, result: BootResult) -> str:
    outcome = result.problem.splitlines()[0] if result.problem else f"{len(result.failed)} of {result.checks} differ"
    if not result.problem and not result.failed:
        outcome = f"all {result.checks} equal"
    words = " ".join(result.words) or "(no words)"
    return f"{number:4} {result.suite} {result.arch} {result.release} {result.layout}: {words}: {outcome}"


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print it; 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=16, help="how many boots (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what to draw from (default: %(default)s)")
    parser.add_argument("--arch", default="x86_64", choices=("x86_64", "arm64"))
    parser.add_argument("--suites", default="", help="Debian suites, separated by commas")
    parser.add_argument("--out", type=Path, help="append one JSON line per boot to this file")
    args = parser.parse_args(argv)
    suites = tuple(args.suites.split(",")) if args.suites else (_SUITES if args.arch == "x86_64" else ("trixie",))
    differ = problems = total = 0
    for number, result in enumerate(run_campaign(args.n, args.seed, args.arch, suites), 1):
        _say(_line(number, result))
        for name, check in result.failed:
            _say(f"       {name}: {check.subject}: predicted {check.predicted}, observed {check.observed}")
        total += 1
        differ += bool(result.failed)
        problems += bool(result.problem)
        if args.out:
            with args.out.open("a") as file:
                file.write(json.dumps(_record(result, args.seed)) + "\n")
    _say(f"{total} boots, {total - differ - problems} equal in all, {differ} different, {problems} without a result")
    return 1 if differ or problems else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _record(result: BootResult, seed: int) -> dict[str, object]:
    return {
        "seed": seed,
        "suite": result.suite,
        "arch": result.arch,
        "release": result.release,
        "form": result.form,
        "words": list(result.words),
        "layout": result.layout,
        "movable": result.movable,
        "checks": result.checks,
        "differ": [[name, c.subject, c.predicted, c.observed] for name, c in result.failed],
        "problem": result.problem,
    }


if __name__ == "__main__":
    sys.exit(main())
