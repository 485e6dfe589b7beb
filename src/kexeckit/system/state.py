"""What is loaded, as the kernel says it.

Source: kernel/ksysfs.c; from 7.2 on the files live in /sys/kernel/kexec/ too, and the old names stay as links.
"""

from kexeckit.errors import UnavailableError
from kexeckit.frozen import dataclass
from kexeckit.machine.fact import Fact
from kexeckit.machine.sources.files import CRASH_LOADED, CRASH_SIZE, LOADED, machine_from_files
from kexeckit.machine.value import Machine
from kexeckit.system.root_files import read_named
from kexeckit.system.sysroot import Sysroot


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


def state_of(machine: Machine) -> KexecState:
    """Return the state that a machine was read in.

    Raises:
        UnavailableError: The kernel has no kexec, or the source does not show what is loaded.
        InputError: It shows something that cannot be understood.
    """
    for name in ("loaded", "crash_loaded", "crash_size"):
        problem = machine.problem(f"observed.{name}")
        if problem:
            raise problem.error()
    seen = machine.observed
    normal, crash = _shown(machine, seen.loaded, LOADED[0]), _shown(machine, seen.crash_loaded, CRASH_LOADED[0])
    return KexecState(normal, crash, seen.crash_size.value if seen.crash_size else None)


def read_state(root: Sysroot) -> KexecState:
    """Read the state, and nothing else of a machine: it changes while kexeckit runs.

    Raises:
        UnavailableError: The kernel has no kexec, or the source does not show what is loaded.
        InputError: It shows something that cannot be understood.
    """
    if root.live and not root.exists("/sys/kernel"):
        raise UnavailableError("cannot tell what is loaded: /sys is not mounted", remedy="mount -t sysfs sysfs /sys")
    return state_of(machine_from_files(read_named(root, (*LOADED, *CRASH_LOADED, *CRASH_SIZE))))


def header_is_updated(root: Sysroot) -> bool:
    """Say whether the kernel keeps the loaded crash image's elfcorehdr up to date on memory hotplug.

    Source: kernel/crash_core.c, crash_check_hotplug_support(); drivers/base/memory.c, crash_hotplug_show().
    """
    name = "/sys/devices/system/memory/crash_hotplug"
    return root.exists(name) and root.read_text(name).strip() == "1"


def _shown(machine: Machine, fact: Fact[bool] | None, name: str) -> bool:
    if fact:
        return fact.value
    if machine.kind == "live":
        raise UnavailableError(
            f"{name} is absent: this kernel was built without kexec", remedy="boot a kernel with CONFIG_KEXEC"
        )
    raise UnavailableError(f"cannot tell what is loaded: the capture does not contain {name}")
