"""The command of a campaign: its options, its lines, the file of its results, and the sum at the end.

A campaign that was broken off goes on with the same command: what its file has a result of is not booted again.
"""

import argparse
import json
import os
from collections import Counter
from pathlib import Path
from typing import TextIO

from kexeckit.errors import InputError
from kexeckit.lab.compare import Check
from kexeckit.lab.dev.campaign import DIFFERENT, NO_RESULT, Campaign, CaseT, Record, ResultT, SharedT, run_cases

__all__ = ["campaign_parser", "check_line", "outcome", "run_and_print"]

_MOST = 600


def campaign_parser(description: str | None, count: int, what: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every campaign has.

    Args:
        description: What the campaign is about.
        count: How many it draws by default.
        what: Of what.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=count, help=f"how many {what} (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what to draw from (default: %(default)s)")
    parser.add_argument("--suites", type=_words, default=(), help="Debian suites, separated by commas")
    parser.add_argument("--jobs", type=_positive, default=1, help="guests that run at a time (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, help="append each result to this file; what it has of this seed is not booted again"
    )
    return parser


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"one guest at least, not {number}")
    return number


def run_and_print(campaign: Campaign[CaseT, SharedT, ResultT], args: argparse.Namespace, out: TextIO) -> int:
    """Run a campaign as its options say, print it, and append its results to a file where that is wanted.

    Args:
        campaign: The campaign.
        args: What a parser by campaign_parser gave.
        out: Where to print.

    Returns:
        0 where all was equal (or as warned), also in the results of earlier runs; else 1.

    Raises:
        InputError: The file has a line that is no result.
    """
    machines = list(campaign.draw(args.n, args.seed))
    earlier = _read(args.out, out) if args.out else []
    left, known = _without(campaign, machines, earlier, args.seed)
    if known:
        total = sum(map(len, machines))
        _say(out, f"{len(known)} of {total} {campaign.unit} have a result in {args.out} and are not booted again")
    counts = Counter(campaign.verdict(record) for record in known)
    for number, result in enumerate(run_cases(campaign, left, args.jobs), len(known) + 1):
        record = {"seed": args.seed, **campaign.record(result)}
        if args.out:
            with args.out.open("a") as file:
                file.write(json.dumps(record) + "\n")
        counts[campaign.verdict(record)] += 1
        first, *rest = campaign.lines(result)
        _say(out, "\n".join([f"{number:4} {first}", *(f"       {line}" for line in rest)]))
    _say(out, f"{counts.total()} {campaign.unit}, " + ", ".join(f"{counts[v]} {v}" for v in campaign.verdicts))
    return 1 if counts[DIFFERENT] or counts[NO_RESULT] else 0


def _say(out: TextIO, text: str) -> None:
    out.write(text + "\n")
    out.flush()


def _read(path: Path, out: TextIO) -> list[Record]:
    # A campaign that is killed may leave half a line, of a result that then has to be made again.
    data = path.read_bytes() if path.exists() else b""
    whole, end, rest = data.rpartition(b"\n")
    if rest:
        os.truncate(path, len(whole + end))
        _say(out, f"the last line of {path} was broken off; it is taken out")
    return [_parsed(line, path, number) for number, line in enumerate(whole.splitlines(), 1)]


def _parsed(line: bytes, path: Path, number: int) -> Record:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise InputError(str(path), str(error), expected="a result in JSON", line=number) from error
    if not isinstance(record, dict):
        raise InputError(str(path), f"{record!r}", expected="a result in JSON", line=number)
    return record


# What is left to boot, and the records of the rest. A record of a problem is not a result.
def _without(
    campaign: Campaign[CaseT, SharedT, ResultT], machines: list[tuple[CaseT, ...]], earlier: list[Record], seed: int
) -> tuple[list[tuple[CaseT, ...]], list[Record]]:
    records: dict[str, list[Record]] = {}
    for record in earlier:
        if not record.get("problem"):
            records.setdefault(_identity(campaign, record), []).append(record)
    left, known = [], []
    for cases in machines:
        missing = []
        for case in cases:
            found = records.get(_identity(campaign, {"seed": seed, **campaign.record(campaign.blank(case))}))
            if found:
                known.append(found.pop(0))
            else:
                missing.append(case)
        if missing:
            left.append(tuple(missing))
    return left, known


def _identity(campaign: Campaign[CaseT, SharedT, ResultT], record: Record) -> str:
    return json.dumps([record.get(name) for name in ("seed", *campaign.identity)])


def outcome(problem: str, differ: int, checks: int) -> str:
    """Tell in a word or two what became of a case.

    Args:
        problem: Why there is no result, or empty.
        differ: How many checks differ.
        checks: How many were made.
    """
    if problem:
        return problem.splitlines()[0]
    return f"{differ} of {checks} differ" if differ else f"all {checks} equal"


def check_line(check: Check) -> str:
    """Tell a check that differs; of a long side, the beginning."""
    return f"{check.subject}: predicted {check.predicted[:_MOST]}, observed {check.observed[:_MOST]}"
