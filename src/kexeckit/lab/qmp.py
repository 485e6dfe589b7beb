"""A client of QEMU's monitor: stop, look, change, go on.

Source: QEMU, docs/interop/qmp-spec.rst and qapi/*.json.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from kexeckit.errors import UnavailableError
from kexeckit.lab.connection import Connection

__all__ = ["Qmp"]


class Qmp(Connection):
    """A connection to the monitor of one machine; a context manager. When it is closed the machine goes on as it is."""

    what: ClassVar[str] = "QEMU monitor"

    def _greet(self) -> None:
        self._read()
        self.execute("qmp_capabilities")

    # One JSON document a line. An end of file is a QEMU that has gone.
    def _read(self) -> dict[str, Any]:
        try:
            line = self._stream.readline()
        except ConnectionError as error:
            raise self._ended() from error
        except OSError as error:
            raise self._silent(error) from error
        if not line.endswith(b"\n"):
            raise self._ended()
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
