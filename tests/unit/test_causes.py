"""Every errno of a kexec call: one line with its cause, a remedy and the documented exit code."""

import errno
import os
from pathlib import Path

import pytest

from kexeckit.system.causes import explained, locked_down
from kexeckit.system.sysroot import Sysroot, open_sysroot

CAPABLE = "Name:\tpython\nCapEff:\t000001ffffffffff\n"
INCAPABLE = "Name:\tpython\nCapEff:\t0000000000000000\n"
STATUS, DISABLED = "/proc/self/status", "/proc/sys/kernel/kexec_load_disabled"
LOCKDOWN, SIZE = "/sys/kernel/security/lockdown", "/sys/kernel/kexec_crash_size"
PANIC, REBOOT = "/proc/sys/kernel/kexec_load_limit_panic", "/proc/sys/kernel/kexec_load_limit_reboot"


def machine(folder: Path, files: dict[str, str]) -> Sysroot:
    """A machine with these files and, unless said otherwise, all capabilities."""
    for name, text in ({STATUS: CAPABLE} | files).items():
        at = folder / name.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)
    return open_sysroot(str(folder))


def error(number: int) -> OSError:
    """As ctypes code raises it."""
    return OSError(number, os.strerror(number))


EPERM = [
    ({STATUS: INCAPABLE}, "load", False, "lacks CAP_SYS_BOOT", "run as root"),
    ({STATUS: INCAPABLE, DISABLED: "1\n"}, "load", False, "lacks CAP_SYS_BOOT", "run as root"),
    ({DISABLED: "1\n"}, "load", False, "kernel.kexec_load_disabled=1", "reboot"),
    (
        {DISABLED: "0\n", LOCKDOWN: "none [integrity] confidentiality\n"},
        "load",
        False,
        "locked down (integrity)",
        "--syscall file",
    ),
    ({LOCKDOWN: "none integrity [confidentiality]"}, "load", True, "locked down (confidentiality)", "--syscall file"),
    ({LOCKDOWN: "none [integrity] confidentiality\n"}, "file_load", False, "does not accept the signature", "signed"),
    ({LOCKDOWN: "[none] integrity confidentiality\n"}, "load", False, "security policy", "kernel log"),
    ({PANIC: "0\n", REBOOT: "5\n"}, "load", True, "kernel.kexec_load_limit_panic=0", "reboot"),
    ({PANIC: "0\n", REBOOT: "5\n"}, "load", False, "security policy", "kernel log"),
    ({PANIC: "-1\n", REBOOT: "0\n"}, "file_load", False, "kernel.kexec_load_limit_reboot=0", "reboot"),
    ({STATUS: "Name:\tx\nCapEff:\tjunk\n"}, "load", False, "security policy", "kernel log"),
    ({STATUS: "CapEff:\n"}, "load", False, "security policy", "kernel log"),
]


@pytest.mark.parametrize(("files", "call", "panic", "cause", "remedy"), EPERM)
def test_eperm_is_explained_by_the_state_of_the_machine(
    tmp_path: Path, files: dict[str, str], call: str, panic: bool, cause: str, remedy: str
) -> None:
    """What a person can change comes first; a limit counts for its own slot only."""
    found = explained(f"kexec_{call}", error(errno.EPERM), machine(tmp_path, files), panic=panic)
    assert cause in str(found)
    assert remedy in found.remedy
    assert (found.exit_code, found.errno) == (77, errno.EPERM)


PLAIN = {
    errno.EBUSY: "another kexec system call is running",
    errno.ENOMEM: "no memory left for the image",
    errno.EINVAL: "does not accept the segments or flags",
    errno.EADDRNOTAVAIL: "where this kernel does not allow one",
    errno.ENOEXEC: "does not know this image type",
    errno.EFAULT: "a buffer vanished",
    errno.ENODEV: "no signature",
    errno.ENODATA: "no signature",
    errno.EKEYREJECTED: "key is not trusted",
    errno.ENOKEY: "key that signed the image is not known",
    errno.EBADMSG: "signature is damaged",
    errno.ELIBBAD: "signature cannot be parsed",
    errno.ENOPKG: "algorithm that this kernel lacks",
    errno.ETXTBSY: "being written to",
}


@pytest.mark.parametrize("number", PLAIN)
@pytest.mark.parametrize("panic", [False, True])
def test_other_numbers_have_a_cause_and_a_remedy(tmp_path: Path, number: int, panic: bool) -> None:
    """One line, with the number's own name for those who look it up."""
    found = explained("kexec_load", error(number), machine(tmp_path, {}), panic=panic)
    assert PLAIN[number] in str(found)
    assert f"({errno.errorcode[number]})" in str(found)
    assert found.remedy
    assert "\n" not in str(found) + found.remedy
    assert found.exit_code == 1


@pytest.mark.parametrize(
    ("call", "option"), [("kexec_load", "CONFIG_KEXEC "), ("kexec_file_load", "CONFIG_KEXEC_FILE ")]
)
def test_a_call_that_is_not_there(tmp_path: Path, call: str, option: str) -> None:
    """The option that the kernel was built without; exit 69."""
    found = explained(call, error(errno.ENOSYS), machine(tmp_path, {}), panic=False)
    assert option in str(found)
    assert found.exit_code == 69


def test_no_reservation_explains_eaddrnotavail_of_a_crash_image(tmp_path: Path) -> None:
    """And of no other image, and not where something is reserved."""
    number = error(errno.EADDRNOTAVAIL)
    bare = machine(tmp_path / "a", {SIZE: "0\n"})
    assert "no memory is reserved" in str(explained("kexec_load", number, bare, panic=True))
    assert "crashkernel=" in explained("kexec_load", number, bare, panic=True).remedy
    assert "no memory is reserved" not in str(explained("kexec_load", number, bare, panic=False))
    full = machine(tmp_path / "b", {SIZE: "268435456\n"})
    assert "no memory is reserved" not in str(explained("kexec_load", number, full, panic=True))


def test_a_number_nobody_knows_is_shown(tmp_path: Path) -> None:
    """By the C library's words, or at least by itself."""
    root = machine(tmp_path, {})
    assert "Level 2 halted (EL2HLT)" in str(explained("kexec_load", error(errno.EL2HLT), root, panic=False))
    assert "refused for an unknown reason (0)" in str(explained("kexec_load", OSError(), root, panic=False))


@pytest.mark.parametrize(
    ("text", "mode"),
    [("none [integrity] confidentiality", "integrity"), ("[none] integrity", ""), ("", ""), ("junk", ""), (None, "")],
)
def test_the_lockdown_mode_in_force(tmp_path: Path, text: str | None, mode: str) -> None:
    """Empty for none, also where securityfs is not there."""
    assert locked_down(machine(tmp_path, {} if text is None else {LOCKDOWN: text})) == mode


def test_files_that_cannot_be_read_explain_nothing_and_break_nothing(tmp_path: Path) -> None:
    """A folder in the place of each file."""
    for name in (STATUS, DISABLED, LOCKDOWN, SIZE, PANIC, REBOOT):
        (tmp_path / name.lstrip("/")).mkdir(parents=True)
    root = open_sysroot(str(tmp_path))
    for number in (errno.EPERM, errno.EADDRNOTAVAIL, errno.ENOSYS):
        assert str(explained("kexec_load", error(number), root, panic=True))
