"""``python -m kexeckit`` and the entry point of the zipapp."""

import sys

from kexeckit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
