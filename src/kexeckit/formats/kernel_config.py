"""A kernel's build configuration: /boot/config-RELEASE, /proc/config.gz.

Source: Documentation/kbuild/kconfig.rst; scripts/kconfig/confdata.c, conf_write() and its printers.
"""

import re
from collections.abc import Mapping

from kexeckit.errors import InputError
from kexeckit.frozen import dataclass

_SET = re.compile(r"^(CONFIG_[A-Za-z0-9_]+)=(.*)$")
_UNSET = re.compile(r"^# (CONFIG_[A-Za-z0-9_]+) is not set$")


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """What a kernel was built with.

    Attributes:
        source: How messages name it.
        values: Option to value as written (``y``, ``m``, ``64``, ``"text"``). Options that are off are not in here.
    """

    source: str
    values: Mapping[str, str]

    def on(self, option: str) -> bool:
        """Say whether an option is built in; what the file does not name is off, as for the compiler."""
        return self.values.get(option) == "y"


def parse_kernel_config(text: str, source: str) -> KernelConfig:
    """Read a configuration.

    Args:
        text: The whole file.
        source: How messages name it.

    Raises:
        InputError: A line is neither an option nor a comment, or no option is in it.
    """
    found: dict[str, str] = {}
    seen = False
    for number, line in enumerate(text.splitlines(), 1):
        option = _SET.match(line)
        if option:
            found[option[1]] = option[2]
        elif _UNSET.match(line):
            seen = True
        elif line.strip() and not line.startswith("#"):
            raise InputError(source, f"no line of a kernel configuration: {line!r}", line=number, expected="CONFIG_X=y")
    if not found and not seen:
        raise InputError(source, "no option of a kernel configuration in it", expected="lines CONFIG_X=y")
    return KernelConfig(source, found)
