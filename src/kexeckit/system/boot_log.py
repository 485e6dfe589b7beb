"""Where the boot log of a root is: a file of a capture, or the kernel's own buffer.

Source: Documentation/ABI/testing/dev-kmsg.
"""

import os
from collections.abc import Iterator

from kexeckit.errors import KexeckitError, UnavailableError
from kexeckit.system.sysroot import Sysroot
from kexeckit.system.text import decode_text

BOOT_LOGS = ("/dmesg", "/var/log/dmesg", "/sos_commands/kernel/dmesg", "/var/log/boot.msg", "/var/log/kern.log")
_KMSG = "/dev/kmsg"


def boot_log_texts(root: Sysroot) -> Iterator[tuple[str, str | KexeckitError]]:
    """Yield how messages name each boot log of a root and its text, or why it cannot be read; the best one first.

    For the running machine the kernel's own buffer counts too, as long as it still holds the boot.
    """
    for name in BOOT_LOGS:
        try:
            yield root.label(name), root.read_text(name)
        except UnavailableError:
            continue
        except KexeckitError as error:
            yield root.label(name), error
    text = decode_text(kernel_buffer()) if root.live else ""
    if text:
        yield _KMSG, text


def kernel_buffer() -> bytes:
    """Return the running kernel's messages as dmesg prints them, or nothing where they may not be read."""
    lines: list[bytes] = []
    try:
        device = os.open(_KMSG, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        while (record := _record(device)) is not None:
            lines.append(record)
    finally:
        os.close(device)
    return b"".join(lines)


def _record(device: int) -> bytes | None:
    # One record per read: "level,number,microseconds,flags;text", more lines may follow; None behind the last one.
    try:
        head, _, text = os.read(device, 8192).partition(b";")
    except BlockingIOError:
        return None
    except BrokenPipeError:
        # The record was overwritten while we read; the next read goes on behind the gap.
        return b""
    except OSError:
        return None
    stamp = int(head.split(b",")[2])
    return b"[%5d.%06d] %s\n" % (stamp // 1_000_000, stamp % 1_000_000, text.split(b"\n")[0])
