"""A client of QEMU's gdb stub, for the one thing that the monitor cannot do: write guest physical memory.

Connecting stops the machine; leaving the ``with`` block detaches and lets it go on.
Source: gdb manual, appendix "Remote Protocol"; QEMU, docs/system/gdb.rst, "Advanced debugging options".
"""

from types import TracebackType
from typing import ClassVar

from kexeckit.errors import UnavailableError
from kexeckit.lab.connection import Connection

__all__ = ["Gdb", "checksum", "format_packet"]

# Well below the stub's packet buffer of 4096 bytes, two characters for each byte.
_CHUNK = 1024


def checksum(body: bytes) -> int:
    """Return the checksum of a packet's body: the sum of its bytes modulo 256."""
    return sum(body) & 0xFF


def format_packet(body: bytes) -> bytes:
    """Wrap a body: ``$body#cs``."""
    return b"$%s#%02x" % (body, checksum(body))


class Gdb(Connection):
    """A connection to the gdb stub of one machine; a context manager."""

    what: ClassVar[str] = "gdb stub"

    def _greet(self) -> None:
        # Accesses go to physical memory from here on, not through whatever page tables the guest has now.
        self._command(b"Qqemu.PhyMemMode:1", b"OK")

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._ask(b"D")
        except UnavailableError:
            pass  # the machine is gone, and so is its stub
        finally:
            self.close()

    def read_physical(self, address: int, size: int) -> bytes:
        """Read guest physical memory.

        Args:
            address: First byte.
            size: How many bytes.

        Raises:
            UnavailableError: There is no memory, or the machine has gone.
        """
        parts = []
        for start in range(address, address + size, _CHUNK):
            length = min(_CHUNK, address + size - start)
            answer = self._ask(b"m%x,%x" % (start, length))
            if len(answer) != 2 * length:
                raise UnavailableError(f"the gdb stub cannot read {length} bytes at {start:#x}: {answer.decode()}")
            parts.append(bytes.fromhex(answer.decode()))
        return b"".join(parts)

    def write_physical(self, address: int, data: bytes) -> None:
        """Write guest physical memory.

        Args:
            address: First byte.
            data: What to put there.

        Raises:
            UnavailableError: There is no memory, or the machine has gone.
        """
        for offset in range(0, len(data), _CHUNK):
            chunk = data[offset : offset + _CHUNK]
            self._command(b"M%x,%x:%s" % (address + offset, len(chunk), chunk.hex().encode()), b"OK")

    def _command(self, body: bytes, expected: bytes) -> None:
        answer = self._ask(body)
        if answer != expected:
            name = body.partition(b":")[0].decode()
            raise UnavailableError(f"the gdb stub refused {name}: {answer.decode() or 'not supported'}")

    def _ask(self, body: bytes) -> bytes:
        try:
            self._socket.sendall(format_packet(body))
            return self._answer()
        except OSError as error:
            raise self._silent(error) from error

    # Acknowledgements ("+") and stop notices are skipped: what is asked for here has neither shape.
    def _answer(self) -> bytes:
        while True:
            byte = self._stream.read(1)
            if not byte:
                raise self._ended()
            if byte != b"$":
                continue
            body = bytearray()
            while (byte := self._stream.read(1)) not in {b"#", b""}:
                body += byte
            self._stream.read(2)
            self._socket.sendall(b"+")
            if not body.startswith((b"T0", b"S0")):
                return bytes(body)
