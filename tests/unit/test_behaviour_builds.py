"""What RHEL's builds changed, a second time: by the names of its releases, from their sources and documents.

Each row: the release, architectures, the field, the value before, the value from then on. The build is that of the
release's first kernel, as Red Hat lists them; a change must come with it and not a build earlier.

The tables: kexeckit.kernel.behaviour.vendors_reservation, with the groups of kexeckit.kernel.behaviour.groups.
"""

import ast
import re

import pytest

from kexeckit.kernel.behaviour.behaviours import select_behaviours
from kexeckit.kernel.behaviour.catalogue import RECORDS
from kexeckit.kernel.behaviour.change import VendorChange
from kexeckit.kernel.behaviour.reservation import CrashRules
from kexeckit.kernel.behaviour.select import build_number, selected
from kexeckit.machine.version import Release

# First kernel of a release: what stands before the build, the build, the mark.
KERNELS = {
    "7.3": ("3.10.0-", 514, ".el7"),
    "7.8": ("3.10.0-", 1127, ".el7"),
    "7.9": ("3.10.0-", 1160, ".el7"),
    "8.1": ("4.18.0-", 147, ".el8"),
    "8.3": ("4.18.0-", 240, ".el8"),
    "8.7": ("4.18.0-", 425, ".el8"),
    "8.8": ("4.18.0-", 477, ".el8"),
    "8.10": ("4.18.0-", 553, ".el8_10"),
    "9.0": ("5.14.0-", 70, ".el9"),
    "9.1": ("5.14.0-", 162, ".el9_1"),
    "9.2": ("5.14.0-", 284, ".el9_2"),
    "9.3": ("5.14.0-", 362, ".el9_3"),
    "9.4": ("5.14.0-", 427, ".el9_4"),
    "9.6": ("5.14.0-", 570, ".el9_6"),
}
# Builds of RHEL's releases that were read: of the first kernel of each, and of 7.x and 8.x betas.
READ = {
    ".el6": {642},
    ".el7": {514, 1127, 1160},
    ".el7a": {49},
    ".el8": {80, 147, 240, 305, 348, 372, 394, 425, 477, 513, 553},
    ".el9": {70, 162, 284, 362, 427, 503, 570},
}
FROM = """
7.3  x86_64       after_numa            False             True
7.3  x86_64       low_default           'swiotlb-72M'     'swiotlb-256M'
7.3  x86_64       low_optional          True              False
7.8  x86_64       encrypted_extra       ''                'swiotlb'
7.9  x86_64       low_from_own_size     True              False
8.1  x86_64       low_limit             896<<20           4<<30
8.1  x86_64       middle_limit          4<<30             None
8.1  x86_64       encrypted_extra       ''                'swiotlb'
8.1  arm64        auto                  '2G-:512M'        '2G-:448M'
8.3  x86_64       encrypted_extra       'swiotlb'         'swiotlb-64M'
8.3  x86_64       auto '1G-64G:160M,64G-1T:256M,1T-:512M' '1G-4G:160M,4G-64G:192M,64G-1T:256M,1T-:512M'
8.3  s390x        auto '4G-64G:160M,64G-1T:256M,1T-:512M' '1G-4G:160M,4G-64G:192M,64G-1T:256M,1T-:512M'
8.7  arm64        words                 'plain'           'plain-or-high'
8.7  arm64        fixed_checks          True              False
8.7  arm64        low_always            False             True
8.8  arm64        low_always            True              False
8.8  arm64        plain_falls_up        False             True
8.8  arm64        low_default           'none'            '128M'
8.8  arm64        low_needs_room_below  False             True
8.8  arm64        fallback_start        16<<20            0
8.8  arm64        auto                  '2G-:448M'        '2G-:480M'
8.8  x86_64|s390x auto '1G-4G:160M,4G-64G:192M,64G-1T:256M,1T-:512M' '1G-4G:192M,4G-64G:256M,64G-:512M'
8.10 arm64        high_start            0                 4<<30
8.10 arm64        high_falls_down       False             True
8.10 arm64        low_needs_room_below  True              False
8.10 arm64        fallback_start        0                 None
9.0  arm64        fixed_checks          True              False
9.1  x86_64|arm64|ppc64|s390x total_rounded False         True
9.1  arm64        words                 'plain'           'plain-or-high'
9.2  arm64        plain_falls_up        False             True
9.2  arm64        low_default           'none'            '128M'
9.2  arm64        low_needs_room_below  False             True
9.2  arm64        fallback_start        16<<20            0
9.3  x86_64       mirror                'always'          'kernelcore'
9.3  x86_64|arm64 cma_align             4<<20             2<<20
9.4  arm64        high_start            0                 4<<30
9.4  arm64        high_falls_down       False             True
9.4  arm64        low_needs_room_below  True              False
9.4  arm64        fallback_start        0                 None
9.4  arm64        protected             True              False
9.6  x86_64       words                 'plain-then-high' 'plain-or-high'
9.6  x86_64       fixed_align           1<<20             16<<20
9.6  x86_64|arm64 prefixed              False             True
9.6  arm64        page_rounded          True              False
9.6  x86_64       high_start            16<<20            None
9.6  x86_64       fallback_start        16<<20            None
9.6  x86_64       low_start             16<<20            0
9.6  x86_64       high_falls_down       False             True
9.6  x86_64       low_by_word           True              False
9.6  x86_64       low_limit_is_4g       True              False
9.6  x86_64       dialect               'mb'              'range'
9.6  arm64        high_start            4<<30             None
"""
# What all builds of a release have that mainline of their version has not; the last one is of mainline.
ALWAYS = """
2.6.32-71.el6.x86_64     x86_64 low_limit      (896<<20)-1 64<<40
2.6.32-71.el6.x86_64     x86_64 auto           'el6' ''
3.10.0-123.el7.x86_64    x86_64 middle_limit   4<<30 None
3.10.0-123.el7.x86_64    x86_64 plain_falls_up True  False
3.10.0-123.el7.x86_64    x86_64 auto           'el7' ''
3.10.0-123.el7.x86_64    x86_64 kaslr          True  False
3.10.0-123.el7.ppc64le   ppc64  auto           '2G-4G:384M,4G-16G:512M,16G-64G:1G,64G-128G:2G,128G-:4G' ''
3.10.0-123.el7.s390x     s390x  auto           'el7-s390' ''
4.14.0-49.el7a.x86_64    x86_64 total_rounded  True  False
4.14.0-49.el7a.aarch64   arm64  total_rounded  True  False
4.14.0-49.el7a.ppc64le   ppc64  total_rounded  True  False
4.14.0-49.el7a.s390x     s390x  total_rounded  True  False
4.14.0-49.el7a.aarch64   arm64  auto           '2G-:512M' ''
4.14.0-49.el7a.ppc64le   ppc64  auto           '2G-4G:384M,4G-16G:512M,16G-64G:1G,64G-128G:2G,128G-:4G' ''
4.14.0-49.el7a.s390x     s390x  auto           '4G-:160M' ''
4.18.0-80.el8.x86_64     x86_64 total_rounded  True  False
4.18.0-80.el8.aarch64    arm64  total_rounded  True  False
4.18.0-80.el8.ppc64le    ppc64  total_rounded  True  False
4.18.0-80.el8.s390x      s390x  total_rounded  True  False
4.18.0-80.el8.x86_64     x86_64 middle_limit   4<<30 None
4.18.0-80.el8.x86_64     x86_64 plain_falls_up True  False
4.18.0-80.el8.x86_64     x86_64 auto           '1G-64G:160M,64G-1T:256M,1T-:512M' ''
4.18.0-80.el8.aarch64    arm64  auto           '2G-:512M' ''
4.18.0-80.el8.ppc64le    ppc64  auto           '2G-4G:384M,4G-16G:512M,16G-64G:1G,64G-128G:2G,128G-:4G' ''
4.18.0-80.el8.s390x      s390x  auto           '4G-64G:160M,64G-1T:256M,1T-:512M' ''
5.10.0-8-arm64           arm64  after_numa     True  False
5.10.0-8-arm64           arm64  cma_first      True  False
5.10.0-8-arm64           arm64  sparse_first   True  False
5.10.0-8-arm64           arm64  dma32          False True
5.10.0-8-arm64           arm64  early_without_dma True False
"""


def value(text: str) -> object:
    """Return what a row means: a literal, or a shifted number."""
    if "<<" not in text:
        return ast.literal_eval(text)
    number, _, places = text.removesuffix("-1").strip("()").partition("<<")
    return (int(number) << int(places)) - text.endswith("-1")


def field(release: str, arch: str, name: str) -> object:
    """Return a field of a kernel's reservation."""
    return getattr(select_behaviours(arch, Release(release)).reservation, name)


@pytest.mark.parametrize("named", KERNELS)
def test_a_release_of_rhel_brings_its_changes(named: str) -> None:
    """Its first kernel has them; one build earlier has not."""
    version, build, mark = KERNELS[named]
    rows = [line.split()[1:] for line in FROM.strip().splitlines() if line.split()[0] == named]
    assert rows
    for arches, name, before, since in rows:
        for arch in arches.split("|"):
            assert field(f"{version}{build}{mark}.{arch}", arch, name) == value(since), (named, arch, name)
            old = f"{version}{build - 1}{mark.partition('_')[0]}.{arch}"
            assert field(old, arch, name) == value(before), (old, name)


def test_what_all_builds_of_a_distribution_have() -> None:
    """Mainline of the same version, which has no build, does otherwise."""
    for line in ALWAYS.strip().splitlines():
        release, arch, name, here, mainline = line.split()
        assert field(release, arch, name) == value(here), line
        assert field(release.partition("-")[0], arch, name) == value(mainline), line
        # A rebuild may begin to count anew.
        assert ".el" not in release or field(re.sub(r"-\d+", "-0", release), arch, name) == value(here), line


def written() -> set[tuple[str, int, str, str]]:
    """Return the rows as (version, build, architecture, field); a build of 0 stands for all."""
    found = set()
    for line in FROM.strip().splitlines():
        named, arches, name, *_ = line.split()
        version, build, _ = KERNELS[named]
        found |= {(version, build, arch, name) for arch in arches.split("|")}
    for line in ALWAYS.strip().splitlines():
        release, arch, name, *_ = line.split()
        build = 0 if ".el" in release else build_number(release)
        found.add((f"{release.partition('-')[0]}-", build, arch, name))
    return found


RESERVATION = RECORDS["reservation"]
MARKS = sorted({vendor.mark for vendor in RESERVATION.vendors})


@pytest.mark.parametrize("mark", MARKS)
def test_all_that_an_entry_does_is_written_down_here(mark: str) -> None:
    """Each field that the build would have otherwise without the entry, on each architecture."""
    rows = written()
    for vendor in RESERVATION.vendors:
        without = tuple(v for v in RESERVATION.vendors if v is not vendor)
        for arch in vendor.arches if vendor.mark == mark else ():
            at = Release(f"{vendor.version}{vendor.build}{mark}.{arch}").version
            base, changes = RESERVATION.bases[arch], RESERVATION.changes
            now, then = (selected(base, changes, v, arch, at) for v in (RESERVATION.vendors, without))
            changed = {name for name in vendor.fields if getattr(now, name) != getattr(then, name)}
            assert changed <= {row[3] for row in rows if row[:3] == (vendor.version, vendor.build, arch)}, vendor


def rules(vendor: VendorChange, build: int) -> CrashRules:
    """Return what a build of the vendor's kernels does on the entry's first architecture."""
    arch = vendor.arches[0]
    return select_behaviours(arch, Release(f"{vendor.version}{build}{vendor.mark}.{arch}")).reservation


@pytest.mark.parametrize("mark", MARKS)
def test_builds_that_were_read_are_those_of_releases(mark: str) -> None:
    """In order, each once; what was read before the entry's own build does otherwise."""
    for vendor in RESERVATION.vendors:
        if vendor.mark == mark:
            assert list(vendor.read_in) == sorted(set(vendor.read_in))
            assert mark not in READ or set(vendor.read_in) <= READ[mark]
            # The build that an entry begins with was read, and one before it unless it is the first of all that were.
            earlier = any(build < vendor.build for build in READ.get(mark, ()))
            assert not vendor.build or vendor.build in vendor.read_in
            assert not earlier or vendor.read_in[0] < vendor.build
            own = rules(vendor, vendor.build)
            for build in vendor.read_in:
                same = all(getattr(rules(vendor, build), name) == getattr(own, name) for name in vendor.fields)
                assert not same or build >= vendor.build
