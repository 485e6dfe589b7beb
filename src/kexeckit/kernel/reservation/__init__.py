"""What a kernel reserves for crashkernel=, and why. The files in the order in which a prediction passes through them.

What a machine shows, into one value (`facts`):

    from_machine    RAM, the words, what this kernel does (`kernel/behaviour/reservation`)
    held            what is taken before: image (the kernel), by_address (arm64, from /proc/iomem),
                    from_memblock (debugfs), boot_services (the EFI map), firmware (without that map)
    unshown         what no source shows of that, and of the next boot; image_room (where the image may be)

What it does:

    early           memblock when its turn comes: direct_map and sections (tables), cma (areas)
    request         what the words ask for
    search          windows, and the regions
    predict         all of that

How sure it is: doubts, of what lies elsewhere and with two ends (`ends`), each a `doubt`; they run the search again
                    (`trial`), and ask whether there is room anyway (`room`)

What follows: explain (reasons), advice (what would fit); observed and answer hold it against what the kernel did.
"""
