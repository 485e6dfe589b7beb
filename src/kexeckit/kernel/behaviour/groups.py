"""Fields of `CrashRules` that mainline changed together, and that distributions took over together.

Each group is what one release did; `rules.py` gives it to mainline from that release on, `vendors.py` to the older
kernels that carry it.
"""

from collections.abc import Mapping
from typing import Any

from kexeckit.memory.units import GIB, MIB

# kernel/crash_core.c reserve_crashkernel_generic(), 6.7.
GENERIC: Mapping[str, Any] = {
    "low_start": 0,
    "high_start": None,
    "fallback_start": None,
    "plain_falls_up": True,
    "high_falls_down": True,
    "words": "plain-or-high",
    "suffixes": (",high", ",low"),
    "low_by_word": False,
    "low_limit_is_4g": False,
    "page_rounded": False,
    "fixed_checks": False,
    "dialect": "range",
}
GENERIC_X86: Mapping[str, Any] = {**GENERIC, "fixed_align": 16 * MIB}
GENERIC_ARM64: Mapping[str, Any] = {**GENERIC, "low_default": "128M"}

# arch/x86/kernel/setup.c reserve_crashkernel(), 5.2.
X86_BELOW_4G: Mapping[str, Any] = {"low_limit": 4 * GIB, "plain_falls_up": True}

# arch/arm64/mm/init.c reserve_crashkernel(), 5.19, 6.2 and 6.5.
ARM64_HIGH: Mapping[str, Any] = {
    "words": "plain-or-high",
    "suffixes": (",high", ",low"),
    "fixed_checks": False,
    "low_by_word": False,
}
ARM64_FALLS_UP: Mapping[str, Any] = {
    "plain_falls_up": True,
    "low_default": "128M",
    "low_needs_room_below": True,
    "fallback_start": 0,
}
ARM64_HIGH_FIRST: Mapping[str, Any] = {
    "high_start": 4 * GIB,
    "high_falls_down": True,
    "low_needs_room_below": False,
    "fallback_start": None,
}
