"""Reservations of random machines, predicted and then booted: ``python -m kexeckit.lab.campaign_crashkernel -n 40``.

Each machine is booted once without words and then with several. Every boot is predicted up to three times: from a
capture of itself (boot log and /proc/iomem), from its own log alone, and from the log of the boot without words plus
the words as typed, which is how a person asks. Logs alone are only compared where the kernel was not put at random.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from kexeckit.errors import KexeckitError, UnavailableError
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.crashkernel.doubt import Candidate
from kexeckit.kernel.crashkernel.predict import Reservation, predict_reservation
from kexeckit.lab.crash_cases import CRASH_FORMS, CrashMachineCase, random_crash_machine, random_crash_words
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import Machine
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.report import GuestReport, run_guest
from kexeckit.memory.units import MIB
from kexeckit.system.reservation_input import read_reservation_input
from kexeckit.system.sysroot import DirectoryRoot, FileRoot, SingleFile, Sysroot

__all__ = ["CrashBoot", "crash_campaign"]

Regions = tuple[tuple[int, int], ...]

_SUITES = {"x86_64": ("bullseye", "bookworm", "trixie", "sid"), "arm64": ("trixie", "bullseye", "bookworm", "sid")}
_VARIANTS = 4


@dataclass(frozen=True, slots=True)
class CrashBoot:
    """One boot and its predictions.

    Attributes:
        suite: Debian suite of the kernel.
        arch: Architecture.
        form: Form of the words.
        words: The words.
        layout: The machine, in words.
        release: What ``uname -r`` said.
        observed: (start, size) of every region in /proc/iomem, lowest first.
        differ: (source, predicted) of every prediction that was not so.
        predictions: How many predictions were compared.
        left_open: How many of them were "not determined", with what happened among the candidates.
        problem: Why there is no result, or empty.
        log: The guest's boot log where something differed.
    """

    suite: str
    arch: str
    form: str
    words: tuple[str, ...]
    layout: str
    release: str = ""
    observed: Regions = ()
    differ: tuple[tuple[str, str], ...] = ()
    predictions: int = 0
    left_open: int = 0
    problem: str = ""
    log: str = ""


def crash_campaign(
    count: int, seed: int, arch: str = "x86_64", suites: tuple[str, ...] = (), forms: tuple[str, ...] = CRASH_FORMS
) -> Iterator[CrashBoot]:
    """Boot and compare.

    Args:
        count: How many boots with words.
        seed: What to draw from.
        arch: ``x86_64`` or ``arm64``.
        suites: Debian suites whose kernels take turns; empty for all that the campaign knows.
        forms: Forms of words that take turns.

    Yields:
        One result per boot with words, as soon as it is there.
    """
    random = Random(seed)
    kernels = suites or _SUITES[arch]
    done = turn = 0
    while done < count:
        machine = random_crash_machine(random, arch)
        suite = kernels[turn % len(kernels)]
        turn += 1
        try:
            plain = None if machine.kaslr else _run_again(suite, machine, ())
        except UnavailableError as error:
            yield CrashBoot(suite, arch, "none", (), _layout(machine), problem=str(error))
            done += 1
            continue
        for _ in range(min(_VARIANTS, count - done)):
            form = forms[done % len(forms)]
            yield _boot(suite, machine, form, random_crash_words(random, machine, form), plain)
            done += 1


def _boot(
    suite: str, machine: CrashMachineCase, form: str, words: tuple[str, ...], plain: GuestReport | None
) -> CrashBoot:
    layout = _layout(machine)
    try:
        report = _run_again(suite, machine, words)
    except UnavailableError as error:
        return CrashBoot(suite, machine.arch, form, words, layout, problem=str(error))
    tree = parse_iomem(report.text("iomem"), "the guest's iomem")
    observed = tuple((r.start, r.size) for r in tree.crash_regions())
    predicted = list(_predictions(machine, report, words, plain, observed))
    wrong = tuple((name, text) for name, verdict, text in predicted if verdict == "differs")
    left_open = sum(1 for _, verdict, _ in predicted if verdict == "open")
    release = report.text("version").split()[2]
    log = report.text("dmesg") if wrong else ""
    return CrashBoot(
        suite, machine.arch, form, words, layout, release, observed, wrong, len(predicted), left_open, "", log
    )


def _predictions(
    machine: CrashMachineCase, report: GuestReport, words: tuple[str, ...], plain: GuestReport | None, seen: Regions
) -> Iterator[tuple[str, str, str]]:
    # (source, verdict, predicted) of each prediction.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "proc").mkdir()
        (folder / "dmesg").write_bytes(report.data("dmesg"))
        (folder / "proc/iomem").write_bytes(report.data("iomem"))
        (folder / "proc/cmdline").write_bytes(report.data("cmdline"))
        for part in ("memory", "reserved"):
            if f"memblock_{part}" in report.records:
                at = folder / "sys/kernel/debug/memblock" / part
                at.parent.mkdir(parents=True, exist_ok=True)
                at.write_bytes(report.data(f"memblock_{part}"))
        yield "own capture", *_predicted(DirectoryRoot(name), (), machine.arch, seen)
    if plain is None:
        return
    yield "own log", *_predicted(_file(report), (), machine.arch, seen)
    yield "log without words", *_predicted(_file(plain), words, machine.arch, seen)


def _file(report: GuestReport) -> FileRoot:
    return FileRoot(SingleFile("the guest's log", report.data("dmesg")))


def _predicted(root: Sysroot, words: tuple[str, ...], arch: str, seen: Regions) -> tuple[str, str]:
    try:
        found = predict_reservation(read_reservation_input(root, words, arch))
    except KexeckitError as error:
        return "differs", f"error: {error}"
    shown = [(r.start, r.size, r.kind) for r in found.regions if r.name]
    if found.outcome in ("failed", "none"):
        return ("equal" if not seen else "differs"), "nothing"
    if all(start is not None for start, _, _ in shown):
        regions = tuple(sorted((start or 0, size) for start, size, _ in shown))
        return ("equal" if regions == seen else "differs"), _text(regions)
    return ("open" if _possible(found, seen) else "differs"), "; ".join(d.text for d in found.doubts if d.decides)


def _possible(found: Reservation, seen: Regions) -> bool:
    # An answer that is left open has to name what happened among the possible addresses.
    for region in (r for r in found.regions if r.name and r.start is None):
        rows = [c for c in found.candidates if c.part == region.kind]
        if not any(_within(row, start) for row in rows for start, size in seen if size == region.size):
            return not seen and any(row.start is None for row in rows)
    return True


def _within(row: Candidate, start: int) -> bool:
    if row.start is None or row.last is None:
        return False
    return row.last <= start <= row.start and (not row.step or (row.start - start) % row.step == 0)


def _text(regions: Regions) -> str:
    return ", ".join(f"{start:#x}+{size:#x}" for start, size in regions) or "nothing"


def _run_again(suite: str, machine: CrashMachineCase, words: tuple[str, ...]) -> GuestReport:
    # Under emulation a guest now and then dies of corrupted flags; it gets another go.
    try:
        return _run(suite, machine, words)
    except UnavailableError:
        return _run(suite, machine, words)


def _run(suite: str, machine: CrashMachineCase, words: tuple[str, ...]) -> GuestReport:
    options = (f"max-ram-below-4g={machine.below_4g // MIB}M",) if machine.below_4g else ()
    nodes = machine.nodes if len(machine.nodes) > 1 else ()
    padding = (("/padding", _padding(machine.padding)),) if machine.padding else ()
    guest = Machine(
        fetch_kernel(suite, machine.arch).vmlinuz,
        arch=machine.arch,
        memory=machine.memory,
        nodes=nodes,
        append=" ".join(words),
        machine_options=options,
        kaslr=machine.kaslr,
    )
    image = GuestImage(arch=machine.arch, files=padding)
    return run_guest(guest, image, timeout=400).report("boot")


def _padding(size: int) -> bytes:
    return bytes(range(256)) * (size // 256)


def _layout(machine: CrashMachineCase) -> str:
    sizes = "+".join(str(n.memory // MIB) for n in machine.nodes)
    below = f", {machine.below_4g // MIB} MiB below 4 GiB" if machine.below_4g else ""
    kaslr = ", KASLR" if machine.kaslr else ""
    return f"{sizes} MiB{below}, initrd +{machine.padding // MIB} MiB{kaslr}"


def _line(number: int, boot: CrashBoot) -> str:
    rest = f", {boot.left_open} open" if boot.left_open else ""
    outcome = f"{boot.predictions - boot.left_open} equal{rest}: {_text(boot.observed)}"
    if boot.problem:
        outcome = boot.problem.splitlines()[0]
    elif boot.differ:
        outcome = f"{len(boot.differ)} of {boot.predictions} differ; observed {_text(boot.observed)}"
    return f"{number:4} {boot.arch} {boot.release or boot.suite} {boot.layout}: {' '.join(boot.words)}: {outcome}"


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print it; 1 where anything differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=24, help="how many boots with words (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what to draw from (default: %(default)s)")
    parser.add_argument("--arch", default="x86_64", choices=("x86_64", "arm64"))
    parser.add_argument("--suites", default="", help="Debian suites, separated by commas")
    parser.add_argument("--out", type=Path, help="append one JSON line per boot to this file")
    args = parser.parse_args(argv)
    suites = tuple(args.suites.split(",")) if args.suites else ()
    differ = problems = total = 0
    for number, boot in enumerate(crash_campaign(args.n, args.seed, args.arch, suites), 1):
        _say(_line(number, boot))
        for name, text in boot.differ:
            _say(f"       {name}: predicted {text}")
        total += 1
        differ += bool(boot.differ)
        problems += bool(boot.problem)
        if args.out:
            with args.out.open("a") as file:
                file.write(json.dumps(_record(boot, args.seed)) + "\n")
    _say(f"{total} boots, {total - differ - problems} equal in all, {differ} different, {problems} without a result")
    return 1 if differ or problems else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _record(boot: CrashBoot, seed: int) -> dict[str, object]:
    return {
        "seed": seed,
        "suite": boot.suite,
        "arch": boot.arch,
        "release": boot.release,
        "form": boot.form,
        "words": list(boot.words),
        "layout": boot.layout,
        "observed": [list(r) for r in boot.observed],
        "predictions": boot.predictions,
        "left_open": boot.left_open,
        "differ": [list(d) for d in boot.differ],
        "problem": boot.problem,
        "log": boot.log,
    }


if __name__ == "__main__":
    sys.exit(main())
