"""The tables of behaviours: order, types, names, and what a change does at its dates."""

from dataclasses import asdict, fields, replace
from typing import Any, get_args, get_origin

import pytest

from kexeckit.kernel.behaviour import loading, zones
from kexeckit.kernel.behaviour.catalogue import RECORDS, histories, stated_fields
from kexeckit.kernel.behaviour.change import Change, Numbers, VendorChange
from kexeckit.kernel.behaviour.fields import field_types
from kexeckit.kernel.behaviour.floors import FLOORS
from kexeckit.kernel.behaviour.reservation import crash_rules
from kexeckit.kernel.behaviour.select import build_number, has_change, selected, vendor_fields
from kexeckit.machine.version import KernelVersion, Release, parse_kernel_version
from source_tree import modules

CHANGES = [(name, change) for name, table in RECORDS.items() for change in table.changes]
VENDORS = [(name, vendor) for name, table in RECORDS.items() for vendor in table.vendors]


def version(numbers: Numbers) -> KernelVersion:
    """Return a mainline or stable release."""
    return KernelVersion(*numbers, ".".join(map(str, numbers)))


def one_before(numbers: Numbers) -> KernelVersion:
    """Return a release just below another one."""
    major, minor, patch = numbers
    if patch:
        return version((major, minor, patch - 1))
    return version((major, minor - 1, 999) if minor else (major - 1, 99, 999))


@pytest.mark.parametrize("name", RECORDS)
def test_changes_are_in_order_of_release(name: str) -> None:
    """Order decides which of two changes of a field wins."""
    dates = [change.since for change in RECORDS[name].changes]
    assert dates == sorted(dates)


@pytest.mark.parametrize("name", RECORDS)
def test_vendors_are_in_order_of_build(name: str) -> None:
    """For each distribution on its own."""
    found: dict[tuple[str, str], list[int]] = {}
    for vendor in RECORDS[name].vendors:
        found.setdefault((vendor.version, vendor.mark), []).append(vendor.build)
    assert all(builds == sorted(builds) for builds in found.values())


def test_a_field_belongs_to_one_record() -> None:
    """So --set needs no prefix."""
    names = [name for table in RECORDS.values() for name in field_types(table.record)]
    assert len(names) == len(set(names)) == len(stated_fields())


def fits(value: object, wanted: Any) -> bool:
    """Say whether a value is of a field's type; True is no number here."""
    if get_origin(wanted) is tuple:
        return isinstance(value, tuple) and all(isinstance(v, str) for v in value)
    kinds = get_args(wanted) or (wanted,)
    return type(value) in kinds or (value is None and type(None) in kinds)


@pytest.mark.parametrize(("name", "entry"), [*CHANGES, *VENDORS])
def test_values_are_of_their_fields_type(name: str, entry: Change | VendorChange) -> None:
    """A value of another type would be compared in vain."""
    types = field_types(RECORDS[name].record)
    assert {f: v for f, v in entry.fields.items() if not fits(v, types[f])} == {}


def test_values_before_are_of_their_fields_type() -> None:
    """The same for what a record has before all changes."""
    for table in RECORDS.values():
        for base in table.bases.values():
            wrong = {f for f, wanted in field_types(table.record).items() if not fits(getattr(base, f), wanted)}
            assert not wrong


@pytest.mark.parametrize(("name", "entry"), [*CHANGES, *VENDORS])
def test_architectures_are_known(name: str, entry: Change | VendorChange) -> None:
    """A misspelt one would never apply."""
    assert name in RECORDS
    assert set(entry.arches) <= set(RECORDS["reservation"].bases)


def arches_of(change: Change) -> tuple[str, ...]:
    """Return the architectures that a change is for."""
    return change.arches or ("x86_64", "arm64", "s390x")


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_a_change_does_something(name: str, change: Change) -> None:
    """On each of its architectures, at its release or a backport, something is otherwise than without the entry."""
    table = RECORDS[name]
    without = tuple(c for c in table.changes if c is not change)
    for arch in arches_of(change):
        base = table.bases.get(arch) or table.bases[""]
        # What a release changed twice, stable releases may have taken over one after the other.
        dates = [version(date) for date in (change.since, *change.backports)]
        assert any(selected(base, table.changes, (), arch, at) != selected(base, without, (), arch, at) for at in dates)


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_a_change_flips_at_its_dates_and_nowhere_else(name: str, change: Change) -> None:
    """On at its release and its backports, off a release before; off where it ends or is taken back."""
    assert name in RECORDS
    for date in (change.since, *change.backports):
        assert has_change(version(date), change)
        earlier = one_before(date)
        carried = any(b[:2] == (earlier.major, earlier.minor) and b < date for b in change.backports)
        assert has_change(earlier, change) is carried, date
    for date in (*change.reverted, *([change.until] if change.until else [])):
        assert not has_change(version(date), change)


def test_a_backport_is_for_its_own_branch() -> None:
    """6.6.78 says nothing of 6.7.99."""
    change = Change((6, 14, 0), {"x": 1}, "s", "read", backports=((6, 6, 78),))
    assert [has_change(version(v), change) for v in ((6, 6, 77), (6, 6, 78), (6, 7, 99), (6, 14, 0))] == [
        False, True, False, True,
    ]  # fmt: skip


def test_a_change_that_ended_leaves_the_value_before() -> None:
    """And one that a branch took back is gone from that branch only."""
    change = Change((6, 8, 0), {"jump_copies_per_page": 7}, "s", "read", until=(6, 9, 0), reverted=((6, 8, 5),))
    for text, copies in (("6.7.12", 3), ("6.8", 7), ("6.8.4", 7), ("6.8.5", 3), ("6.9", 3), ("6.20", 3)):
        found = selected(loading.BASE, (change,), (), "x86_64", parse_kernel_version(text))
        assert found.jump_copies_per_page == copies, text


@pytest.mark.parametrize(
    "wrong",
    [
        {"fields": {}},
        {"source": ""},
        {"checked": "guessed"},
        {"until": (6, 0, 0)},
        {"backports": ((6, 1, 0),)},
        {"backports": ((5, 1, 1), (5, 1, 2))},
        {"reverted": ((5, 9, 9),)},
        {"reverted": ((6, 1, 2), (6, 1, 3))},
        {"backports": ((5, 1, 3),), "reverted": ((5, 1, 3),)},
        {"backports": ((5, 1, 3),), "reverted": ((5, 2, 4),)},
        {"since": (6, 1)},
        {"since": (6, 1, -1)},
        {"since": (6, 1, 1)},
        {"since": (-1, 1, 0)},
        {"since": (2, 1, 32)},
        {"since": (3, 1, 2)},
        {"until": (6, 2)},
        {"until": (6, 2, 1)},
        {"backports": ((5, 1),)},
        {"backports": ((5, 1, 0),)},
        {"backports": ((5, 1, -1),)},
        {"reverted": ((6, 1, 2, 3),)},
        {"reverted": ((6, 1, 0),)},
    ],
)
def test_a_change_that_contradicts_itself_cannot_be_made(wrong: dict[str, Any]) -> None:
    """No fields, no source, an end before the beginning, a backport that is none, a revert of nothing, no release."""
    good = Change((6, 1, 0), {"x": 1}, "s", "read")
    with pytest.raises(ValueError, match=r"a change of \(-?\d, 1"):
        replace(good, **wrong)


def test_the_first_releases_of_all_are_dates() -> None:
    """Numbers may be 0, and up to 2.6 the third one counts releases of mainline."""
    for date in ((0, 0, 0), (1, 0, 0), (2, 6, 1)):
        assert Change(date, {"x": 1}, "s", "read").since == date
    assert Change((3, 0, 0), {"x": 1}, "s", "read", backports=((2, 6, 32), (0, 0, 1))).backports
    assert Change((3, 0, 0), {"x": 1}, "s", "read", backports=((2, 6, 32),), reverted=((2, 6, 33),)).reverted
    assert VendorChange("5.10.0-", "-arm64", 0, ("arm64",), {"x": 1}, "s", (0,)).build == 0


@pytest.mark.parametrize("wrong", [{"build": -1}, {"read_in": (-1, 8)}])
def test_no_build_is_below_0(wrong: dict[str, Any]) -> None:
    """Neither the one that an entry begins with nor one that was read."""
    good = VendorChange("4.18.0-", ".el8", 147, ("x86_64",), {"x": 1}, "s", (147,))
    with pytest.raises(ValueError, match=r"a change of 4\.18\.0-\*\.el8 has a build below 0"):
        replace(good, **wrong)


def test_vendor_fields_want_version_mark_build_and_architecture() -> None:
    """The form is the same for all records."""
    table = (VendorChange("4.18.0-", ".el8", 147, ("x86_64",), {"x": 1}, "s", (147,)),)
    assert list(vendor_fields(table, "x86_64", "4.18.0-147.el8.x86_64")) == [{"x": 1}]
    assert list(vendor_fields(table, None, "4.18.0-553.el8_10.x86_64")) == [{"x": 1}]
    for arch, release in (
        ("arm64", "4.18.0-147.el8.aarch64"),
        ("x86_64", "4.18.0-146.el8.x86_64"),
        ("x86_64", "4.18.0-147.el8uek.x86_64"),
        ("x86_64", "4.18.20-1.el8.elrepo.x86_64"),
        ("x86_64", "4.18.0"),
    ):
        assert list(vendor_fields(table, arch, release)) == [], release


@pytest.mark.parametrize(
    ("release", "number"), [("4.18.0-147.3.1.el8", 147), ("5.10.0-32-arm64", 32), ("6.12", 0), ("6.1-rc7", 0)]
)
def test_build_numbers(release: str, number: int) -> None:
    """The first number behind the dash."""
    assert build_number(release) == number


def test_distributions_differ_in_loading_and_zones_too() -> None:
    """RHEL 8 maps the firmware's tables; Debian's 5.10 has the stable release's zones whatever uname shows."""
    rhel = [loading.behaviour_of(parse_kernel_version(f"4.18.0-{n}.el8.x86_64")) for n in (393, 394)]
    assert [b.firmware_tables_mapped for b in rhel] == [False, True]
    arm64 = [zones.zone_behaviour_of(parse_kernel_version(f"5.10.0-{n}-arm64"), arch="arm64") for n in (7, 8)]
    assert [z.arm64_dma for z in arm64] == ["first-gib", "firmware-bits"]


def test_a_record_without_an_architecture_has_the_changes_of_all() -> None:
    """Callers that do not know it yet lose nothing."""
    newest = parse_kernel_version("7.2")
    assert zones.zone_behaviour_of(newest).arm64_dma == "firmware-limit"
    assert zones.zone_behaviour_of(newest, arch="x86_64").arm64_dma == "none"
    assert asdict(loading.behaviour_of(newest)) == asdict(loading.behaviour_of(newest, arch="x86_64"))


@pytest.mark.parametrize(
    ("uname", "stable", "numbers", "text"),
    [
        ("5.10.0-32-arm64", "5.10.223", (5, 10, 223), "5.10.0-32-arm64"),
        ("5.14.0-503.el9.x86_64", "", (5, 14, 0), "5.14.0-503.el9.x86_64"),
        ("", "6.1.176", (6, 1, 176), "6.1.176"),
        ("5.10.0-rc7-next-20201210", "", (5, 11, 0), "5.10.0-rc7-next-20201210"),
    ],
)
def test_numbers_of_the_stable_release_text_of_uname(uname: str, stable: str, numbers: Numbers, text: str) -> None:
    """The distribution is told from the one, dates from the other; linux-next is what the next release will be."""
    found = Release(uname, stable).version
    assert ((found.major, found.minor, found.patch), found.release) == (numbers, text)
    assert str(Release(uname, stable)) == (uname or stable)


def test_an_architecture_without_rules_of_its_own() -> None:
    """What a reservation begins with where nothing else is known: no search, and what the oldest parser does."""
    found = asdict(crash_rules("sparc64", version((2, 6, 30))))
    expected: dict[str, object] = {
        "arch": "sparc64",
        "words": "plain",
        "low_default": "none",
        "mirror": "always",
        "dialect": "mb",
        "suffixes": (),
        "align": 16 << 20,
        "fixed_align": 1 << 20,
        "low_start": 16 << 20,
        "high_start": 16 << 20,
        "fallback_start": 16 << 20,
        "high_limit": 64 << 40,
        "cma_align": 4 << 20,
        "section": 1 << 30,
        "usage": 336,
        "page": 4096,
        "pa_bits": 48,
    }
    true = {"low_by_word", "low_limit_is_4g", "after_numa", "cma_first"}
    assert {name: value for name, value in found.items() if name in expected} == expected
    assert {name for name, value in found.items() if value is True} == true
    others = {value for name, value in found.items() if name not in expected.keys() | true}
    assert others == {False, None, ""}


def test_every_field_is_explained() -> None:
    """In the record's docstring, which `explain` prints."""
    assert [h.name for h in histories() if not h.what.endswith(".")] == []


def test_every_field_of_a_record_is_in_the_catalogue() -> None:
    """But those that say what a record is about."""
    every = {f.name for table in RECORDS.values() for f in fields(table.record)}
    assert every - set(stated_fields()) == {"arch", "modelled"}


def test_releases_are_compared_in_one_place() -> None:
    """`select` and `floors`; everything else asks for a field. Marks of distributions stand in the vendors' tables."""
    found = {m.path.rpartition("/")[2] for m in modules("src") if ".at_least(" in m.text or '".el' in m.text}
    assert found == {"select.py", "floors.py", "vendors_loading.py", "vendors_reservation.py"}


def test_floors_are_one_for_each_subject_and_architecture() -> None:
    """And name a source."""
    pairs = [(f.subject, arch) for f in FLOORS for arch in f.arches]
    assert len(pairs) == len(set(pairs))
    assert all(f.source and f.why for f in FLOORS)
