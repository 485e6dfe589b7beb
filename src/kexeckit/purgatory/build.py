"""Builds the purgatories: ``python -m kexeckit.purgatory.build [--check]``.

The result depends on the sources, the compiler and the linker alone: there are no paths, times or build ids in it.
What a flat position independent file cannot have (relocations, a global offset table) is refused by the linker script.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from kexeckit.errors import UnavailableError
from kexeckit.frozen import dataclass
from kexeckit.purgatory.params import ARCHITECTURES

HERE = Path(__file__).resolve().parent

#: The compiler and linker that the shipped files were made with: those of Debian 12.
REFERENCE_TOOLS = ("gcc 12.2.0", "ld 2.40")

# No red zone: an exception handler of a debugger may use our stack. General registers only: nobody has set up the
# FPU. No null pointer checks: a region may begin at physical address 0.
_CFLAGS = {
    "x86_64": (
        *("-m64", "-mgeneral-regs-only", "-mno-red-zone", "-mcmodel=small", "-march=x86-64", "-mtune=generic"),
        *("-fcf-protection=none", "-fno-jump-tables"),
    ),
}
_COMMON_CFLAGS = (
    *("-std=gnu11", "-O2", "-g0", "-Wall", "-Wextra", "-Werror", "-Wframe-larger-than=1024"),
    *("-ffreestanding", "-fPIE", "-fno-stack-protector", "-fno-stack-clash-protection", "-fno-ident"),
    *("-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-builtin", "-fno-delete-null-pointer-checks"),
    *("-fno-tree-loop-distribute-patterns", "-fno-common", "-fvisibility=hidden", "-U_FORTIFY_SOURCE"),
)
_SHARED_SOURCES = ("purgatory.c", "sha256.c")
_ARCH_SOURCES = ("entry.S", "machine.c")


class BuildFailedError(UnavailableError):
    """A tool refused the sources; its own words follow."""


@dataclass(frozen=True, slots=True)
class Build:
    """What a build made.

    Attributes:
        elf: The linked file, for looking into; it lives in the caller's work folder.
        code: The flat bytes that are shipped.
    """

    elf: Path
    code: bytes


def shipped_file(arch: str) -> Path:
    """Where the flat file of an architecture is kept, which is where a build writes it."""
    return HERE / f"{arch}.bin"


def tool_versions() -> tuple[str, str]:
    """The versions of the compiler and the linker, in the form of ``REFERENCE_TOOLS``.

    Raises:
        UnavailableError: If one of them is not installed.
    """
    gcc = _run("gcc", "-dumpfullversion").strip()
    linker = _run("ld", "--version").splitlines()[0].split()[-1]
    return (f"gcc {gcc}", f"ld {linker}")


def build(arch: str, work: Path, *, base: int = 0) -> Build:
    """Compiles, links and flattens the purgatory of one architecture.

    Args:
        arch: One of ``ARCHITECTURES``.
        work: An existing folder for the intermediate files.
        base: Address to link for. The bytes must not depend on it, which a test uses.

    Raises:
        UnavailableError: If a tool is not installed.
        BuildFailedError: If a tool refuses the sources.
    """
    sources = [HERE / arch / name for name in _ARCH_SOURCES] + [HERE / name for name in _SHARED_SOURCES]
    objects = [_compile(arch, source, work) for source in sources]
    elf, flat = work / f"{arch}.elf", work / f"{arch}.bin"
    script = HERE / arch / "purgatory.lds"
    _run(
        *("ld", "-pie", "--no-dynamic-linker", "-z", "noexecstack", "-z", "norelro", "--build-id=none"),
        *("--no-warn-rwx-segments", "--fatal-warnings", "--orphan-handling=place", f"--defsym=BASE={base:#x}"),
        *("-T", str(script), "-o", str(elf), *map(str, objects)),
    )
    _run("objcopy", "-O", "binary", "-j", ".blob", str(elf), str(flat))
    return Build(elf, flat.read_bytes())


def main(arguments: list[str]) -> int:
    """Builds all architectures and writes, or with ``--check`` compares, the shipped files.

    Returns:
        The exit code: 0, or 1 if a shipped file is not what the sources make.
    """
    parser = argparse.ArgumentParser(prog="python -m kexeckit.purgatory.build", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; compare with the shipped files")
    check = parser.parse_args(arguments).check
    if tool_versions() != REFERENCE_TOOLS:
        _say(f"note: {', '.join(tool_versions())}; the shipped files are made by {', '.join(REFERENCE_TOOLS)}")
    stale = 0
    for arch in ARCHITECTURES:
        with tempfile.TemporaryDirectory() as work:
            code = build(arch, Path(work)).code
        stale += _check(arch, code) if check else _write(arch, code)
    return 1 if stale else 0


def _compile(arch: str, source: Path, work: Path) -> Path:
    target = work / f"{source.stem}.o"
    _run("gcc", *_COMMON_CFLAGS, *_CFLAGS[arch], "-c", str(source), "-o", str(target))
    return target


def _check(arch: str, code: bytes) -> int:
    shipped = shipped_file(arch)
    same = shipped.is_file() and shipped.read_bytes() == code
    _say(f"{shipped.name}: {'as built' if same else 'differs from what the sources make'} ({len(code)} bytes)")
    return 0 if same else 1


def _write(arch: str, code: bytes) -> int:
    shipped_file(arch).write_bytes(code)
    _say(f"{shipped_file(arch)}: {len(code)} bytes")
    return 0


def _run(*command: str) -> str:
    # Messages in English, and nothing from the caller's environment that a compiler listens to.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except FileNotFoundError:
        raise UnavailableError(f"{command[0]} is not installed", remedy="Install gcc and binutils.") from None
    if done.returncode != 0:
        raise BuildFailedError(f"{command[0]} failed:\n{done.stderr}")
    return done.stdout


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
