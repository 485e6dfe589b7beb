"""`crashkernel` and `zones` on a capture: as a command, beside the interpreter alone, and inside a process."""

import io
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

from measure import best_seconds, interleaved, median_cost

ROOT = Path(__file__).resolve().parents[1]
CAPTURE = ROOT / "tests" / "golden" / "captures" / "efi-1g-6.12"
VERBS = ("crashkernel", "zones")
ROUNDS = 40
# What a prediction imports from Python itself.
STANDARD = "argparse, dataclasses, enum, errno, re, struct, typing"
# As the installed command does.
ENTRY = "import sys; sys.path.insert(0, {0!r}); from kexeckit.cli.main import entry; entry()"


def main() -> None:
    """Print commands with and without bytecode that was kept, then answers in one process."""
    print(f"capture: {CAPTURE.name}; {ROUNDS} runs in turn, medians; python -m bench commands\n")
    with tempfile.TemporaryDirectory(prefix="kexeckit-bench-") as folder:
        shutil.copytree(ROOT / "src", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        rows = _rows(folder)
        costs = [median_cost(c) for c in interleaved(list(rows.values()), ROUNDS)]
    print(f"{'':34}{'wall':>9}{'user+sys':>11}{'interpreters':>15}")
    for name, cost in zip(rows, costs, strict=True):
        print(f"{name:34}{cost.wall * 1e3:>6.0f} ms{cost.cpu * 1e3:>8.0f} ms{cost.wall / costs[0].wall:>15.1f}")
    print("\nwithout bytecode every module of ours is compiled anew, as where its folder may not be written to\n")
    for verb in VERBS:
        print(f"{verb:12} inside a process: {best_seconds(lambda verb=verb: _answer(verb), 40) * 1e3:.1f} ms")


def _rows(copy: str) -> dict[str, list[str]]:
    python, root = sys.executable, ["--root", str(CAPTURE)]
    installed, fresh = ENTRY.format(str(ROOT / "src")), ENTRY.format(copy)
    return {
        "the interpreter": [python, "-c", ""],
        "the interpreter, -S -E": [python, "-S", "-E", "-c", ""],
        "+ the standard library": [python, "-c", f"import {STANDARD}"],
        "kexeckit --version": [python, "-c", installed, "--version"],
        **{f"kexeckit {verb}": [python, "-c", installed, verb, *root] for verb in VERBS},
        **{f"kexeckit {verb}, no bytecode": [python, "-B", "-c", fresh, verb, *root] for verb in VERBS},
    }


def _answer(verb: str) -> None:
    # From the files of the capture to the text.
    from kexeckit.cli.main import main as command

    with redirect_stdout(io.StringIO()):
        command([verb, "--root", str(CAPTURE)])


if __name__ == "__main__":
    main()
