"""Which Debian mirror does this machine use? Its apt sources, in both formats, as values.

No host name stands in the code: what the machine's own sources name is what the lab fetches from.
Source: sources.list(5), both the one-line style and the deb822 style.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from kexeckit.errors import InputError

__all__ = ["AptSource", "debian_source", "parse_deb822_sources", "parse_one_line_sources", "read_apt_sources"]

# Names under which a Debian archive publishes its releases; a source that carries one of them is a Debian mirror.
_DEBIAN_SUITES = frozenset(
    {
        "buster",
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "sid",
        "oldoldstable",
        "oldstable",
        "stable",
        "testing",
        "unstable",
    }
)
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>[^\s\[]\S*)\s+(?P<rest>\S.*)")


@dataclass(frozen=True, slots=True)
class AptSource:
    """One enabled source of binary packages.

    Attributes:
        uris: Where the archive is, as written.
        suites: Suites named there.
        components: Components named there.
        options: (field, value) pairs in deb822 spelling which apt needs to trust or reach the
            source, e.g. ``("Signed-By", "/usr/share/keyrings/x.gpg")``; a value may have several lines.
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()

    def format_deb822(self, suite: str) -> str:
        """Write this source as a deb822 stanza for one other suite, component main."""
        lines = ["Types: deb", f"URIs: {' '.join(self.uris)}", f"Suites: {suite}", "Components: main"]
        lines += [f"{field}: {value}" for field, value in self.options]
        return "\n".join(lines) + "\n"


# Options that decide whether the source is trusted; architecture and language choices are ours to make.
_KEPT_OPTIONS = {"signed-by": "Signed-By", "trusted": "Trusted", "check-valid-until": "Check-Valid-Until"}


def parse_one_line_sources(text: str, name: str = "sources.list") -> list[AptSource]:
    """Read the one-line style: ``deb [options] uri suite component...``.

    Args:
        text: Content of the file.
        name: File name for messages.

    Raises:
        InputError: A line is neither a comment, a ``deb`` nor a ``deb-src`` entry.
    """
    found = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].strip()
        if not line or line.split()[0] == "deb-src":
            continue
        match = _ONE_LINE.fullmatch(line)
        if match is None:
            raise InputError(name, f"not an apt source: {line!r}", line=number, expected="deb URI SUITE COMPONENT...")
        suite, *components = match["rest"].split()
        options = dict(word.split("=", 1) for word in (match["options"] or "").split() if "=" in word)
        found.append(AptSource((match["uri"],), (suite,), tuple(components), _kept(options)))
    return found


def parse_deb822_sources(text: str, name: str = "debian.sources") -> list[AptSource]:
    """Read the deb822 style: stanzas of ``Field: value`` with continuation lines.

    Args:
        text: Content of the file.
        name: File name for messages.

    Raises:
        InputError: A line belongs to no field, or a stanza lacks URIs or Suites.
    """
    found = []
    for first, stanza in _stanzas(text):
        fields = _fields(stanza, name, first)
        enabled = fields.get("enabled", "yes").lower() not in {"no", "false", "0", "off", "without", "disable"}
        if not enabled or "deb" not in fields.get("types", "").split():
            continue
        uris, suites = fields.get("uris", "").split(), fields.get("suites", "").split()
        if not uris or not suites:
            raise InputError(name, "stanza without URIs or Suites", line=first, expected="URIs: and Suites: fields")
        found.append(AptSource(tuple(uris), tuple(suites), tuple(fields.get("components", "").split()), _kept(fields)))
    return found


# Split into (number of the first line, lines); comment lines go, an empty line ends a stanza.
def _stanzas(text: str) -> list[tuple[int, list[str]]]:
    stanzas: list[tuple[int, list[str]]] = []
    fresh = True
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            continue
        if not line.strip():
            fresh = True
            continue
        if fresh:
            stanzas.append((number, []))
            fresh = False
        stanzas[-1][1].append(line)
    return stanzas


def _fields(lines: list[str], name: str, first: int) -> dict[str, str]:
    fields: dict[str, str] = {}
    current = ""
    for line in lines:
        if line[0] in " \t" and current:
            fields[current] += "\n" + line
            continue
        field, colon, value = line.partition(":")
        if not colon or line[0] in " \t":
            raise InputError(name, f"not a field: {line!r}", line=first, expected="'Field: value' lines")
        current = field.strip().lower()
        fields[current] = value.strip()
    return fields


def _kept(options: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((_KEPT_OPTIONS[key.lower()], value) for key, value in options.items() if key.lower() in _KEPT_OPTIONS)


def read_apt_sources(etc: Path = Path("/etc/apt")) -> list[AptSource]:
    """Read every apt source of a machine: ``sources.list`` and ``sources.list.d/*.{list,sources}``.

    Args:
        etc: The folder of apt's configuration.
    """
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    found: list[AptSource] = []
    for file in files:
        parse = {".list": parse_one_line_sources, ".sources": parse_deb822_sources}.get(file.suffix)
        if parse is not None and file.is_file():
            found += parse(file.read_text("utf-8", "replace"), str(file))
    return found


def debian_source(sources: list[AptSource]) -> AptSource | None:
    """Choose the source that is a Debian archive proper (not its security or updates archive), or None."""
    for source in sources:
        if "main" in source.components and _DEBIAN_SUITES.intersection(source.suites):
            return source
    return None
