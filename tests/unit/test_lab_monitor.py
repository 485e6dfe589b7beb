"""The clients of QEMU's monitor and gdb stub, against servers that play QEMU's part."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from kexeckit.errors import UnavailableError
from kexeckit.lab.gdb import Gdb, format_packet
from kexeckit.lab.qmp import Qmp

Server = Callable[[Callable[[socket.socket], None]], Path]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Starts a one-connection server and returns the path of its socket."""
    threads: list[Thread] = []
    listener = socket.socket(socket.AF_UNIX)

    def start(serve: Callable[[socket.socket], None]) -> Path:
        listener.bind(str(tmp_path / "s"))
        listener.listen(1)

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        threads.append(Thread(target=accept, daemon=True))
        threads[0].start()
        return tmp_path / "s"

    yield start
    for thread in threads:
        thread.join(timeout=10)
    listener.close()


def _qmp(answers: dict[str, list[dict[str, Any]]], asked: list[dict[str, Any]]) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        lines = connection.makefile("rw")
        with lines:
            lines.write('{"QMP": {}}\n')
            lines.flush()
            for line in lines:
                asked.append(json.loads(line))
                for answer in answers.get(asked[-1]["execute"], [{"return": {}}]):
                    lines.write(json.dumps(answer) + "\n")
                lines.flush()

    return serve


def test_monitor_answers_pass_events_over(server: Server) -> None:
    """An event may come between a command and its result."""
    asked: list[dict[str, Any]] = []
    answers: dict[str, list[dict[str, Any]]] = {"query-status": [{"event": "STOP"}, {"return": {"status": "paused"}}]}
    with Qmp(server(_qmp(answers, asked))) as monitor:
        assert monitor.execute("query-status") == {"status": "paused"}
        monitor.plug_dimm("d0", 256 << 20, node=1)
    assert [request["execute"] for request in asked] == [
        "qmp_capabilities",
        "query-status",
        "object-add",
        "device_add",
    ]
    assert asked[2]["arguments"]["qom-type"] == "memory-backend-ram"
    assert asked[3]["arguments"] == {"driver": "pc-dimm", "id": "d0", "memdev": "d0-memory", "node": 1}


def test_monitor_refusals_are_errors(server: Server) -> None:
    """What QEMU says is in the message."""
    answers = {"device_add": [{"error": {"class": "GenericError", "desc": "no slot"}}]}
    with (
        Qmp(server(_qmp(answers, []))) as monitor,
        pytest.raises(UnavailableError, match="refused device_add: no slot"),
    ):
        monitor.execute("device_add")


def test_a_monitor_that_goes_away(server: Server) -> None:
    """QEMU may die at any moment."""
    path = server(lambda connection: connection.sendall(b'{"QMP": {}}\n{"return": {}}\n{"ret'))
    with pytest.raises(UnavailableError, match=r"QEMU ended"), Qmp(path) as monitor:
        monitor.execute("query-status")


def test_a_monitor_that_is_not_one(server: Server) -> None:
    """A connection that is closed at once is an error, and leaves no socket open."""
    with pytest.raises(UnavailableError, match=r"QEMU ended"):
        Qmp(server(lambda connection: connection.close()))


@pytest.mark.parametrize("client", [Qmp, Gdb])
def test_no_socket(client: type, tmp_path: Path) -> None:
    """A machine that has ended has no sockets left."""
    with pytest.raises(UnavailableError, match=r"no (QEMU monitor|gdb stub) at"):
        client(tmp_path / "none")


# Plays a stub over a bytearray: knows physical mode, m, M and D, and acknowledges.
def _stub(memory: bytearray, asked: list[bytes]) -> Callable[[socket.socket], None]:
    def answer(body: bytes) -> bytes:
        if body in {b"Qqemu.PhyMemMode:1", b"D"}:
            return b"OK"
        address, _, size = body[1:].partition(b":")[0].partition(b",")
        start, end = int(address, 16), int(address, 16) + int(size, 16)
        if end > len(memory):
            return b"E14"
        if body[:1] == b"m":
            return memory[start:end].hex().encode()
        memory[start:end] = bytes.fromhex(body.partition(b":")[2].decode())
        return b"OK"

    def serve(connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        connection.sendall(format_packet(b"T05thread:01;"))
        while byte := stream.read(1):
            if byte == b"$":
                body = b"".join(iter(lambda: stream.read(1), b"#"))
                assert b"$%s#%s" % (body, stream.read(2)) == format_packet(body)
                asked.append(body)
                connection.sendall(b"+" + format_packet(answer(body)))

    return serve


def test_packets_carry_their_checksum() -> None:
    """The example of the protocol's description: the sum of the characters, two hexadecimal digits."""
    assert format_packet(b"OK") == b"$OK#9a"
    assert format_packet(b"") == b"$#00"


def test_physical_memory_through_the_stub(server: Server) -> None:
    """Written bytes can be read back, in pieces that fit a packet, and the machine is let go at the end."""
    memory, asked = bytearray(5000), list[bytes]()
    data = bytes(range(250)) * 10
    with Gdb(server(_stub(memory, asked))) as stub:
        stub.write_physical(100, data)
        assert stub.read_physical(100, len(data)) == data
        assert memory[100 : 100 + len(data)] == data
        with pytest.raises(UnavailableError, match=r"cannot read 8 bytes at 0x1384"):
            stub.read_physical(4996, 8)
        with pytest.raises(UnavailableError, match=r"refused M1384,8"):
            stub.write_physical(4996, bytes(8))
    assert asked[0] == b"Qqemu.PhyMemMode:1"
    assert asked[-1] == b"D"
    assert max(map(len, asked)) < 4096
