"""From the words of `plan` and `load` to a request."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import pytest

from fakes import INITRD, build_bzimage, make_facts, make_request
from kexeckit.cli.image_arguments import add_image_arguments
from kexeckit.cli.image_arguments import make_request as request_of
from kexeckit.errors import KexeckitError, UnavailableError, UsageError
from kexeckit.plan import verify as verifier
from kexeckit.plan.handover import OldRam
from kexeckit.plan.load_plan import LoadRequest, Syscall
from kexeckit.plan.make import plan_image
from kexeckit.plan.verify import Finding
from kexeckit.purgatory import OnDamage
from kexeckit.system.next_kernel import SEED_SIZE

RUNNING = "BOOT_IMAGE=/x root=/dev/sda crashkernel=256M quiet"


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A kernel and an initrd."""
    (tmp_path / "k").write_bytes(build_bzimage())
    (tmp_path / "i").write_bytes(INITRD)
    return str(tmp_path / "k"), str(tmp_path / "i")


def asked(*words: str) -> LoadRequest:
    """The request of these words."""
    parser = ArgumentParser()
    add_image_arguments(parser)
    return request_of(parser.parse_args(words), RUNNING)


def test_defaults(files: tuple[str, str]) -> None:
    """A next kernel without initrd and words; old RAM reserved, halt on damage, port from the command line."""
    found = asked(files[0])
    assert (found.kernel.source, found.initrd, found.cmdline, found.panic) == (files[0], None, "", False)
    assert (found.old_ram, found.on_damage, found.serial_port) == (OldRam.RESERVED, OnDamage.HALT, None)
    assert (found.spin, found.efi, len(found.rng_seed)) == (False, None, SEED_SIZE)


@pytest.mark.parametrize(
    ("words", "cmdline"),
    [
        (("--append", "a b"), "a b"),
        (("--command-line", "a b"), "a b"),
        (("--reuse-cmdline",), "root=/dev/sda crashkernel=256M quiet"),
        (("--reuse-cmdline", "--append", "x"), "root=/dev/sda crashkernel=256M quiet x"),
        (("--reuse-cmdline", "--append", "x", "--panic"), "root=/dev/sda quiet x"),
        (("--append", ""), ""),
    ],
)
def test_the_command_line(files: tuple[str, str], words: tuple[str, ...], cmdline: str) -> None:
    """The running one first, then the user's."""
    assert asked(files[0], *words).cmdline == cmdline


def test_options_reach_the_request(files: tuple[str, str]) -> None:
    """Each by its own field; --ramdisk is another name."""
    found = asked(
        files[0], "--ramdisk", files[1], "-p", "--old-ram", "omit", "--on-damage", "reset", "--serial", "0x2e8"
    )
    assert found.initrd is not None
    assert bytes(found.initrd.data) == INITRD
    assert (found.panic, found.old_ram, found.on_damage, found.serial_port) == (
        True,
        OldRam.OMIT,
        OnDamage.RESET,
        0x2E8,
    )


@pytest.mark.parametrize(
    ("text", "port"), [("ttyS0", 0x3F8), ("ttyS3", 0x2E8), ("0", 0), ("0xfff8", 0xFFF8), ("760", 0x2F8)]
)
def test_serial_ports(files: tuple[str, str], text: str, port: int) -> None:
    """By name or number; 0 is none."""
    assert asked(files[0], "--serial", text).serial_port == port


@pytest.mark.parametrize("text", ["ttyS4", "0xfff9", "0x10000", "-5", "", "COM1", "1" * 5000])
def test_serial_ports_that_are_none(files: tuple[str, str], text: str) -> None:
    """An 8250 has eight registers below 0x10000."""
    with pytest.raises(UsageError, match="expected an I/O port"):
        asked(files[0], f"--serial={text}")


def test_files_that_are_not_there(files: tuple[str, str]) -> None:
    """By name."""
    with pytest.raises(UnavailableError, match="nowhere: no such file"):
        asked(files[0], "--initrd", "nowhere")


def test_a_plan_that_verify_rejects_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every plan of either kind goes through it; the message asks for a report."""
    seen: list[Any] = []

    def reject(plan: Any, request: Any, facts: Any) -> list[Finding]:
        seen.append((plan, request, facts))
        return [Finding("overlap", "a and b"), Finding("size", "c")]

    monkeypatch.setattr(verifier, "verify", reject)
    for syscall in Syscall:
        with pytest.raises(KexeckitError, match="rejects the plan: overlap: a and b; size: c") as caught:
            plan_image(make_request(), make_facts(), syscall)
        assert "report it" in caught.value.remedy
    assert [plan.syscall for plan, _, _ in seen] == list(Syscall)
