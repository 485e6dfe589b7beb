"""What makes two plans the same image: a short text that changes when, and only when, a reload would change anything.

The seed for the next kernel's random numbers is new in each plan and does not count; neither do digests of segments
that it is in. What the elfcorehdr lists has a part of its own, because a kernel may keep it up to date by itself.
"""

import hashlib

from kexeckit.plan.load_plan import LoadPlan

_STABLE_CONTENT = ("kernel", "initrd", "boot_params")


def fingerprint(plan: LoadPlan) -> str:
    """Return the fingerprint of a plan: one for the image, and one for what its elfcorehdr lists.

    Returns:
        Two times 64 hexadecimal digits with a colon between them.
    """
    return f"{_digest(_image(plan))}:{_digest(_header(plan))}"


def is_same_image(old: str, new: str, *, kernel_updates_header: bool) -> bool:
    """Say whether a reload would change nothing.

    Args:
        old: Fingerprint of what was loaded; an empty one is never the same.
        new: Fingerprint of what would be loaded now.
        kernel_updates_header: Whether the running kernel keeps this image's elfcorehdr up to date.
    """
    if kernel_updates_header:
        return bool(old) and old.partition(":")[0] == new.partition(":")[0]
    return bool(old) and old == new


def _image(plan: LoadPlan) -> list[str]:
    parts = [str(plan.syscall), str(plan.panic), plan.arch, str(plan.entry), plan.cmdline]
    parts += [f"{s.name} {s.range} {s.bufsz}" for s in plan.segments]
    parts += [f"{s.name} {s.sha256}" for s in plan.segments if s.name in _STABLE_CONTENT]
    return parts + [str(entry) for entry in plan.e820]


def _header(plan: LoadPlan) -> list[str]:
    if not plan.elfcorehdr:
        return []
    notes = [f"note {n.name} {n.range}" for n in plan.elfcorehdr.notes]
    return notes + [f"load {r.range} {r.vaddr:#x}" for r in plan.elfcorehdr.loads]


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
