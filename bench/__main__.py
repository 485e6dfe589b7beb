"""``python -m bench [NAME...]``: run the benchmarks, print them, and write docs/benchmarks.md.

A benchmark is a file here with `main()`, which prints. With names, only those run and nothing is written.
"""

import io
import sys
import time
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

SECTIONS = {
    "planning": "A plan, up to the system call",
    "commands": "A prediction, as a command and in a process",
    "ranges": "Maps of up to 100,000 ranges",
    "page_tables": "Identity page tables",
    "crashkernel": "Predicting reservations",
    "zones": "Predicting zones",
}
HEAD = """# Benchmarks

Written by `make bench`; do not edit. Times belong to one machine, ratios to both programs measured side by side in one
run. Nothing here is a test: a slow machine fails no build.

"""


class Tee(io.StringIO):
    """Keeps what is printed and shows it at once."""

    def write(self, text: str) -> int:
        """Write to both."""
        sys.__stdout__.write(text)  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]
        return super().write(text)


def run(name: str) -> str:
    """Run one benchmark and return what it printed."""
    print(f"== {SECTIONS[name]}")
    with redirect_stdout(Tee()) as said:
        import_module(name).main()
    print()
    return said.getvalue().rstrip()


def main(names: list[str]) -> int:
    """Run the benchmarks that are there, in order."""
    from measure import machine_lines

    unknown = [n for n in names if n not in SECTIONS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    started = time.strftime("%Y-%m-%d")
    wanted = [n for n in SECTIONS if (not names or n in names) and find_spec(n)]
    texts = {name: run(name) for name in wanted}
    machine = "\n".join(machine_lines())
    print(machine)
    if names:
        return 0
    parts = [f"## {SECTIONS[name]}\n\n```text\n{text}\n```\n" for name, text in texts.items()]
    page = f"{HEAD}Measured on {started}.\n\n```text\n{machine}\n```\n\n" + "\n".join(parts)
    (HERE.parent / "docs" / "benchmarks.md").write_text(page, encoding="utf-8")
    print("\nwritten to docs/benchmarks.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
