"""How the benchmarks measure: children by wait4(2), functions by the best of several runs."""

import os
import platform
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a program cost: seconds on the clock, seconds of CPU (user and system), bytes of peak memory."""

    wall: float
    cpu: float
    peak: int


def child_cost(command: Sequence[str]) -> Cost:
    """Run a program once, its output thrown away.

    Python children may keep their bytecode, as an installed package does.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def median_cost(costs: Sequence[Cost]) -> Cost:
    """Return the medians of each part."""
    return Cost(median(c.wall for c in costs), median(c.cpu for c in costs), int(median(c.peak for c in costs)))


def interleaved(commands: Sequence[Sequence[str]], rounds: int) -> list[list[Cost]]:
    """Run several programs in turn, A B A B, so that a noisy minute meets all of them; one round before does not count.

    Returns:
        For each command its `rounds` costs.
    """
    for command in commands:
        child_cost(command)
    found: list[list[Cost]] = [[] for _ in commands]
    for _ in range(rounds):
        for costs, command in zip(found, commands, strict=True):
            costs.append(child_cost(command))
    return found


def best_seconds(work: Callable[[], object], runs: int = 5) -> float:
    """Return the shortest CPU time that a function took: on a machine that does nothing else, the time on the clock."""
    times = []
    for _ in range(runs):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def machine_lines() -> list[str]:
    """Describe the machine and the versions that matter."""
    return [
        f"processor: {_first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} CPUs",
        f"memory: {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // MIB} MiB",
        f"kernel: {platform.system()} {platform.release()} {platform.machine()}",
        f"system: {_first('/etc/os-release', 'PRETTY_NAME')}",
        f"Python {platform.python_version()} ({sys.implementation.name}), {ssl.OPENSSL_VERSION}",
        f"load average while measuring: {os.getloadavg()[0]:.1f}",
    ]


def _first(path: str, key: str) -> str:
    for line in Path(path).read_text("utf-8").splitlines():
        name, _, value = line.replace("=", ":", 1).partition(":")
        if name.strip() == key:
            return value.strip().strip('"')
    return "unknown"
