"""Bytes of unknown origin as text."""


def decode_text(data: bytes) -> str:
    """Decode text without losing a byte: UTF-8, other bytes as surrogates."""
    return data.decode("utf-8", "surrogateescape")
