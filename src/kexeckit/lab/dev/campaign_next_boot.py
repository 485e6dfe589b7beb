"""The next boots of random machines: ``make lab-next-boot N=600``.

Each machine is booted once without words and then several times with them; all that its kernel shows is kept of every
boot, in a folder of its own. What is there is not booted again. Then the boot without words is asked about those with
them, and the answers are judged; ``--again`` does that alone, with all that is kept.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kexeckit.lab.cache import cache_folder
from kexeckit.lab.dev.campaign import NO_RESULT, Campaign, Record
from kexeckit.lab.dev.campaign_command import campaign_parser, run_and_print
from kexeckit.lab.dev.next_boot_ask import judge_kept
from kexeckit.lab.dev.next_boot_cases import NextMachine, next_machines
from kexeckit.lab.dev.next_boot_guest import keep_boot
from kexeckit.lab.dev.next_boot_table import false_certainties, report

__all__ = ["KeptBoot", "NextBoot", "NextBootCampaign"]

_KEPT = "kept"


@dataclass(frozen=True, slots=True)
class NextBoot:
    """One boot to come.

    Attributes:
        name: Name of its folder: seed, number of the machine, number of the boot.
        machine: The machine.
        words: The words; none for the first boot.
    """

    name: str
    machine: NextMachine
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeptBoot:
    """One boot that was kept, or not.

    Attributes:
        name: Name of its folder.
        suite: Debian suite of the kernel.
        layout: The machine, in words.
        words: The words.
        differ: Nothing: what is kept is compared later.
        problem: Why it was not kept, or empty.
    """

    name: str
    suite: str
    layout: str
    words: tuple[str, ...]
    differ: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class NextBootCampaign(Campaign[NextBoot, None, KeptBoot]):
    """Boots to keep; counted are all, of which each machine's first has no words.

    Attributes:
        folder: Where they are kept.
        suites: Debian suites whose machines are booted; empty for all.
    """

    identity = ("name",)
    verdicts = (_KEPT, NO_RESULT)
    folder: Path = Path()
    suites: tuple[str, ...] = ()

    def draw(self, count: int, seed: int) -> Iterator[tuple[NextBoot, ...]]:
        """Draw machines, and words for each."""
        for number, (machine, words) in enumerate(next_machines(seed), 1):
            if self.suites and machine.suite not in self.suites:
                continue
            boots = enumerate(((), *words)[:count])
            cases = tuple(NextBoot(f"{seed}-{number:03}-{at}", machine, said) for at, said in boots)
            yield cases
            count -= len(cases)
            if count <= 0:
                return

    def blank(self, case: NextBoot, problem: str = "") -> KeptBoot:
        """Return a boot that has not happened."""
        return KeptBoot(case.name, case.machine.suite, case.machine.layout, case.words, problem=problem)

    def share(self, cases: tuple[NextBoot, ...]) -> None:
        """Boot without words; where that fails there is nothing to ask."""
        self.boot(cases[0], None)

    def boot(self, case: NextBoot, shared: None) -> KeptBoot:  # noqa: ARG002 - what is shared lies in its folder
        """Boot and keep."""
        keep_boot(case.machine, case.words, self.folder / case.name)
        return self.blank(case)

    def lines(self, result: KeptBoot) -> Iterator[str]:
        """Tell a boot."""
        what = result.problem or "kept"
        yield f"{result.name} {result.suite} {result.layout}: {' '.join(result.words) or '(no words)'}: {what}"

    def verdict(self, record: Record) -> str:
        """Say whether a boot was kept."""
        return NO_RESULT if record["problem"] else _KEPT


def main(argv: list[str] | None = None) -> int:
    """Run a campaign, ask about all kept boots, and print both; 1 where there is a fault or a boot has no result."""
    parser = campaign_parser(__doc__, 24, "boots")
    kept = cache_folder() / "next-boots"
    parser.add_argument("--keep", type=Path, default=kept, metavar="DIR", help="where boots are kept (%(default)s)")
    parser.add_argument("--again", action="store_true", help="boot nothing")
    args = parser.parse_args(argv)
    args.keep.mkdir(parents=True, exist_ok=True)
    status = 0 if args.again else run_and_print(NextBootCampaign(args.keep, args.suites), args, sys.stdout)
    boots = list(judge_kept(args.keep))
    sys.stdout.write(report(boots) + "\n")
    return 1 if any(false_certainties(boots)) else status


if __name__ == "__main__":
    sys.exit(main())
