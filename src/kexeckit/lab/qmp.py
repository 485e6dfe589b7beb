"""A client of QEMU's monitor: stop, look, change, go on.

Source: QEMU, docs/interop/qmp-spec.rst and qapi/*.json.
"""

import json
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kexeckit.errors import UnavailableError

__all__ = ["Qmp", "connect"]


def connect(path: Path, timeout: float, what: str) -> socket.socket:
    """Connect to one of QEMU's sockets.

    Args:
        path: The socket.
        timeout: Seconds for each later answer.
        what: What is behind it, for the message.

    Raises:
        UnavailableError: Nobody listens there.
    """
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise UnavailableError(f"no {what} at {path}: {error.strerror or error}") from error
    return connection


class Qmp:
    """A connection to the monitor of one machine; a context manager.

    Args:
        path: The monitor's socket.
        timeout: Seconds after which an answer that does not come is given up.
    """

    def __init__(self, path: Path, timeout: float = 30.0) -> None:
        self._socket = connect(path, timeout, "QEMU monitor")
        self._lines = self._socket.makefile("rb")
        try:
            self._read()
            self.execute("qmp_capabilities")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back; the machine goes on as it is."""
        self._lines.close()
        self._socket.close()

    # One JSON document a line. An end of file is a QEMU that has gone.
    def _read(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except ConnectionError as error:
            raise UnavailableError("QEMU ended while its monitor was being asked") from error
        except OSError as error:
            raise UnavailableError(f"the QEMU monitor does not answer: {error.strerror or error}") from error
        if not line.endswith(b"\n"):
            raise UnavailableError("QEMU ended while its monitor was being asked")
        document: dict[str, Any] = json.loads(line)
        return document

    def execute(self, command: str, **arguments: Any) -> Any:  # noqa: ANN401 - each command has its own result
        """Run one command and return its result; events that arrive meanwhile are passed over.

        Args:
            command: Name, e.g. ``query-memory-size-summary``.
            arguments: Its arguments; ``_`` in a name is sent as ``-``.

        Raises:
            UnavailableError: QEMU refused it or has gone.
        """
        request = {"execute": command, "arguments": {key.replace("_", "-"): value for key, value in arguments.items()}}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise UnavailableError(f"QEMU ended before {command} could be asked") from error
        while True:
            answer = self._read()
            if "error" in answer:
                raise UnavailableError(f"QEMU refused {command}: {answer['error'].get('desc', answer['error'])}")
            if "return" in answer:
                return answer["return"]

    def human(self, line: str) -> str:
        """Run a line of the human monitor (``info mtree``, ``info numa``) and return what it prints."""
        return str(self.execute("human-monitor-command", command_line=line))

    def stop(self) -> None:
        """Stop all CPUs."""
        self.execute("stop")

    def resume(self) -> None:
        """Let the CPUs go on."""
        self.execute("cont")

    def reset(self) -> None:
        """Pull the reset line; with ``-no-reboot`` this ends the machine."""
        self.execute("system_reset")

    def plug_dimm(self, name: str, size: int, node: int = 0) -> None:
        """Plug memory into a machine that has slots.

        Args:
            name: Name of the new device, unique in the machine.
            size: Bytes, a multiple of 128 MiB for Linux to accept it.
            node: NUMA node it belongs to.
        """
        backend: dict[str, Any] = {"qom_type": "memory-backend-ram", "id": f"{name}-memory", "size": size}
        self.execute("object-add", **backend, reserve=False)
        self.execute("device_add", driver="pc-dimm", id=name, memdev=f"{name}-memory", node=node)

    def read_physical(self, address: int, size: int) -> bytes:
        """Read guest physical memory.

        Args:
            address: First byte.
            size: How many bytes.
        """
        with tempfile.NamedTemporaryFile(prefix="kexeckit-") as target:
            self.execute("pmemsave", val=address, size=size, filename=target.name)
            return Path(target.name).read_bytes()
