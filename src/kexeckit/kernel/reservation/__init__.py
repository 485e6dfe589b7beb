"""What a kernel reserves for crashkernel=, and why. The files in the order in which a prediction passes through them.

What a source shows, into one value (`facts`):

    from_log        a boot log: log_map (is its map whole?), log_held (what it shows to be taken),
                    log_unshown (what it does not show), efi_image (where EFI left the kernel)
    from_parts      other files of a root: from_memblock (debugfs), by_address (iomem), boot_services (the EFI map)

How this kernel does it, as data: rules, rule_groups, vendors.

What it does:

    early           memblock when its turn comes: direct_map and sections (tables), cma (areas)
    request         what the words ask for
    search          windows, and the regions
    predict         all of that; doubt and words (what would decide where the source does not)

What follows: explain (reasons), advice (what would fit), estimate and defaults (how much is needed).
"""
