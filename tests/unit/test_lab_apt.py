"""apt sources in both formats, and what is said when packages cannot be had."""

import shutil
import subprocess
from pathlib import Path

import pytest

from kexeckit.errors import InputError, UnavailableError
from kexeckit.lab.apt import PrivateApt, unpack
from kexeckit.lab.apt_sources import (
    AptSource,
    debian_source,
    parse_deb822_sources,
    parse_one_line_sources,
    read_apt_sources,
)

DEB822 = """\
# first comment
Types: deb deb-src
# comment in a stanza
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /keys/debian.gpg

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: sid
Components: main

types: deb-src
uris: http://mirror.example/debian
suites: sid
components: main
"""


def test_deb822_stanzas() -> None:
    """Enabled binary sources, in order; comments, disabled and source-only stanzas are no sources."""
    assert parse_deb822_sources(DEB822) == [
        AptSource(
            ("http://mirror.example/debian",),
            ("bookworm", "bookworm-updates"),
            ("main", "contrib"),
            (("Signed-By", "/keys/debian.gpg"),),
        ),
        AptSource(("http://mirror.example/security",), ("bookworm-security",), ("main",)),
    ]


def test_deb822_values_may_go_on() -> None:
    """A key that stands in the file itself is kept with all its lines."""
    text = "Types: deb\nURIs: http://a.example\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN\n .\n -----END\n"
    (source,) = parse_deb822_sources(text)
    assert source.options == (("Signed-By", "\n -----BEGIN\n .\n -----END"),)
    assert parse_deb822_sources(source.format_deb822("sid")) == [source]


def test_one_line_entries() -> None:
    """Options, comments and deb-src lines."""
    text = (
        "# comment\n\n"
        "deb http://a.example/debian bookworm main contrib # trailing\n"
        "deb-src http://a.example/debian bookworm main\n"
        "deb [ arch=amd64 signed-by=/keys/x.gpg ] https://b.example/x stable main\n"
        "deb [trusted=yes] file:/srv/flat ./\n"
    )
    with pytest.raises(InputError, match=r"sources\.list:6"):
        parse_one_line_sources(text.replace("./", ""))
    assert parse_one_line_sources(text) == [
        AptSource(("http://a.example/debian",), ("bookworm",), ("main", "contrib")),
        AptSource(("https://b.example/x",), ("stable",), ("main",), (("Signed-By", "/keys/x.gpg"),)),
        AptSource(("file:/srv/flat",), ("./",), (), (("Trusted", "yes"),)),
    ]


@pytest.mark.parametrize("text", ["Types: deb\nSuites: sid\n", "Types deb\n", " continuation: first\n"])
def test_broken_deb822_is_refused(text: str) -> None:
    """A stanza that names no place is an error with its file."""
    with pytest.raises(InputError, match=r"x\.sources:1"):
        parse_deb822_sources(text, "x.sources")


def test_debian_is_told_from_other_archives(tmp_path: Path) -> None:
    """Of all the machine's files, the archive proper is chosen: not security, not another vendor's."""
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://vendor.example/apt nodistro main\n")
    (tmp_path / "sources.list.d/debian.sources").write_text(DEB822)
    (tmp_path / "sources.list.d/other.save").write_text("not a source\n")
    source = debian_source(read_apt_sources(tmp_path))
    assert source is not None
    assert source.uris == ("http://mirror.example/debian",)
    assert debian_source([]) is None


def test_a_mirror_is_asked_for_another_suite() -> None:
    """The stanza we write keeps the mirror and its key, and names one suite."""
    source = parse_deb822_sources(DEB822)[0]
    (ours,) = parse_deb822_sources(source.format_deb822("trixie"))
    assert (ours.uris, ours.suites, ours.components, ours.options) == (
        source.uris,
        ("trixie",),
        ("main",),
        source.options,
    )


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without apt or dpkg the message says which program is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="apt-cache is not installed"):
        PrivateApt(tmp_path, "sid", "amd64").show("x")
    with pytest.raises(UnavailableError, match="dpkg-deb is not installed"):
        unpack(tmp_path / "x.deb", tmp_path, bool)


def test_a_failing_apt_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has apt's own error, not its warnings, and says what to check."""
    script = tmp_path / "apt-get"
    script.write_text("#!/bin/sh\necho 'W: noise' >&2\necho 'E: Unable to locate package x' >&2\nexit 100\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(UnavailableError, match="E: Unable to locate package x") as caught:
        PrivateApt(tmp_path, "sid", "amd64").download(["x"], tmp_path)
    assert "network" in caught.value.remedy


def test_a_mirror_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No network is said as such, not as a package that does not exist."""
    if shutil.which("apt-get") is None:
        pytest.skip("the program apt-get is not installed")
    monkeypatch.setenv("KEXECKIT_DEBIAN_MIRROR", f"file:{tmp_path}/no-mirror")
    with pytest.raises(UnavailableError, match=r"apt-get update failed for sid \(amd64\): E: .*no-mirror"):
        PrivateApt(tmp_path / "apt", "sid", "amd64").update()


def test_unpack_takes_what_is_wanted(tmp_path: Path) -> None:
    """Only the members asked for leave the package."""
    tree = tmp_path / "tree"
    for name in ("DEBIAN", "boot", "usr"):
        (tree / name).mkdir(parents=True)
    control = "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    (tree / "DEBIAN/control").write_text(control)
    (tree / "boot/vmlinuz").write_bytes(b"kernel")
    (tree / "usr/other").write_bytes(b"other")
    try:
        subprocess.run(["dpkg-deb", "-b", tree, tmp_path / "x.deb"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("the program dpkg-deb is not installed")
    (tmp_path / "broken.deb").write_bytes(b"!<arch>\n")
    with pytest.raises(UnavailableError, match=r"broken\.deb cannot be unpacked"):
        unpack(tmp_path / "broken.deb", tmp_path / "out", bool)
    unpack(tmp_path / "x.deb", tmp_path / "out", lambda name: name.startswith("boot"))
    assert (tmp_path / "out/boot/vmlinuz").read_bytes() == b"kernel"
    assert not (tmp_path / "out/usr").exists()
