"""kexeckit: plan, load, rehearse and read the second kernel on Linux (kexec and kdump).

The package is laid out in layers; see ARCHITECTURE.md. Importing this module is cheap: it imports nothing.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
