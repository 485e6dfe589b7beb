"""What kernels of distributions do apart from their version where zones are concerned, as data.

The form is that of `vendors_reservation`; what was not read is taken to be as mainline of that version.
"""

from kexeckit.kernel.behaviour.change import VendorChange as Vendor

VENDORS: tuple[Vendor, ...] = (
    # Debian prints 5.10.0 for every stable release; build 8 is 5.10.46, the first one of Debian 11.
    Vendor("5.10.0-", "-arm64", 8, ("arm64",), {"arm64_dma": "firmware-bits"},
           "arch/arm64/mm/init.c zone_sizes_init(), since 5.10.22", (8,)),
)  # fmt: skip
"""What distributions carry, in order of build."""
