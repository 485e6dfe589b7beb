"""A plan, up to the system call: beside kexec-tools for a large initrd, and from a standing start for a small one."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import MIB, Cost, interleaved, median_cost

from kexeckit.lab.packages import fetch_kernel
from kexeckit.lab.pyz import build_pyz

LARGE = 200 * MIB
SMALL = MIB
ROUNDS = 9
APPEND = "console=ttyS0 root=/dev/vda1 ro"
# What a plan imports.
STANDARD = "argparse, dataclasses, enum, errno, hashlib, mmap, re, struct, typing"
OURS = (
    "kexeckit.cli.main, kexeckit.cli.image_arguments, kexeckit.system.machine, kexeckit.system.files, "
    "kexeckit.plan.from_machine, kexeckit.plan.make, kexeckit.plan.x86_64, kexeckit.plan.verify, kexeckit.render.plan"
)
HEAD = f"{'':28}{'wall':>9}{'fastest':>11}{'user+sys':>11}{'peak memory':>14}"


def main() -> None:
    """Print both parts."""
    kernel = fetch_kernel("bookworm", "x86_64")
    with tempfile.TemporaryDirectory(prefix="kexeckit-bench-") as folder:
        print(f"kernel: {kernel.release}, {kernel.vmlinuz.stat().st_size / MIB:.1f} MiB")
        _large(kernel.vmlinuz, Path(folder))
        print()
        _small(kernel.vmlinuz, Path(folder))


def _initrd(folder: Path, size: int) -> Path:
    # gzip's magic, then bytes that do not compress: what is inside does not matter to a loader.
    # Written in pieces: a child's peak memory, as wait4(2) tells it, is never below that of the process it came from.
    path, source = folder / f"initrd-{size}", random.Random(size)
    with path.open("wb") as file:
        file.write(b"\x1f\x8b\x08\x00" + source.randbytes(MIB - 4))
        for _ in range(size // MIB - 1):
            file.write(source.randbytes(MIB))
    return path


def _plan(program: list[str], kernel: Path, initrd: Path) -> list[str]:
    return [*program, "plan", str(kernel), "--initrd", str(initrd), "--append", APPEND]


def _large(kernel: Path, folder: Path) -> None:
    initrd = _initrd(folder, LARGE)
    kexec = shutil.which("kexec", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if kexec is None:
        raise SystemExit("kexec-tools is not installed: sh tools/system-packages bench")
    # Without CAP_SYS_BOOT neither program can load anything, on whatever kernel this runs.
    harmless = ["setpriv", "--bounding-set=-sys_boot", "--inh-caps=-sys_boot"]
    theirs = [*harmless, kexec, "-d", "-c", "-l", str(kernel), f"--initrd={initrd}", f"--command-line={APPEND}"]
    ours = [*harmless, *_plan([str(Path(sys.executable).with_name("kexeckit"))], kernel, initrd)]
    version = subprocess.run([kexec, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    print(f"initrd: {LARGE // MIB} MiB; {ROUNDS} pairs of runs in turn, medians; page cache warm\n")
    found = interleaved([ours, theirs], ROUNDS)
    own, other = map(median_cost, found)
    print(HEAD)
    print(_row("kexeckit plan", found[0]))
    print(_row(f"kexec -d -c -l ({version.split()[-1]})", found[1]))
    ratios = (
        own.wall / other.wall,
        _fastest(found[0]) / _fastest(found[1]),
        own.cpu / other.cpu,
        own.peak / other.peak,
    )
    print(f"{'ratio':28}{ratios[0]:>9.2f}{ratios[1]:>11.2f}{ratios[2]:>11.2f}{ratios[3]:>14.2f}")
    files = kernel.stat().st_size + LARGE
    print(f"\npeak memory / (kernel + initrd): kexeckit {own.peak / files:.2f}, kexec {other.peak / files:.2f}")


def _row(name: str, costs: list[Cost]) -> str:
    cost = median_cost(costs)
    clock = f"{cost.wall * 1e3:>6.0f} ms{_fastest(costs) * 1e3:>8.0f} ms{cost.cpu * 1e3:>8.0f} ms"
    return f"{name:28}{clock}{cost.peak / MIB:>10.0f} MiB"


def _fastest(costs: list[Cost]) -> float:
    return min(c.wall for c in costs)


def _small(kernel: Path, folder: Path) -> None:
    initrd = _initrd(folder, SMALL)
    pyz = build_pyz(folder / "kexeckit.pyz")
    kexeckit = str(Path(sys.executable).with_name("kexeckit"))
    programs = {
        "the interpreter": [sys.executable, "-c", "pass"],
        "+ the standard library": [sys.executable, "-c", f"import {STANDARD}"],
        "+ kexeckit's modules": [sys.executable, "-c", f"import {STANDARD}, {OURS}"],
        "kexeckit plan": _plan([kexeckit], kernel, initrd),
        "python -m kexeckit plan": _plan([sys.executable, "-m", "kexeckit"], kernel, initrd),
        "kexeckit.pyz plan": _plan([sys.executable, str(pyz)], kernel, initrd),
        "kexeckit status": [kexeckit, "status"],
    }
    print(f"initrd: {SMALL // MIB} MiB; {2 * ROUNDS} runs in turn, medians\n")
    print(HEAD)
    for name, costs in zip(programs, interleaved(list(programs.values()), 2 * ROUNDS), strict=True):
        print(_row(name, costs))
    print("\nuser+sys is what a machine takes that does nothing else; the first three lines are stages of the fourth")


if __name__ == "__main__":
    main()
