"""Flattened device trees, built for tests."""

import struct

Node = tuple[str, dict[str, bytes], list["Node"]]


def build(root: Node, *, nothing: bool = False) -> bytes:
    """Return a tree's bytes; with tokens that say nothing between the others, if wanted."""
    names = bytearray()
    body = bytearray()

    def token(number: int) -> None:
        body.extend(struct.pack(">I", number))

    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 4)

    def write(node: Node) -> None:
        name, properties, children = node
        token(1)
        body.extend(padded(name.encode() + b"\0"))
        for label, value in properties.items():
            if nothing:
                token(4)
            token(3)
            body.extend(struct.pack(">2I", len(value), len(names)) + padded(value))
            names.extend(label.encode() + b"\0")
        for child in children:
            write(child)
        token(2)

    write(root)
    token(9)
    size = 40 + len(body) + len(names)
    header = struct.pack(">10I", 0xD00DFEED, size, 40, 40 + len(body), 40, 17, 16, 0, len(names), len(body))
    return bytes(header + body + names)


def tree(**chosen: bytes) -> bytes:
    """Return a tree with a node that has these properties, dashes for underscores, and others like it."""
    named = {f"linux,initrd-{side}": value for side, value in chosen.items()}
    other: Node = ("chosen", {"linux,initrd-start": b"\0\0\0\1", "linux,initrd-end": b"\0\0\0\2"}, [])
    return build(("", {"model": b"a\0"}, [("memory@0", {}, [other]), ("chosen", named, [("linux,initrd", {}, [])])]))
