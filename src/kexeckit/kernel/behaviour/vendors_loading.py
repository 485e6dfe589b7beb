"""What kernels of distributions do apart from their version when they load an image, as data.

The form is that of `vendors_reservation`; what was not read is taken to be as mainline of that version.
"""

from kexeckit.kernel.behaviour.change import VendorChange as Vendor

VENDORS: tuple[Vendor, ...] = (
    # RHEL 8 took over 5.3's mapping of the firmware's tables; build 394 is of 8.7.
    Vendor("4.18.0-", ".el8", 394, ("x86_64",), {"firmware_tables_mapped": True},
           "arch/x86/kernel/machine_kexec_64.c map_efi_systab(), map_acpi_tables()", (394,)),
)  # fmt: skip
"""What distributions carry, in order of build. RHEL 7 (3.10.0) was read too: it keeps 2 MiB leaves."""
