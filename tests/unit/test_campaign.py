"""What all campaigns share, with guests that are only played: the loop, the command, the file of results."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Event, Semaphore
from typing import Any, ClassVar

import pytest

from kexeckit.errors import InputError, UnavailableError
from kexeckit.lab.dev.campaign import Campaign, Record, run_cases
from kexeckit.lab.dev.campaign_command import campaign_parser, run_and_print
from kexeckit.lab.dev.campaign_crashkernel import CrashCampaign
from kexeckit.lab.dev.campaign_mirror import MirrorCampaign
from kexeckit.lab.dev.campaign_placer import PlacerCampaign
from kexeckit.lab.dev.campaign_tables import TablesCampaign
from kexeckit.lab.dev.campaign_zones import ZonesCampaign
from kexeckit.memory.units import MIB

# What a played guest does when it is booted for the n-th time, from 0.
Guest = Callable[[int], None]


@dataclass(frozen=True)
class Told:
    """A result."""

    machine: int
    case: int
    differ: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Played(Campaign[tuple[int, int], int, Told]):
    """Machines of two cases; which of them die or differ is said beforehand."""

    identity: ClassVar[tuple[str, ...]] = ("machine", "case")

    guests: dict[tuple[int, int], Guest] = field(default_factory=dict)
    shared: dict[int, Guest] = field(default_factory=dict)
    differing: tuple[tuple[int, int], ...] = ()
    booted: list[Any] = field(default_factory=list)

    def draw(self, count: int, seed: int) -> Iterator[tuple[tuple[int, int], ...]]:
        """Machines are numbered, from the seed on."""
        for at in range(0, count, 2):
            yield tuple((100 * seed + at // 2, case) for case in range(min(2, count - at)))

    def blank(self, case: tuple[int, int], problem: str = "") -> Told:
        """Nothing has happened."""
        return Told(*case, problem=problem)

    def share(self, cases: tuple[tuple[int, int], ...]) -> int:
        """Boot a machine."""
        machine = cases[0][0]
        self.booted.append(machine)
        self.shared.get(machine, _lives)(self.booted.count(machine) - 1)
        return machine

    def boot(self, case: tuple[int, int], shared: int) -> Told:
        """Boot a case."""
        assert shared == case[0]
        self.booted.append(case)
        self.guests.get(case, _lives)(self.booted.count(case) - 1)
        return Told(*case, ("address",) if case in self.differing else ())

    def lines(self, result: Told) -> Iterator[str]:
        """Tell what differs below."""
        yield f"machine {result.machine} case {result.case}: {result.problem or len(result.differ)}"
        yield from result.differ


def _lives(_: int) -> None:
    pass


def _dies(_: int) -> None:
    raise UnavailableError("the guest died")


def _dies_once(time: int) -> None:
    if time == 0:
        _dies(time)


def _results(campaign: Played, count: int, jobs: int = 1) -> list[Told]:
    return list(run_cases(campaign, campaign.draw(count, 0), jobs))


def _run(campaign: Campaign[Any, Any, Any], *options: str) -> int:
    return run_and_print(campaign, campaign_parser("", 4, "boots").parse_args(options), sys.stdout)


def _records(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_guest_that_dies_once_gets_another_go() -> None:
    """The shared boot and a case's own; nothing of it is left in the results."""
    campaign = Played(guests={(0, 1): _dies_once}, shared={1: _dies_once})
    assert _results(campaign, 4) == [Told(0, 0), Told(0, 1), Told(1, 0), Told(1, 1)]
    assert campaign.booted == [0, (0, 0), (0, 1), (0, 1), 1, 1, (1, 0), (1, 1)]


def test_a_guest_that_dies_twice_is_a_problem_of_its_case_alone() -> None:
    """The others of its machine are booted; the problem says why."""
    campaign = Played(guests={(0, 0): _dies})
    assert _results(campaign, 2) == [Told(0, 0, problem="the guest died"), Told(0, 1)]
    assert campaign.booted == [0, (0, 0), (0, 0), (0, 1)]


def test_a_shared_boot_that_dies_is_a_problem_of_each_of_its_cases() -> None:
    """There are as many results as cases, whatever happens."""
    results = _results(Played(shared={0: _dies}), 4)
    assert [r.problem for r in results] == ["the guest died", "the guest died", "", ""]


def test_jobs_run_side_by_side() -> None:
    """Two guests wait for each other, which they can only where both run; the cases are those of one job."""
    meeting = Barrier(2, timeout=30)
    guests: dict[tuple[int, int], Guest] = {(m, c): lambda _: _meet(meeting) for m in range(4) for c in range(2)}
    results = _results(Played(guests=guests), 8, jobs=2)
    assert sorted(results, key=str) == _results(Played(), 8)


def _meet(meeting: Barrier) -> None:
    meeting.wait()


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_the_program_ends_the_campaign(jobs: int) -> None:
    """It is not taken for a guest that died, and with several jobs it is not lost either."""

    def broken(_: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _results(Played(guests={(1, 0): broken}), 8, jobs)


def test_breaking_off_starts_no_more_guests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stops reading the results waits for the guests that run, and no others begin."""
    gate = Semaphore(0)

    class Opens(Event):
        def set(self) -> None:
            super().set()
            gate.release(100)

    def waits(_: int) -> None:
        assert gate.acquire(timeout=30)

    monkeypatch.setattr("kexeckit.lab.dev.campaign.Event", Opens)
    others: dict[tuple[int, int], Guest] = {(m, c): waits for m in range(10) for c in range(2) if (m, c) != (0, 0)}
    campaign = Played(guests=others, shared=dict.fromkeys(range(1, 10), waits))
    results = run_cases(campaign, campaign.draw(20, 0), jobs=2)
    assert next(results) == Told(0, 0)
    results.close()  # type: ignore[attr-defined]
    assert set(campaign.booted) <= {0, (0, 0), (0, 1), 1}


@pytest.mark.parametrize(
    ("campaign", "code", "last"),
    [
        (Played(), 0, "4 boots, 4 equal in all, 0 different, 0 without a result"),
        (Played(differing=((101, 0),)), 1, "4 boots, 3 equal in all, 1 different, 0 without a result"),
        (Played(guests={(100, 1): _dies}), 1, "4 boots, 3 equal in all, 0 different, 1 without a result"),
    ],
    ids=["equal", "different", "dead"],
)
def test_summary_and_exit_code(campaign: Played, code: int, last: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Only a campaign that was equal in all succeeds."""
    assert _run(campaign) == code
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_lines_of_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    """A number, then below it what differs."""
    _run(Played(differing=((200, 1),)), "-n", "2", "--seed", "2")
    assert capsys.readouterr().out.splitlines()[:3] == [
        "   1 machine 200 case 0: 0",
        "   2 machine 200 case 1: 1",
        "       address",
    ]


def test_what_has_a_result_is_not_booted_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command goes on, and sums up all; a shared boot happens only where a case of it is left."""
    out = tmp_path / "out"
    _run(Played(), "-n", "3", "--out", str(out))
    again = Played(differing=((102, 1),))
    assert _run(again, "-n", "6", "--out", str(out)) == 1
    assert again.booted == [101, (101, 1), 102, (102, 0), (102, 1)]
    said = capsys.readouterr().out.splitlines()
    assert f"3 of 6 boots have a result in {out} and are not booted again" in said
    assert said[-1] == "6 boots, 5 equal in all, 1 different, 0 without a result"
    done = Played()
    assert _run(done, "-n", "6", "--out", str(out)) == 1
    assert done.booted == []
    assert len(_records(out)) == 6


def test_what_had_a_problem_is_booted(tmp_path: Path) -> None:
    """A problem is no result."""
    out = tmp_path / "out"
    _run(Played(guests={(100, 0): _dies}), "-n", "2", "--out", str(out))
    again = Played()
    assert _run(again, "-n", "2", "--out", str(out)) == 0
    assert again.booted == [100, (100, 0)]
    assert [r["problem"] for r in _records(out)] == ["the guest died", "", ""]


def test_a_case_of_another_seed_is_booted(tmp_path: Path) -> None:
    """Even an equal one: the results of a seed stand for themselves."""

    class Same(Played):
        def draw(self, count: int, seed: int) -> Iterator[tuple[tuple[int, int], ...]]:  # noqa: ARG002
            yield from super().draw(count, 1)

    out = tmp_path / "out"
    for seed in ("1", "2"):
        campaign = Same()
        _run(campaign, "-n", "2", "--seed", seed, "--out", str(out))
        assert campaign.booted == [100, (100, 0), (100, 1)]
    assert [r["seed"] for r in _records(out)] == [1, 1, 2, 2]


def test_a_case_that_is_drawn_twice_needs_two_results(tmp_path: Path) -> None:
    """Equal cases are counted, not merged."""

    class Twice(Played):
        def draw(self, count: int, seed: int) -> Iterator[tuple[tuple[int, int], ...]]:
            yield from ([((seed, 0),)] * count)

    out = tmp_path / "out"
    _run(Twice(), "-n", "1", "--out", str(out))
    again = Twice()
    _run(again, "-n", "3", "--out", str(out))
    assert again.booted.count((1, 0)) == 2


def test_half_a_line_is_taken_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A campaign that was killed while it wrote leaves one, and the next says so and boots that case."""
    out = tmp_path / "out"
    _run(Played(), "-n", "2", "--out", str(out))
    out.write_text(out.read_text()[:-9])
    again = Played()
    assert _run(again, "-n", "2", "--out", str(out)) == 0
    assert f"the last line of {out} was broken off" in capsys.readouterr().out
    assert again.booted == [100, (100, 1)]
    assert [(r["machine"], r["case"]) for r in _records(out)] == [(100, 0), (100, 1)]


@pytest.mark.parametrize("line", ["[1]", "{", "no result"])
def test_a_file_of_something_else_is_refused(line: str, tmp_path: Path) -> None:
    """Nothing is booted, and nothing written to it."""
    out = tmp_path / "out"
    out.write_text(f"{{}}\n{line}\n")
    campaign = Played()
    with pytest.raises(InputError, match=r"out:2: .*expected a result"):
        _run(campaign, "--out", str(out))
    assert campaign.booted == []
    assert out.read_text() == f"{{}}\n{line}\n"


@pytest.mark.parametrize("jobs", ["0", "-1"])
def test_no_jobs_is_a_usage_error(jobs: str) -> None:
    """A campaign without guests would never end."""
    with pytest.raises(SystemExit):
        campaign_parser("", 4, "boots").parse_args(["--jobs", jobs])


CAMPAIGNS: list[Campaign[Any, Any, Any]] = [
    CrashCampaign(),
    CrashCampaign("arm64"),
    ZonesCampaign(),
    ZonesCampaign("arm64"),
    MirrorCampaign(),
    PlacerCampaign(),
    TablesCampaign(),
]
IDS = ["crashkernel", "crashkernel arm64", "zones", "zones arm64", "mirror", "placer", "tables"]


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=IDS)
def test_fewer_cases_are_the_first_of_more(campaign: Campaign[Any, Any, Any]) -> None:
    """So a campaign can be continued with a larger number; another seed has other cases."""

    def cases(count: int, seed: int = 5) -> list[Any]:
        return [case for machine in campaign.draw(count, seed) for case in machine]

    many = cases(30)
    assert cases(30) == many
    for count in (1, 6, 7, 29):
        few = cases(count)
        assert few == many[: len(few)]
        assert len(few) == count * len(many) // 30
    assert cases(30, 6) != many


@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=IDS)
def test_a_record_says_which_case_it_is_of(campaign: Campaign[Any, Any, Any]) -> None:
    """Before its boot and after a problem alike, with what the file of results is searched by."""
    for case in next(iter(campaign.draw(4, 3))):
        before, after = (campaign.record(campaign.blank(case, problem)) for problem in ("", "it died"))
        assert {name: before[name] for name in campaign.identity} == {name: after[name] for name in campaign.identity}
        assert json.loads(json.dumps(after))["problem"] == "it died"
        assert campaign.verdict(after) == "without a result"
        assert "it died" in next(campaign.lines(campaign.blank(case, "it died\nand more")))


def test_the_cases_of_a_seed_stay() -> None:
    """The documents name seeds: what they mean does not change."""
    first = next(CrashCampaign().draw(4, 101))
    assert {(case.suite, case.machine.memory // MIB, case.machine.padding) for case in first} == {
        ("bullseye", 3584, 17936384)
    }
    assert [case.words for case in first] == [
        ("crashkernel=384M",),
        ("crashkernel=8G-:256M",),
        ("crashkernel=192M,high",),
        (
            "memmap=0x1d70000$0x10ed10000",
            "crashkernel=64M,high",
            "memmap=0x9dc000$0x11dfe0000",
            "crashkernel=512M,low",
            "memmap=0x53dc000$0x115bae000",
        ),
    ]
