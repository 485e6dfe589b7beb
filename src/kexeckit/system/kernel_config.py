"""Find the build configuration of a root's kernel."""

from kexeckit.errors import InputError

CONFIG_GZ = "/proc/config.gz"


def named_release(osrelease: bytes | None, banner: bytes | None) -> str | None:
    """Return the release by which files are named, as ``uname -r``; None where neither file says it.

    Args:
        osrelease: /proc/sys/kernel/osrelease.
        banner: /proc/version.
    """
    words = (banner or b"").split()
    name = osrelease if osrelease is not None else words[2] if len(words) > 2 else b""
    return name.decode("utf-8", "replace").strip() or None


def config_names(release: str | None) -> tuple[str, ...]:
    """Return where the configuration of a kernel may be, the running kernel's own word first."""
    return (CONFIG_GZ, f"/boot/config-{release}", f"/lib/modules/{release}/config") if release else (CONFIG_GZ,)


def unpacked_config(data: bytes, source: str) -> bytes:
    """Return the text of a configuration that may be compressed.

    Raises:
        InputError: Damaged gzip data.
    """
    if not data.startswith(b"\x1f\x8b"):
        return data
    import gzip
    import zlib

    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(source, f"damaged gzip data: {error}") from error
