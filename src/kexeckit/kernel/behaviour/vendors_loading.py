"""What kernels of distributions do apart from their version when they load an image, as data.

The form is that of `vendors_reservation`; what was not read is taken to be as mainline of that version.
"""

from kexeckit.kernel.behaviour.change import VendorChange as Vendor

VENDORS: tuple[Vendor, ...] = ()
"""What distributions carry, in order of build."""
