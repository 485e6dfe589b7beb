"""Effects: file reads through one Sysroot, and the system calls."""
