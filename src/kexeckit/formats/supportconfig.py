"""The texts of a supportconfig: files of a machine, and what commands printed, one behind the other in sections.

#==[ Configuration File ]===========================#
# /proc/cmdline
root=UUID=... crashkernel=512M

#==[ Command ]======================================#
# /usr/bin/uname -a
Linux host 6.4.0-150600.23.7-default #1 SMP ...

A file that is not there has "- File not found" behind its name, the end of a long one "- Last 500 Lines". Lines that
are empty or begin with # are taken out of configuration files; no file that we read has such lines. Of what we read, a
recent one has the boot log, the command line, /proc/sys, /proc/zoneinfo and /proc/cpuinfo, but no /proc/iomem.

Source: supportutils, bin/supportconfig.rc, conf_files(), log_files(), log_cmd(); man supportconfig(8).
"""

import re
from collections.abc import Iterator

from kexeckit.frozen import dataclass

_HEAD = re.compile(r"^#==\[ (.+?) \]=*#\s*$")
_PART = re.compile(r" - Last \d+ Lines$")
_ABSENT = " - File not found"
_DMESG = re.compile(r"^(?:/\S*/)?dmesg(?: -\S+)*$")
_UNAME = re.compile(r"^(?:/\S*/)?uname -a$")
# sysname, node name, release, the parts of the version, machine, processor and platform, operating system.
_SHORTEST_UNAME = 6


@dataclass(frozen=True, slots=True)
class Section:
    """One section.

    Attributes:
        kind: As its head has it: ``Configuration File``, ``Log File``, ``Command``, ...
        title: Name of the file, or the command; empty where the section has none.
        text: Its lines.
    """

    kind: str
    title: str
    text: str


def parse_sections(text: str) -> Iterator[Section]:
    """Yield the sections of one of its files; what stands before the first is its own header."""
    kind, lines = "", list[str]()
    for line in text.splitlines():
        head = _HEAD.match(line)
        if not head:
            lines.append(line)
            continue
        if kind:
            yield _section(kind, lines)
        kind, lines = head[1], []
    if kind:
        yield _section(kind, lines)


def _section(kind: str, lines: list[str]) -> Section:
    titled = bool(lines) and lines[0].startswith("# ")
    title = lines[0][2:].strip() if titled else ""
    body = "\n".join(lines[1:] if titled else lines).strip("\n")
    return Section(kind, title, body + "\n" if body else "")


def files_of_sections(sections: Iterator[Section]) -> dict[str, str]:
    """Return the files of the machine by name, and as files what the commands say that would stand in them."""
    found: dict[str, str] = {}
    for section in sections:
        for name, text in _files(section):
            if text:
                found.setdefault(name, text)
    return found


def _files(section: Section) -> Iterator[tuple[str, str]]:
    title = section.title
    if section.kind in ("Configuration File", "Log File"):
        if title.startswith("/") and not title.endswith(_ABSENT):
            yield _PART.sub("", title), section.text
    elif _DMESG.match(title):
        yield "/dmesg", section.text
    elif _UNAME.match(title):
        words = section.text.split()
        if len(words) >= _SHORTEST_UNAME:
            yield "/proc/sys/kernel/osrelease", words[2] + "\n"
            yield "/proc/sys/kernel/arch", words[-2] + "\n"
