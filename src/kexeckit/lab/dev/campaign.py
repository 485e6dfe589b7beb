"""What a campaign is, and the loop that runs it: draw cases, boot them, compare.

All cases are drawn before the first boot. So a seed means the same cases whatever becomes of the guests, however many
of them run at a time, and when a campaign goes on where it was broken off.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from kexeckit.errors import KexeckitError

__all__ = ["DIFFERENT", "EQUAL", "NO_RESULT", "Booted", "Campaign", "Record", "Result", "run_cases"]

Record = dict[str, Any]
"""A result as it is written down, ready for JSON."""

EQUAL, DIFFERENT, NO_RESULT = "equal in all", "different", "without a result"
"""Verdicts on a result."""


class Result(Protocol):
    """What became of a case."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def problem(self) -> str:
        """Why nothing could be compared, or empty."""


@dataclass(frozen=True, slots=True)
class Booted:
    """What is told of one boot under words, whatever is compared; the fields up to the machine are its identity.

    Attributes:
        suite: Debian suite of the kernel.
        arch: Architecture.
        form: Form of the words.
        words: The words.
        layout: The machine, in words.
        release: What ``uname -r`` said.
        problem: Why there is no result, or empty.
    """

    suite: str
    arch: str
    form: str
    words: tuple[str, ...]
    layout: str
    release: str = ""
    problem: str = ""


CaseT = TypeVar("CaseT")
SharedT = TypeVar("SharedT")
ResultT = TypeVar("ResultT", bound=Result)
T = TypeVar("T")


class Campaign(ABC, Generic[CaseT, SharedT, ResultT]):
    """Cases of one kind, and how each is booted, compared and told.

    Attributes:
        unit: What is counted: ``boots``, ``loads``, ...
        identity: Fields of a record that say, with the seed, which case it is of.
        verdicts: Verdicts that the summary counts.
    """

    unit: ClassVar[str] = "boots"
    identity: ClassVar[tuple[str, ...]] = ("suite", "arch", "form", "words", "layout")
    verdicts: ClassVar[tuple[str, ...]] = (EQUAL, DIFFERENT, NO_RESULT)

    @abstractmethod
    def draw(self, count: int, seed: int) -> Iterator[tuple[CaseT, ...]]:
        """Draw cases; the cases of a smaller count are the first ones of a larger.

        Args:
            count: How many; of what, the campaign says.
            seed: What to draw from.

        Yields:
            Cases that share a machine, and so a first boot.
        """

    @abstractmethod
    def blank(self, case: CaseT, problem: str = "") -> ResultT:
        """Return the result of a case as it is before its boot, or where that came to nothing."""

    @abstractmethod
    def share(self, cases: tuple[CaseT, ...]) -> SharedT:
        """Do once what the cases of a machine share, such as a boot without words.

        Raises:
            KexeckitError: The guest did not come as far; it gets another go.
        """

    @abstractmethod
    def boot(self, case: CaseT, shared: SharedT) -> ResultT:
        """Boot and compare.

        Raises:
            KexeckitError: As for share.
        """

    @abstractmethod
    def lines(self, result: ResultT) -> Iterator[str]:
        """Tell a result: one line, then one for each thing that differs."""

    def record(self, result: ResultT) -> Record:
        """Return what is written down of a result, without the seed."""
        return asdict(result)

    def verdict(self, record: Record) -> str:
        """Judge a record, of this run or read back."""
        if record["problem"]:
            return NO_RESULT
        # Some campaigns write down what differs, some every check.
        differ = record["differ"] if "differ" in record else _failed(record["checks"])
        return DIFFERENT if differ else EQUAL


def _failed(checks: Iterable[dict[str, str]]) -> bool:
    return any(check["predicted"] != check["observed"] for check in checks)


def run_cases(
    campaign: Campaign[CaseT, SharedT, ResultT], machines: Iterable[tuple[CaseT, ...]], jobs: int = 1
) -> Iterator[ResultT]:
    """Boot and compare cases.

    Args:
        campaign: What they are cases of.
        machines: The cases, as drawn.
        jobs: How many guests run at a time.

    Yields:
        One result per case, as soon as it is there; with several jobs in any order.
    """
    if jobs > 1:
        yield from _side_by_side(campaign, machines, jobs)
        return
    for cases in machines:
        yield from _run_machine(campaign, cases, Event())


def _run_machine(
    campaign: Campaign[CaseT, SharedT, ResultT], cases: tuple[CaseT, ...], stop: Event
) -> Iterator[ResultT]:
    try:
        shared = _twice(partial(campaign.share, cases), stop)
    except KexeckitError as error:
        yield from (campaign.blank(case, str(error)) for case in cases)
        return
    for case in cases:
        if stop.is_set():
            return
        try:
            yield _twice(partial(campaign.boot, case, shared), stop)
        except KexeckitError as error:
            yield campaign.blank(case, str(error))


# Under emulation a guest now and then dies of corrupted flags; it gets another go.
def _twice(action: Callable[[], T], stop: Event) -> T:
    try:
        return action()
    except KexeckitError:
        if stop.is_set():
            raise
        return action()


# Threads, since a guest is a process of its own, which ends with the thread that started it.
def _side_by_side(
    campaign: Campaign[CaseT, SharedT, ResultT], machines: Iterable[tuple[CaseT, ...]], jobs: int
) -> Iterator[ResultT]:
    waiting: SimpleQueue[tuple[CaseT, ...]] = SimpleQueue()
    done: SimpleQueue[ResultT | Exception | None] = SimpleQueue()
    stop = Event()
    for cases in machines:
        waiting.put(cases)

    def work() -> None:
        try:
            while not stop.is_set():
                for result in _run_machine(campaign, waiting.get_nowait(), stop):
                    done.put(result)
        except Empty:
            pass
        except Exception as error:  # noqa: BLE001 - raised again where the results are read
            done.put(error)
        finally:
            done.put(None)

    workers = [Thread(target=work, daemon=True) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    try:
        yield from _arriving(done, jobs)
    finally:
        # Broken off: guests that run come to their end, no others begin.
        stop.set()
        for worker in workers:
            worker.join()


def _arriving(done: "SimpleQueue[ResultT | Exception | None]", workers: int) -> Iterator[ResultT]:
    while workers:
        item = done.get()
        if item is None:
            workers -= 1
        elif isinstance(item, Exception):
            raise item
        else:
            yield item
