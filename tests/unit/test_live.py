"""What the state-changing commands share."""

from dataclasses import replace
from pathlib import Path

import pytest

from fakes import LiveRoot
from kexeckit.cli.live import live_loader, replan, require_live
from kexeckit.errors import InputError, KexeckitError, PlanError, UsageError
from kexeckit.system.kexec import LinuxKernel
from kexeckit.system.record import RECORDS, LoadRecord
from kexeckit.system.sysroot import open_sysroot
from load_bench import Bench, make_bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Files and a machine."""
    return make_bench(tmp_path)


def test_a_capture_is_not_changed(bench: Bench) -> None:
    """Usage, with the verb."""
    require_live(bench.loader.root, "load")
    with pytest.raises(UsageError, match="unload changes the running machine"):
        require_live(open_sysroot(str(bench.folder)), "unload")


def test_the_live_loader_is_this_machines(bench: Bench) -> None:
    """Its system calls and its folder of records."""
    found = live_loader(LiveRoot(str(bench.folder / "root")), "x86_64")
    assert found.kernel == LinuxKernel("x86_64")
    assert found.records == RECORDS == "/run/kexeckit"


def test_an_old_image_is_planned_again_as_it_was(bench: Bench) -> None:
    """The same places and bytes but for the seed, which is a new one of the same length."""
    plan, request = bench.wanted("old")
    request = replace(request, serial_port=0x2F8, spin=True)
    again, wanted = replan(LoadRecord.of(plan, request), bench.loader.root, "x86_64")
    assert [(s.name, s.range, s.bufsz) for s in again.segments] == [(s.name, s.range, s.bufsz) for s in plan.segments]
    assert (wanted.cmdline, wanted.serial_port, wanted.spin) == ("image=old", 0x2F8, True)
    assert len(wanted.rng_seed) == len(request.rng_seed) == 32
    assert wanted.rng_seed != request.rng_seed
    assert (again.entry, again.e820) == (plan.entry, plan.e820)


def test_what_has_changed_since_is_refused(bench: Bench) -> None:
    """By the file's name."""
    record = LoadRecord.of(*bench.wanted("old"))
    for name, field in (
        ("old.kernel", "kernel_sha256"),
        ("old.kernel", "setup_sha256"),
        ("old.initrd", "initrd_sha256"),
    ):
        with pytest.raises(InputError, match=rf"{name}: the file has changed since it was loaded"):
            replan(replace(record, **{field: "0" * 64}), bench.loader.root, "x86_64")  # type: ignore[arg-type]


def test_what_cannot_be_planned_again_is_refused(bench: Bench) -> None:
    """No reservation any more; parts that are not on record."""
    record = LoadRecord.of(*bench.wanted("old"))
    with pytest.raises(PlanError, match="--efi-map"):
        replan(replace(record, efi_map=True), bench.loader.root, "x86_64")
    (bench.folder / "root/proc/iomem").write_text("00100000-bffdffff : System RAM\n")
    with pytest.raises(KexeckitError, match="no memory is reserved"):
        replan(record, bench.loader.root, "x86_64")
