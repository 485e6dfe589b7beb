"""Runs inside a guest: wait for memory to be plugged in, and report the kernel's events about it.

Stands alone: the guest has Python but no kexeckit. The argument is the first address that will be plugged.
"""

import json
import socket
import sys
import time
from pathlib import Path

NETLINK_KOBJECT_UEVENT = 15
SECONDS = 60
QUIET = 2.0


def main() -> None:
    """Listen, say so, wait."""
    address = int(sys.argv[1], 0)
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)
    events.bind((0, 1))
    events.settimeout(0.2)
    Path("/tmp/listening").write_text("yes\n")
    seen: list[dict[str, str]] = []
    limit = last = time.monotonic() + SECONDS
    while time.monotonic() < min(limit, last + QUIET):
        event = receive(events)
        if event:
            seen.append(event)
        if (event and event.get("SUBSYSTEM") == "memory") or (last == limit and is_ram(address)):
            last = time.monotonic()
    json.dump(seen, sys.stdout)
    sys.exit(0 if is_ram(address) else 1)


def receive(events: socket.socket) -> dict[str, str]:
    """Return one event's words, or nothing after a while."""
    try:
        data = events.recv(65536)
    except TimeoutError:
        return {}
    words = (part.partition("=") for part in data.decode("utf-8", "replace").split("\0"))
    return {name: value for name, equals, value in words if equals}


def is_ram(address: int) -> bool:
    """Say whether a System RAM resource begins at an address."""
    return any(
        line.endswith(": System RAM") and int(line.split("-")[0], 16) == address
        for line in Path("/proc/iomem").read_text().splitlines()
    )


if __name__ == "__main__":
    main()
