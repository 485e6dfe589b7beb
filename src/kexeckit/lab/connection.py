"""A connection to one of QEMU's sockets, for the clients of what is behind them: the monitor, the gdb stub."""

import socket
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from kexeckit.errors import UnavailableError

__all__ = ["Connection"]


class Connection(ABC):
    """A connection; a context manager that closes it.

    Args:
        path: The socket.
        timeout: Seconds after which an answer that does not come is given up.

    Attributes:
        what: What is behind it, for messages.

    Raises:
        UnavailableError: Nobody listens there, or the greeting fails.
    """

    what: ClassVar[str]

    def __init__(self, path: Path, timeout: float = 30.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise UnavailableError(f"no {self.what} at {path}: {error.strerror or error}") from error
        self._stream = self._socket.makefile("rb")
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def _greet(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._stream.close()
        self._socket.close()

    def _ended(self) -> UnavailableError:
        return UnavailableError(f"QEMU ended while its {self.what} was being asked")

    def _silent(self, error: OSError) -> UnavailableError:
        return UnavailableError(f"the {self.what} does not answer: {error.strerror or error}")
