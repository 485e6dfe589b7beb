"""Runs inside a guest: call kexec_file_load once per case and report what the kernel says it did.

Stands alone: the guest has Python but no kexeckit. Cases come as JSON in the first argument's file; one JSON document
goes to standard output. Kernels since 6.8 print their choices when flag 0x8 is set, older ones by dynamic debug.
"""

import ctypes
import json
import os
import sys
from pathlib import Path

SYS_KEXEC_FILE_LOAD = 320
UNLOAD, ON_CRASH, NO_INITRAMFS, DEBUG = 1, 2, 4, 8
EINVAL = 22
CONTROL = Path("/sys/kernel/debug/dynamic_debug/control")
PLACES = ("kernel/kexec_file.c", "kernel/crash_core.c", "arch/x86/kernel/kexec-bzimage64.c", "arch/x86/kernel/crash.c")
FACTS = ("possible", "present", "kernel_max")


def main() -> None:
    """Run all cases."""
    cases = json.loads(Path(sys.argv[1]).read_text())
    if CONTROL.exists():
        for place in PLACES:
            CONTROL.write_text(f"file {place} +p\n")
    cpus = {name: Path(f"/sys/devices/system/cpu/{name}").read_text().strip() for name in FACTS}
    json.dump({"cpus": cpus, "meminfo": meminfo(), "results": [run(case) for case in cases]}, sys.stdout)


def run(case: dict[str, object]) -> dict[str, object]:
    """Load one image, read the kernel's messages about it, unload it."""
    messages = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(messages, 0, os.SEEK_END)
    flags = int(str(case["flags"]))
    kernel = os.open(str(case["kernel"]), os.O_RDONLY)
    initrd = sparse_file(int(str(case["initrd"]))) if case["initrd"] is not None else -1
    if initrd < 0:
        flags |= NO_INITRAMFS
    cmdline = None if case["cmdline"] is None else str(case["cmdline"]).encode() + b"\0"
    number = load(kernel, initrd, cmdline, flags)
    lines = read_messages(messages)
    if number == EINVAL and not lines:
        # Before 6.8 the debug flag itself is refused.
        number = load(kernel, initrd, cmdline, flags & ~DEBUG)
    lines += read_messages(messages)
    for descriptor in (messages, kernel, *([initrd] if initrd >= 0 else [])):
        os.close(descriptor)
    load(-1, -1, None, UNLOAD | (flags & ON_CRASH))
    return {"errno": number, "lines": lines}


def load(kernel: int, initrd: int, cmdline: bytes | None, flags: int) -> int:
    """Call kexec_file_load(2); return 0 or the error number."""
    libc = ctypes.CDLL(None, use_errno=True)
    words: list[object] = [ctypes.c_long(SYS_KEXEC_FILE_LOAD), ctypes.c_long(kernel), ctypes.c_long(initrd)]
    words += [ctypes.c_ulong(len(cmdline or b"")), ctypes.c_char_p(cmdline), ctypes.c_ulong(flags)]
    return ctypes.get_errno() if libc.syscall(*words) else 0


def sparse_file(size: int) -> int:
    """Return a descriptor of a file of zeros."""
    # The kernel refuses a file that is open for writing.
    with Path("/tmp/initrd").open("wb") as file:
        file.truncate(size)
    return os.open("/tmp/initrd", os.O_RDONLY)


def read_messages(messages: int) -> list[str]:
    """Return the kernel messages since the last read."""
    out: list[str] = []
    while True:
        try:
            record = os.read(messages, 8192).decode("utf-8", "replace")
        except BlockingIOError:
            return out
        except BrokenPipeError:
            out.append("(messages were lost)")
            continue
        out.append(record.split("\n")[0].partition(";")[2])


def meminfo() -> dict[str, int]:
    """Return /proc/meminfo in KiB."""
    pairs = (line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return {name: int(value.split()[0]) for name, value in pairs}


if __name__ == "__main__":
    main()
