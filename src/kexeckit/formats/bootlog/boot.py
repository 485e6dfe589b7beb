"""`BootLog`: the messages of one boot, chosen out of a file that may hold several.

Topic parsers (`memory`, `efi`, `early`, `outcome`, ...) are functions from these lines to values, one file per topic:
a new topic is a new file, not a new field here.

Which boot is used: the last one that is no capture kernel's (no ``elfcorehdr=``) and shows its version and a memory
map; where there is none, the last that is no capture kernel's, else the last. The choice and its reason are in
`BootLog.note`.
"""

import re
from collections.abc import Iterator
from dataclasses import field

from kexeckit.errors import InputError
from kexeckit.formats.bootlog.lines import LogLine, clean_lines
from kexeckit.formats.bootlog.pattern import LinePattern
from kexeckit.frozen import dataclass

VERSION_LINE = LinePattern(r"^Linux version (\S+)", "linux version ")
_COMMAND_LINE = LinePattern(r"^(?:\S+: )?(Kernel command|Command) line: ?(.*)$", "command line:", ignore_case=True)
_MAP_LINE = LinePattern(
    r"^\s*(?:BIOS-\w+|Xen): |^\s*Early memory node ranges|^early_node_map\[",
    *("bios-", "xen: ", "early memory node ranges", "early_node_map["),
)
_KERNEL_LINE = LinePattern(
    r"^\s*Zone (?:PFN )?ranges:|^Memory: \d+|^Reserving \d+MB of memory|^crashkernel reserved: ",
    *("zone ranges:", "zone pfn ranges:", "memory: ", "reserving ", "crashkernel reserved: "),
)
_TOPIC = LinePattern(
    r"^(?:ACPI|PCI|pci|usb|scsi|NET|Freeing|clocksource|smpboot|rcu|x86|efi|systemd\[1\])\b[^:]{0,40}: ", ": "
)
_PREAMBLE = LinePattern(
    r"^(?:Booting Linux on physical CPU|Initializing cgroup|printk: legacy bootconsole|microcode: )",
    *("booting linux on ", "initializing cgroup", "printk: legacy bootconsole", "microcode: "),
)
# The second is said by kernels that get the place of the core header from a device tree, drivers/of/fdt.c.
_CAPTURE = LinePattern(
    r"^(?:\S+: )?(?:Kernel c|C)ommand line:.*\belfcorehdr=|^Reserving \d+ ?Ki?B of memory at .* elf ?core",
    *("elfcorehdr=", "elfcore", "elf core"),
)
# Seconds: no line of time zero is printed after one of this time.
_LONG_AGO = 2.0
_LATER = LinePattern(
    rf"{VERSION_LINE.regex}|{_COMMAND_LINE.regex}|{_MAP_LINE.regex}|^\s*Zone ",
    *(*VERSION_LINE.signs, *_COMMAND_LINE.signs, *_MAP_LINE.signs, "zone "),
    ignore_case=True,
)
_BOOT_IMAGE = LinePattern(r"(?:vmlinuz|bzImage|Image|vmlinux)-(\d+\.\d+\S*)", "vmlinuz-", "image-", "vmlinux-")
# The first that any of a log's first lines shows.
_ARCHES = (
    ("arm", LinePattern(r"^CPU: ARMv[4-7]\b", "cpu: armv")),
    (
        "arm64",
        LinePattern(
            r"^Booting Linux on physical CPU 0x[0-9a-f]+ \[0x|\baarch64\b|^CPU features: |^psci: ",
            *("booting linux on ", "aarch64", "cpu features: ", "psci: "),
        ),
    ),
    ("s390x", LinePattern(r"\bs390x?\b|^setup: Linux is running", "s390", "setup: linux is ")),
    (
        "ppc64",
        LinePattern(
            r"\bppc64|\bpowerpc64|^hash-mmu: |^radix-mmu: |^Allocated \d+ bytes for \d+ pacas|^fadump: "
            r"|^(?:vmalloc|vmemmap) start += 0x[0-9a-f]{16}",
            *(
                "ppc64",
                "powerpc64",
                "hash-mmu: ",
                "radix-mmu: ",
                " pacas",
                "fadump: ",
                "vmalloc start",
                "vmemmap start",
            ),
        ),
    ),
    (
        "i386",
        LinePattern(
            r"^ *\d+MB (?:LOW|HIGH)MEM available|^ *(?:mapped )?low ram: 0 - ", "lowmem ", "highmem ", "low ram: "
        ),
    ),
    (
        "x86_64",
        LinePattern(
            r"^ *BIOS-\w+: |\bx86_64\b|\bamd64\b|^x86/|^e820: |^RAMDISK: |^Command line:|^ACPI: SRAT: ",
            *("bios-", "x86_64", "amd64", "x86/", "e820: ", "ramdisk: ", "command line:", "acpi: srat: "),
        ),
    ),
    (
        "ppc32",
        LinePattern(
            r"\bpowerpc\b|^Top of RAM: |^Using .* machine description|^Memory hole size: ",
            *("powerpc", "top of ram: ", " machine description", "memory hole size: "),
        ),
    ),
    ("riscv64", LinePattern(r"\briscv(?:64)?\b|^SBI ", "riscv", "sbi ")),
    ("loongarch64", LinePattern(r"\bloongarch|^Loongson", "loongarch", "loongson")),
    ("mips", LinePattern(r"\bmips|^MIPS: |^CPU0? revision is: ", "mips", " revision is: ")),
    ("arm", LinePattern(r"^CPU: ARMv\d|\barm-\S*linux|^Memory policy: ", "cpu: armv", "arm-", "memory policy: ")),
)


@dataclass(frozen=True, slots=True)
class BootLog:
    """The messages of one boot.

    Attributes:
        source: How messages name the file.
        lines: The boot's messages in order.
        note: Why this boot, where the file holds several; empty otherwise.
        whole: The log begins with the kernel's first lines; False for an excerpt or a ring buffer that wrapped.
    """

    source: str
    lines: tuple[LogLine, ...]
    note: str = ""
    whole: bool = True
    _folded: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # casefold() of what a pattern without regard to case takes for "s" or "k" is "s" or "k", too.
        object.__setattr__(self, "_folded", "\n".join([line.text for line in self.lines]).casefold())

    def find(self, pattern: LinePattern) -> re.Match[str] | None:
        """Return the first match of `pattern` at a message's beginning, or None."""
        return next((m for _, m in self.matches(pattern)), None)

    def matches(self, pattern: LinePattern) -> "Iterator[tuple[LogLine, re.Match[str]]]":
        """Yield every message that `pattern` matches at its beginning, with the match."""
        if not self.may_match(pattern):
            return
        match = pattern.compiled.match
        for line in self.lines:
            found = match(line.text)
            if found:
                yield line, found

    def may_match(self, pattern: LinePattern) -> bool:
        """Say whether any sign of `pattern` is in the log: without one, no message matches."""
        return any(sign in self._folded for sign in pattern.signs)

    @property
    def release(self) -> str | None:
        """The kernel's release as it says itself (``6.1.0-53-cloud-amd64``), or None."""
        found = self.find(VERSION_LINE)
        return found[1] if found else None

    @property
    def image_release(self) -> str | None:
        """The release in the file name of the command line's BOOT_IMAGE=, or None: weaker than `release`."""
        found = _BOOT_IMAGE.search(self.cmdline or "")
        return found[1] if found else None

    @property
    def cmdline(self) -> str | None:
        """The kernel's command line, or None where the log shows none.

        The early "Command line:" of x86 counts unless it is empty while "Kernel command line:" is not: a built-in
        command line shows only in the second, so that an empty first alone says nothing.
        """
        found = [(m[1].lower(), m[2].strip()) for _, m in self.matches(_COMMAND_LINE)]
        late = any(name != "command" for name, _ in found)
        return next((text for _, text in found if text), "" if late else None)

    @property
    def arch(self) -> str | None:
        """The architecture that the messages belong to, or None."""
        first = [line.text for line in self.lines[:400]]
        for arch, pattern in _ARCHES:
            if self.may_match(pattern) and any(map(pattern.compiled.search, first)):
                return arch
        return None


def parse_boot_log(text: str, source: str) -> BootLog:
    """Read a boot log in any of its coats.

    Args:
        text: The whole file.
        source: How messages name it.

    Raises:
        InputError: The text holds no kernel message.
    """
    lines = clean_lines(text)
    if not any(_is_kernel_line(line) for line in lines):
        raise InputError(source, "no kernel message in it", expected="a boot log, as dmesg prints it")
    boots = _boots(lines)
    at, why = _chosen(boots)
    whole = any(VERSION_LINE.match(line.text) for line in boots[at])
    note = f"boot {at + 1} of {len(boots)} in the file: {why}" if len(boots) > 1 else ""
    return BootLog(source, tuple(boots[at]), note, whole)


def _is_kernel_line(line: LogLine) -> bool:
    return (
        line.seconds is not None
        or bool(VERSION_LINE.match(line.text))
        or bool(_COMMAND_LINE.match(line.text))
        or bool(_MAP_LINE.match(line.text))
        or bool(_KERNEL_LINE.match(line.text))
    )


def _boots(lines: list[LogLine]) -> list[list[LogLine]]:
    # A boot begins at its "Linux version" line, and takes along what printed before it in the same boot. What comes
    # before the first such line is the end of another boot, if the kernel wrote any of it. Where that line is lost, the
    # stamps show a new boot: they are back at zero.
    cuts = [0]
    last = 0.0
    begins = VERSION_LINE.compiled.match
    for at, line in enumerate(lines):
        if begins(line.text):
            begin = _beginning(lines, at, cuts[-1])
            if begin > cuts[-1] and any(_of_a_boot(earlier) for earlier in lines[cuts[-1] : begin]):
                cuts.append(begin)
            last = 0.0
        elif last > _LONG_AGO and line.seconds == 0.0 and [row.seconds for row in lines[at : at + 3]] == [0.0] * 3:
            cuts.append(at)
            last = 0.0
        last = max(last, line.seconds or 0.0)
    ends = [*cuts[1:], len(lines)]
    return [lines[a:b] for a, b in zip(cuts, ends, strict=True)]


def _of_a_boot(line: LogLine) -> bool:
    return _is_kernel_line(line) or bool(_TOPIC.match(line.text))


def _beginning(lines: list[LogLine], at: int, floor: int) -> int:
    # The first line of the boot whose "Linux version" line is at `at`. Lines of time 0 belong to it, unless they lead
    # back to what is printed later in a boot: then they are those of a boot that did not come far.
    begin = at
    while begin > floor and _belongs(lines[begin - 1]):
        begin -= 1
        if _LATER.match(lines[begin].text):
            begin = at
            while begin > floor and _PREAMBLE.match(lines[begin - 1].text):
                begin -= 1
            break
    return begin


def _belongs(line: LogLine) -> bool:
    return line.seconds == 0.0 or bool(_PREAMBLE.match(line.text))


def _known(boot: list[LogLine]) -> bool:
    # Whether the version of the kernel that booted is known.
    return any(
        VERSION_LINE.match(line.text) or (_COMMAND_LINE.match(line.text) and _BOOT_IMAGE.search(line.text))
        for line in boot
    )


def _chosen(boots: list[list[LogLine]]) -> tuple[int, str]:
    if len(boots) == 1:
        return 0, "the only one"
    capture = [any(_CAPTURE.match(line.text) for line in b) for b in boots]
    mapped = [any(_MAP_LINE.match(line.text) for line in b) and _known(b) for b in boots]
    wishes = (
        (
            "the last that shows a memory map and is no capture kernel's",
            [m and not c for m, c in zip(mapped, capture, strict=True)],
        ),
        ("the last that is no capture kernel's", [not c for c in capture]),
        ("the last that shows a memory map", mapped),
    )
    for why, fits in wishes:
        if any(fits):
            return max(at for at, fit in enumerate(fits) if fit), why
    return len(boots) - 1, "the last"
