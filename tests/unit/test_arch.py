"""Names of architectures: as uname, distributions and users write them, and as the kernel's tree does.

About kexeckit.machine.arch.
"""

import pytest

from kexeckit.errors import UsageError
from kexeckit.machine.arch import KNOWN, X86, kernel_arch, stated_arch

NAMES = {
    "x86_64": ["amd64", "x86-64", "x64", "X86_64", " amd64\n"],
    "i386": ["i486", "i586", "i686", "x86"],
    "arm64": ["aarch64", "AArch64"],
    "riscv64": ["riscv"],
    "ppc64": ["ppc64le", "ppc64el", "powerpc64"],
    "s390x": ["s390"],
    "loongarch64": ["loong64", "loongarch"],
}


@pytest.mark.parametrize("arch", NAMES)
def test_names_that_a_user_may_type(arch: str) -> None:
    """The kernel's own, and what others call it."""
    for name in (arch, *NAMES[arch]):
        assert stated_arch(name) == kernel_arch(name) == arch


def test_the_architectures_that_are_known() -> None:
    """All of these, and two of them are x86."""
    assert set(KNOWN) == set(NAMES)
    assert set(X86) == {"x86_64", "i386"}


@pytest.mark.parametrize("name", ["mips", "", "arm", "sparc64"])
def test_a_name_of_nothing(name: str) -> None:
    """A source may say it; a user may not, and is told the names."""
    assert kernel_arch(name) == name
    with pytest.raises(UsageError, match=f"'{name}' is no architecture; expected one of aarch64, amd64, .*x86_64"):
        stated_arch(name)
