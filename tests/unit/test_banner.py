"""The kernel's banner: which release its rules follow from."""

import pytest

from kexeckit.formats.banner import release_of_banner


@pytest.mark.parametrize(
    ("text", "release"),
    [
        (
            "Linux version 6.1.0-50-cloud-amd64 (a@b) (gcc-12 (Debian 12.2.0-14) 12.2.0) #1 SMP Debian 6.1.176-1",
            "6.1.176",
        ),
        ("Linux version 5.14.0-503.el9.x86_64 (a@b) (gcc (GCC) 11.5.0) #1 SMP", "5.14.0-503.el9.x86_64"),
        ("Linux version 6.12.9 (Debian 12.2.0-14) #1", "6.12.9"),
        ("Linux 6.1", ""),
        ("", ""),
    ],
)
def test_release_of_banner(text: str, release: str) -> None:
    """Debian's stable release stands behind the build number; any other kernel's is the name itself."""
    assert release_of_banner(text) == release
