"""What the state-changing commands share: they act on the running machine and on no capture."""

from kexeckit.errors import InputError, PlanError, UsageError
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.system.loader import Loader
from kexeckit.system.record import RECORDS, LoadRecord
from kexeckit.system.sysroot import Sysroot


def require_live(root: Sysroot, verb: str) -> None:
    """Refuse to change the state of a capture.

    Raises:
        UsageError: `root` is not the running machine.
    """
    if not root.live:
        raise UsageError(f"{verb} changes the running machine; with --root only --dry-run is possible")


def running_arch(stated: str | None) -> str:
    """Return the kernel's name of the running machine's architecture, or of the one that the user states.

    Raises:
        UsageError: Nobody calls an architecture so.
    """
    import os

    from kexeckit.machine.arch import kernel_arch, stated_arch

    return stated_arch(stated) if stated else kernel_arch(os.uname().machine)


def live_loader(root: Sysroot, arch: str) -> Loader:
    """Return a loader for the running machine; `arch` is the kernel's name of its architecture."""
    from kexeckit.system.kexec import LinuxKernel

    return Loader(LinuxKernel(arch), root, RECORDS, lambda record: replan(record, root, arch))


def replan(record: LoadRecord, root: Sysroot, arch: str) -> tuple[LoadPlan, LoadRequest]:
    """Plan again what a record says was loaded.

    Raises:
        InputError: A file has changed since then.
        KexeckitError: It cannot be planned any more.
    """
    from kexeckit.plan.from_machine import plan_facts
    from kexeckit.plan.make import plan_image
    from kexeckit.system.machine import read_machine
    from kexeckit.system.next_kernel import JumpOptions, open_next_kernel

    if record.efi_map:
        raise PlanError("the old image", "it was loaded with --efi-map, whose content is not recorded")
    options = JumpOptions(record.old_ram, record.on_damage, record.serial_port, spin=record.spin)
    request = open_next_kernel(record.kernel, record.initrd, record.cmdline, panic=record.panic, options=options)
    facts = plan_facts(read_machine(root, arch=arch, handover=True))
    plan = plan_image(request, facts, Syscall(record.syscall), predicted=False)
    again = LoadRecord.of(plan, request)
    digests = ("kernel_sha256", record.kernel), ("setup_sha256", record.kernel), ("initrd_sha256", record.initrd)
    for name, path in digests:
        if getattr(again, name) != getattr(record, name):
            raise InputError(str(path), "the file has changed since it was loaded")
    return plan, request
