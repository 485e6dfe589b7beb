"""Reservations of random machines, predicted and then booted: ``make lab-crashkernel N=40``.

Each machine is booted once without words and then with several. Every boot is predicted up to three times: from a
capture of itself (boot log and /proc/iomem), from its own log alone, and from the log of the boot without words plus
the words as typed, which is how a person asks. Logs alone are only compared where the kernel was not put at random.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from kexeckit.errors import KexeckitError
from kexeckit.formats.iomem import parse_iomem
from kexeckit.kernel.reservation.doubt import Candidate
from kexeckit.kernel.reservation.from_machine import reservation_input
from kexeckit.kernel.reservation.predict import Reservation, predict_reservation
from kexeckit.lab.dev.campaign import Booted, Campaign, run_cases
from kexeckit.lab.dev.campaign_command import campaign_parser, run_and_print
from kexeckit.lab.dev.crash_cases import CRASH_FORMS, CrashMachineCase, random_crash_machine, random_crash_words
from kexeckit.lab.image import GuestImage
from kexeckit.lab.machine import EFI_FIRMWARE, Machine
from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.report import GuestReport, run_guest
from kexeckit.memory.units import MIB
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import DirectoryRoot, FileRoot, SingleFile, Sysroot

__all__ = ["CrashBoot", "CrashCampaign", "CrashCase", "boot_crash_case", "crash_campaign", "crash_predictions"]

Regions = tuple[tuple[int, int], ...]

_SUITES = {"x86_64": ("bullseye", "bookworm", "trixie", "sid"), "arm64": ("trixie", "bullseye", "bookworm", "sid")}
_VARIANTS = 4


@dataclass(frozen=True, slots=True)
class CrashBoot(Booted):
    """One boot and its predictions.

    Attributes:
        observed: (start, size) of every region in /proc/iomem, lowest first.
        differ: (source, predicted) of every prediction that was not so.
        predictions: How many predictions were compared.
        left_open: How many of them were "not determined", with what happened among the candidates.
        log: The guest's boot log where something differed.
    """

    observed: Regions = ()
    differ: tuple[tuple[str, str], ...] = ()
    predictions: int = 0
    left_open: int = 0
    log: str = ""


@dataclass(frozen=True, slots=True)
class CrashCase:
    """One boot to come.

    Attributes:
        suite: Debian suite of the kernel.
        machine: The machine.
        form: Form of the words.
        words: The words.
    """

    suite: str
    machine: CrashMachineCase
    form: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class CrashCampaign(Campaign[CrashCase, GuestReport | None, CrashBoot]):
    """Reservations; counted are boots with words, and shared is the boot without.

    Attributes:
        arch: ``x86_64`` or ``arm64``.
        suites: Debian suites whose kernels take turns; empty for all that the campaign knows.
        forms: Forms of words that take turns.
        efi: EFI firmware starts all machines (x86_64).
    """

    arch: str = "x86_64"
    suites: tuple[str, ...] = ()
    forms: tuple[str, ...] = CRASH_FORMS
    efi: bool = False

    def draw(self, count: int, seed: int) -> Iterator[tuple[CrashCase, ...]]:
        """Draw machines, and words for each."""
        random = Random(seed)
        kernels = self.suites or _SUITES[self.arch]
        for turn, done in enumerate(range(0, count, _VARIANTS)):
            machine = replace(random_crash_machine(random, self.arch), efi=self.efi)
            suite = kernels[turn % len(kernels)]
            forms = [self.forms[at % len(self.forms)] for at in range(done, min(done + _VARIANTS, count))]
            yield tuple(CrashCase(suite, machine, form, random_crash_words(random, machine, form)) for form in forms)

    def blank(self, case: CrashCase, problem: str = "") -> CrashBoot:
        """Return a boot that has not happened."""
        machine = case.machine
        return CrashBoot(case.suite, machine.arch, case.form, case.words, _layout(machine), problem=problem)

    def share(self, cases: tuple[CrashCase, ...]) -> GuestReport | None:
        """Boot without words, where the log of that can be compared."""
        first = cases[0]
        # The log of a kernel that was put at random says nothing about its next boot.
        return None if first.machine.kaslr else _run(first.suite, first.machine, ())

    def boot(self, case: CrashCase, shared: GuestReport | None) -> CrashBoot:
        """Boot with words, and compare the predictions."""
        report = boot_crash_case(case)
        tree = parse_iomem(report.text("iomem"), "the guest's iomem")
        observed = tuple((r.start, r.size) for r in tree.crash_regions())
        predicted = list(crash_predictions(case.machine.arch, report, case.words, shared, observed))
        wrong = tuple((name, text) for name, verdict, text in predicted if verdict == "differs")
        return replace(
            self.blank(case),
            release=report.text("version").split()[2],
            observed=observed,
            differ=wrong,
            predictions=len(predicted),
            left_open=sum(1 for _, verdict, _ in predicted if verdict == "open"),
            log=report.text("dmesg") if wrong else "",
        )

    def lines(self, result: CrashBoot) -> Iterator[str]:
        """Tell a boot, and each prediction that differs."""
        rest = f", {result.left_open} open" if result.left_open else ""
        what = f"{result.predictions - result.left_open} equal{rest}: {_text(result.observed)}"
        if result.problem:
            what = result.problem.splitlines()[0]
        elif result.differ:
            what = f"{len(result.differ)} of {result.predictions} differ; observed {_text(result.observed)}"
        kernel = result.release or result.suite
        yield f"{result.arch} {kernel} {result.layout}: {' '.join(result.words)}: {what}"
        for name, text in result.differ:
            yield f"{name}: predicted {text}"


def crash_campaign(count: int, seed: int, arch: str = "x86_64") -> Iterator[CrashBoot]:
    """Boot and compare.

    Args:
        count: How many boots with words.
        seed: What to draw from.
        arch: ``x86_64`` or ``arm64``.

    Yields:
        One result per boot with words, as soon as it is there.
    """
    campaign = CrashCampaign(arch)
    yield from run_cases(campaign, campaign.draw(count, seed))


def boot_crash_case(case: CrashCase) -> GuestReport:
    """Boot a case and return what the guest reports.

    Raises:
        UnavailableError: The guest did not come as far.
    """
    return _run(case.suite, case.machine, case.words)


def crash_predictions(
    arch: str, report: GuestReport, words: tuple[str, ...], plain: GuestReport | None, seen: Regions
) -> Iterator[tuple[str, str, str]]:
    """Predict a boot's reservation from its own capture and log, and from the log of a boot without words.

    Args:
        arch: ``x86_64`` or ``arm64``.
        report: The boot.
        words: Its words.
        plain: The boot without words, or None to predict from the capture alone.
        seen: (start, size) of the regions that the boot has, lowest first.

    Yields:
        The source's name, ``equal``, ``open`` or ``differs``, and what was predicted.
    """
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
        yield "own capture", *_predicted(DirectoryRoot(name), (), arch, seen)
    if plain is None:
        return
    yield "own log", *_predicted(_file(report), (), arch, seen)
    yield "log without words", *_predicted(_file(plain), words, arch, seen)


def _file(report: GuestReport) -> FileRoot:
    return FileRoot(SingleFile("the guest's log", report.data("dmesg")))


def _predicted(root: Sysroot, words: tuple[str, ...], arch: str, seen: Regions) -> tuple[str, str]:
    try:
        found = predict_reservation(reservation_input(read_machine(root, arch=arch), words))
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
        same = [start for start, size in seen if size == region.size]
        if not any(_within(row, start) for row in rows for start in same) and (
            same or all(row.start is not None for row in rows)
        ):
            return False
    return True


def _within(row: Candidate, start: int) -> bool:
    if row.start is None or row.last is None:
        return False
    return row.last <= start <= row.start and (not row.step or (row.start - start) % row.step == 0)


def _text(regions: Regions) -> str:
    return ", ".join(f"{start:#x}+{size:#x}" for start, size in regions) or "nothing"


def _run(suite: str, machine: CrashMachineCase, words: tuple[str, ...]) -> GuestReport:
    options = (f"max-ram-below-4g={machine.below_4g // MIB}M",) if machine.below_4g else ()
    nodes = machine.nodes if len(machine.nodes) > 1 else ()
    padding = (("/padding", _padding(machine.padding)),) if machine.padding else ()
    # The firmware's own memory is only known where the kernel prints its map.
    efi = ("efi=debug",) if machine.efi else ()
    guest = Machine(
        fetch_kernel(suite, machine.arch).vmlinuz,
        arch=machine.arch,
        memory=machine.memory,
        nodes=nodes,
        append=" ".join((*words, *efi)),
        machine_options=options,
        kaslr=machine.kaslr,
        extra=EFI_FIRMWARE if machine.efi else (),
    )
    image = GuestImage(arch=machine.arch, files=padding)
    return run_guest(guest, image, timeout=400).report("boot")


def _padding(size: int) -> bytes:
    return bytes(range(256)) * (size // 256)


def _layout(machine: CrashMachineCase) -> str:
    sizes = "+".join(str(n.memory // MIB) for n in machine.nodes)
    below = f", {machine.below_4g // MIB} MiB below 4 GiB" if machine.below_4g else ""
    more = (", KASLR" if machine.kaslr else "") + (", EFI" if machine.efi else "")
    return f"{sizes} MiB{below}, initrd +{machine.padding // MIB} MiB{more}"


def main(argv: list[str] | None = None) -> int:
    """Run a campaign and print it; 1 where anything differed or has no result."""
    parser = campaign_parser(__doc__, 24, "boots with words")
    parser.add_argument("--arch", default="x86_64", choices=sorted(_SUITES))
    parser.add_argument("--efi", action="store_true", help="machines with EFI firmware (x86_64)")
    args = parser.parse_args(argv)
    return run_and_print(CrashCampaign(args.arch, args.suites, efi=args.efi), args, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
