"""What is loaded, as the kernel says it.

Source: kernel/ksysfs.c; from 7.2 on the files live in /sys/kernel/kexec/ too, and the old names stay as links.
"""

from dataclasses import dataclass

from kexeckit.errors import InputError, UnavailableError
from kexeckit.system.sysroot import Sysroot

_NORMAL = ("/sys/kernel/kexec_loaded", "/sys/kernel/kexec/loaded")
_CRASH = ("/sys/kernel/kexec_crash_loaded", "/sys/kernel/kexec/crash_loaded")
_SIZE = ("/sys/kernel/kexec_crash_size", "/sys/kernel/kexec/crash_size")


@dataclass(frozen=True, slots=True)
class KexecState:
    """The kernel's two slots.

    Attributes:
        normal: A next kernel is loaded.
        crash: A capture kernel is loaded.
        crash_size: Bytes reserved for capture kernels, or None where the kernel does not say.
    """

    normal: bool
    crash: bool
    crash_size: int | None


def read_state(root: Sysroot) -> KexecState:
    """Read the state.

    Raises:
        UnavailableError: The kernel has no kexec.
    """
    return KexecState(_number(root, _NORMAL) == 1, _number(root, _CRASH) == 1, _number(root, _SIZE))


def header_is_updated(root: Sysroot) -> bool:
    """Say whether the kernel keeps the loaded crash image's elfcorehdr up to date on memory hotplug.

    Source: kernel/crash_core.c, crash_check_hotplug_support(); drivers/base/memory.c, crash_hotplug_show().
    """
    name = "/sys/devices/system/memory/crash_hotplug"
    return root.exists(name) and root.read_text(name).strip() == "1"


def _number(root: Sysroot, names: tuple[str, str]) -> int | None:
    for name in names:
        if root.exists(name):
            text = root.read_text(name).strip()
            try:
                return int(text)
            except ValueError:
                raise InputError(root.label(name), f"unusable text {text!r}", expected="a number") from None
    if names is _SIZE:
        return None
    raise UnavailableError(
        f"{root.label(names[0])} is absent: this kernel was built without kexec",
        remedy="boot a kernel with CONFIG_KEXEC",
    )
