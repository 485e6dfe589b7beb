"""Find the build configuration of a root's kernel."""

import gzip
import zlib

from kexeckit.errors import InputError
from kexeckit.formats.kernel_config import KernelConfig, parse_kernel_config
from kexeckit.system.release import read_release
from kexeckit.system.sysroot import Sysroot
from kexeckit.system.text import decode_text

CONFIG_GZ = "/proc/config.gz"


def config_names(release: str | None) -> tuple[str, ...]:
    """Return where the configuration of a kernel may be, the running kernel's own word first."""
    return (CONFIG_GZ, f"/boot/config-{release}", f"/lib/modules/{release}/config") if release else (CONFIG_GZ,)


def read_kernel_config(root: Sysroot) -> KernelConfig | None:
    """Return the configuration of a root's kernel, or None where the root does not have it.

    Raises:
        InputError: The file is there and is no configuration.
    """
    for name in config_names(read_release(root)):
        if root.exists(name):
            source = root.label(name)
            data = root.read_bytes(name)
            return parse_kernel_config(decode_text(_unpacked(data, source)), source)
    return None


def _unpacked(data: bytes, source: str) -> bytes:
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(source, f"damaged gzip data: {error}") from error
