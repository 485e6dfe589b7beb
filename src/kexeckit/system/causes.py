"""What an errno of a kexec system call means here: a cause and a remedy, from the errno and the state of the machine.

Source: kernel/kexec.c, kexec_load_check() and do_kexec_load(); kernel/kexec_file.c; kernel/kexec_core.c,
sanity_check_segment_list() and kexec_load_permitted(); security/lockdown/lockdown.c.
"""

import errno
from contextlib import suppress

from kexeckit.errors import KexeckitError, SystemCallError
from kexeckit.system.sysroot import Sysroot

_LOCKDOWN = "/sys/kernel/security/lockdown"
_DISABLED = "/proc/sys/kernel/kexec_load_disabled"
_CRASH_SIZE = "/sys/kernel/kexec_crash_size"
_CAP_SYS_BOOT = 22

# errno -> (cause, remedy) where the state of the machine adds nothing.
_PLAIN = {
    errno.EBUSY: (
        "another kexec system call is running, or a crash image is in use",
        "try again in a moment",
    ),
    errno.ENOMEM: (
        "the kernel has no memory left for the image, its page tables or its control pages",
        "free memory, or for a crash image reserve more (`kexeckit crashkernel --estimate`)",
    ),
    errno.EINVAL: (
        "the kernel does not accept the segments or flags (overlap, more than half of RAM, unknown flag)",
        "run `kexeckit plan` for the same image and report its output",
    ),
    errno.EADDRNOTAVAIL: (
        "a segment lies where this kernel does not allow one: outside the crash region, or unaligned",
        "for a crash image check the reservation (`kexeckit status`); it may have been shrunk",
    ),
    errno.ENOEXEC: (
        "the kernel does not know this image type",
        "use --syscall load, which needs only a bzImage",
    ),
    errno.EFAULT: ("a buffer vanished while it was read (was the file truncated?)", "try again"),
    errno.ENODEV: ("the image carries no signature", "sign the kernel, or use --syscall load where it is allowed"),
    errno.ENODATA: ("the image carries no signature", "sign the kernel, or use --syscall load where it is allowed"),
    errno.EKEYREJECTED: (
        "the signature's key is not trusted, or the signature is wrong",
        "use a kernel signed for this system",
    ),
    errno.ENOKEY: ("the key that signed the image is not known to this kernel", "enrol the key, or use another kernel"),
    errno.EBADMSG: ("the signature is damaged", "install the kernel file again"),
    errno.ELIBBAD: ("the image's signature cannot be parsed", "install the kernel file again"),
    errno.ENOPKG: ("the signature uses an algorithm that this kernel lacks", "sign the kernel with another one"),
    errno.ETXTBSY: ("a file is being written to", "wait until it is complete"),
}


def explained(syscall: str, error: OSError, root: Sysroot, *, panic: bool) -> SystemCallError:
    """Turn an errno into a cause and a remedy.

    Args:
        syscall: Its name.
        error: What it gave.
        root: The running machine, to look at its state.
        panic: Whether a crash image was concerned.
    """
    number = error.errno or 0
    name = errno.errorcode.get(number, str(number))
    if number == errno.EPERM:
        cause, remedy = _eperm(syscall, root, panic=panic)
        return SystemCallError(syscall, number, f"{cause} ({name})", remedy=remedy, exit_code=77)
    if number == errno.ENOSYS:
        option = "CONFIG_KEXEC" if syscall == "kexec_load" else "CONFIG_KEXEC_FILE"
        return SystemCallError(
            syscall,
            number,
            f"this kernel has no such system call: it was built without {option} ({name})",
            remedy="boot a kernel that has it",
            exit_code=69,
        )
    if number == errno.EADDRNOTAVAIL and panic and _text(root, _CRASH_SIZE).strip() == "0":
        cause, remedy = "no memory is reserved for a crash image", "boot with crashkernel="
        return SystemCallError(syscall, number, f"{cause} ({name})", remedy=remedy)
    cause, remedy = _PLAIN.get(number, (error.strerror or "refused for an unknown reason", ""))
    return SystemCallError(syscall, number, f"{cause} ({name})", remedy=remedy)


def locked_down(root: Sysroot) -> str:
    """Return the lockdown mode in force (``integrity``, ``confidentiality``), or an empty text."""
    text = _text(root, _LOCKDOWN)
    chosen = [w.strip("[]") for w in text.split() if w.startswith("[")]
    return chosen[0] if chosen and chosen[0] != "none" else ""


def _eperm(syscall: str, root: Sysroot, *, panic: bool) -> tuple[str, str]:
    if not _has_cap_sys_boot(root):
        return "the caller lacks CAP_SYS_BOOT", "run as root"
    if _text(root, _DISABLED).strip() == "1":
        return (
            "loading is switched off until the next boot (sysctl kernel.kexec_load_disabled=1)",
            "reboot; find who sets it in /etc/sysctl.d",
        )
    mode = locked_down(root)
    if mode and syscall == "kexec_load":
        return f"the kernel is locked down ({mode})", "use --syscall file with a signed kernel"
    if mode:
        cause = f"the kernel is locked down ({mode}) and does not accept the signature of the image, or it has none"
        return cause, "use a kernel that is signed by a key that this system trusts"
    limit = f"kexec_load_limit_{'panic' if panic else 'reboot'}"
    if _text(root, f"/proc/sys/kernel/{limit}").strip() == "0":
        return f"the limit of loads is used up (sysctl kernel.{limit}=0)", "reboot"
    unseen = "" if root.exists(_LOCKDOWN) else "; which one cannot be seen, securityfs is not mounted"
    return (
        f"a security policy of this system forbids it (lockdown, IMA appraisal or another security module{unseen})",
        "look into the kernel log and the audit log",
    )


def _has_cap_sys_boot(root: Sysroot) -> bool:
    for line in _text(root, "/proc/self/status").splitlines():
        if line.startswith("CapEff:"):
            with suppress(ValueError):
                return bool(int(line.removeprefix("CapEff:"), 16) >> _CAP_SYS_BOOT & 1)
    return True


def _text(root: Sysroot, name: str) -> str:
    try:
        return root.read_text(name) if root.exists(name) else ""
    except KexeckitError:
        return ""
