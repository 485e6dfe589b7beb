"""What kernels of distributions do apart from their version when they reserve memory, as data.

RHEL's kernels keep one version for years and take over what mainline did since. Each entry names the builds it was read
in; what lies between the last build that was read without and the first with it is taken to be without. CentOS Stream,
AlmaLinux, Rocky Linux and Oracle's "Red Hat compatible" kernel carry the same builds.

These were read and do no more than mainline of their version: Debian 5.10, 6.1, 6.12; RHEL 10.0 (6.12.0-55); Oracle's
UEK of 5.x; SLES 15 SP2 and SP3 (5.3.18) on arm64. The others of Ubuntu, Fedora, SLES and Oracle were not read, and are
taken to be so.
"""

from kexeckit.kernel.behaviour.change import VendorChange as Vendor
from kexeckit.kernel.behaviour.groups import (
    ARM64_FALLS_UP,
    ARM64_HIGH,
    ARM64_HIGH_FIRST,
    GENERIC_ARM64,
    GENERIC_X86,
    X86_BELOW_4G,
)
from kexeckit.memory.units import GIB, MIB

_EL6, _EL7, _EL7A, _EL8, _EL9 = (
    ("2.6.32-", ".el6"),
    ("3.10.0-", ".el7"),
    ("4.14.0-", ".el7a"),
    ("4.18.0-", ".el8"),
    ("5.14.0-", ".el9"),
)
_ALL = ("x86_64", "arm64", "ppc64", "s390x")
_X86, _ARM64, _PPC64, _S390X = (("x86_64",), ("arm64",), ("ppc64",), ("s390x",))
_SETUP = "arch/x86/kernel/setup.c reserve_crashkernel()"
_LOW = "arch/x86/kernel/setup.c reserve_crashkernel_low()"
_INIT = "arch/arm64/mm/init.c reserve_crashkernel()"
_PARSE = "kernel/crash_core.c __parse_crashkernel()"
_TOTAL = "kernel/crash_core.c parse_crashkernel_mem(), SZ_128M"
_GENERIC = "kernel/crash_reserve.c reserve_crashkernel_generic()"
_POWER = "2G-4G:384M,4G-16G:512M,16G-64G:1G,64G-128G:2G,128G-:4G"

VENDORS = (
    # RHEL 6: one search from the bottom, and what it finds must end below 896 MiB.
    Vendor(*_EL6, 0, _X86, {"low_limit": 896 * MIB - 1, "auto": "el6"},
           f"{_SETUP}, KEXEC_RESERVE_UPPER_LIMIT; kernel/kexec.c default_crash_size()", (642,)),
    # RHEL 7: 896 MiB, then 4 GiB, then anywhere; range rules compare with RAM as it is.
    Vendor(*_EL7, 0, _X86, {"middle_limit": 4 * GIB, "plain_falls_up": True, "auto": "el7"},
           f"{_SETUP}; kernel/kexec.c arch_default_crash_size()", (514, 1127, 1160), "logs"),
    # RHEL 7 took KASLR over in one of its builds; in which was not found, so any of them may have it.
    Vendor(*_EL7, 0, _X86, {"kaslr": True}, "arch/x86/boot/compressed/aslr.c choose_kernel_location()", (), "logs"),
    Vendor(*_EL7, 0, _PPC64, {"auto": _POWER}, "arch/powerpc/kernel/machine_kexec.c arch_default_crash_size()",
           (514, 1127, 1160)),
    Vendor(*_EL7, 0, _S390X, {"auto": "el7-s390"}, "arch/s390/include/asm/kexec.h KEXEC_AUTO_THRESHOLD",
           (514, 1127, 1160)),
    Vendor(*_EL7, 514, _X86, {"after_numa": True, "low_default": "swiotlb-256M", "low_optional": False},
           f"{_LOW}; setup_arch()", (514, 1127, 1160), "logs"),
    Vendor(*_EL7, 1127, _X86, {"encrypted_extra": "swiotlb"}, f"{_SETUP}, mem_enc_req", (514, 1127, 1160)),
    Vendor(*_EL7, 1160, _X86, {"low_from_own_size": False}, _LOW, (1127, 1160)),
    # RHEL 7's kernel-alt.
    Vendor(*_EL7A, 0, _ALL, {"total_rounded": True}, _TOTAL, (49,)),
    Vendor(*_EL7A, 0, _ARM64, {"auto": "2G-:512M"}, _PARSE, (49,)),
    Vendor(*_EL7A, 0, _PPC64, {"auto": _POWER}, _PARSE, (49,)),
    Vendor(*_EL7A, 0, _S390X, {"auto": "4G-:160M"}, _PARSE, (49,)),
    # RHEL 8.0 searches like RHEL 7; from 8.1 below 4 GiB like 5.2.
    Vendor(*_EL8, 0, _ALL, {"total_rounded": True}, _TOTAL, (80, 147, 240, 305, 348, 372, 425, 477, 553)),
    Vendor(*_EL8, 0, _X86, {"middle_limit": 4 * GIB, "plain_falls_up": True}, _SETUP, (80,)),
    Vendor(*_EL8, 0, _X86, {"auto": "1G-64G:160M,64G-1T:256M,1T-:512M"}, _PARSE, (80, 147), "logs"),
    Vendor(*_EL8, 0, _ARM64, {"auto": "2G-:512M"}, _PARSE, (80,)),
    Vendor(*_EL8, 0, _PPC64, {"auto": _POWER}, _PARSE, (80, 147, 240, 553)),
    Vendor(*_EL8, 0, _S390X, {"auto": "4G-64G:160M,64G-1T:256M,1T-:512M"}, _PARSE, (80, 147)),
    Vendor(*_EL8, 147, _X86, {**X86_BELOW_4G, "middle_limit": None, "encrypted_extra": "swiotlb"}, _SETUP, (80, 147),
           "logs"),
    Vendor(*_EL8, 147, _ARM64, {"auto": "2G-:448M"}, _PARSE, (80, 147, 240, 425)),
    Vendor(*_EL8, 240, _X86, {"encrypted_extra": "swiotlb-64M"}, _SETUP, (147, 240, 553)),
    Vendor(*_EL8, 240, (*_X86, *_S390X), {"auto": "1G-4G:160M,4G-64G:192M,64G-1T:256M,1T-:512M"}, _PARSE,
           (147, 240, 425)),
    Vendor(*_EL8, 425, _ARM64, {**ARM64_HIGH, "low_always": True}, _INIT, (372, 425)),
    Vendor(*_EL8, 477, _ARM64, {**ARM64_FALLS_UP, "low_always": False, "auto": "2G-:480M"}, f"{_INIT}; {_PARSE}",
           (425, 477, 513)),
    Vendor(*_EL8, 477, (*_X86, *_S390X), {"auto": "1G-4G:192M,4G-64G:256M,64G-:512M"}, _PARSE, (425, 477, 553)),
    Vendor(*_EL8, 553, _ARM64, ARM64_HIGH_FIRST, _INIT, (513, 553)),
    # RHEL 9.0 is 5.14; 9.1 to 9.6 take over 5.19, 6.0, 6.2, 6.4, 6.5 and 6.7 in turn. auto is gone.
    Vendor(*_EL9, 70, _ARM64, {"fixed_checks": False}, _INIT, (70, 162)),
    Vendor(*_EL9, 162, _ALL, {"total_rounded": True}, _TOTAL, (70, 162, 284, 362, 427, 503, 570)),
    Vendor(*_EL9, 162, _ARM64, ARM64_HIGH, _INIT, (70, 162)),
    Vendor(*_EL9, 284, _ARM64, ARM64_FALLS_UP, _INIT, (162, 284, 362)),
    Vendor(*_EL9, 362, _X86, {"mirror": "kernelcore"}, "mm/memblock.c memblock_mark_mirror()", (284, 362, 570)),
    Vendor(*_EL9, 362, (*_X86, *_ARM64), {"cma_align": 2 * MIB}, "include/linux/cma.h CMA_MIN_ALIGNMENT_PAGES",
           (284, 362, 570)),
    Vendor(*_EL9, 427, _ARM64, {**ARM64_HIGH_FIRST, "protected": False}, f"{_INIT}; arch/arm64/kernel/machine_kexec.c",
           (362, 427, 503)),
    Vendor(*_EL9, 570, _X86, {**GENERIC_X86, "prefixed": True}, _GENERIC, (503, 570)),
    Vendor(*_EL9, 570, _ARM64, {**GENERIC_ARM64, "prefixed": True}, _GENERIC, (503, 570)),
    # Debian prints 5.10.0 for every stable release; build 8 is 5.10.46, the first one of Debian 11.
    Vendor("5.10.0-", "-arm64", 8, _ARM64,
           {"after_numa": True, "cma_first": True, "sparse_first": True, "dma32": False, "early_without_dma": True},
           "arch/arm64/mm/init.c bootmem_init(), since 5.10.22", (8,)),
)  # fmt: skip
"""What distributions carry, in order of build."""
