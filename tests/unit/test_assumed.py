"""What is assumed, and what never is."""

import pytest

from kexeckit.errors import InputError, UsageError
from kexeckit.kernel.assumed import known_arch
from kexeckit.kernel.behaviour.behaviours import ASSUMED
from kexeckit.kernel.behaviour.of_machine import behaviours_of
from kexeckit.machine.fact import Fact
from kexeckit.machine.merge import stated
from kexeckit.machine.value import KernelFacts, Machine
from kexeckit.machine.version import NEWEST

ARCH = Fact("x86_64", "file")


def test_the_newest_kernel_is_assumed_and_said() -> None:
    """With the option that names another."""
    found = behaviours_of(Machine("x", "root", KernelFacts(arch=ARCH)))
    assert (str(found.version), found.assumptions) == (NEWEST, (ASSUMED,))
    assert ASSUMED == "the kernel's version is not shown: 7.2 is assumed; name it with --kernel-version"
    known = behaviours_of(Machine("x", "root", KernelFacts(arch=ARCH, release=Fact("6.1.0-53", "uname"))))
    assert (known.version.patch, known.assumptions) == (0, ())


def test_the_stable_release_counts() -> None:
    """Its numbers; the text that names the distribution is uname's."""
    both = KernelFacts(arch=ARCH, release=Fact("6.1.0-53", "uname"), stable=Fact("6.1.176", "banner"))
    found = behaviours_of(Machine("x", "root", both)).version
    assert (found.patch, str(found)) == (176, "6.1.0-53")


def test_what_is_no_release_is_whose_fault_it_is() -> None:
    """A source may say anything, which is told; what a user states must be a version."""
    machine = Machine("x", "root", KernelFacts(arch=ARCH, release=Fact("gone", "file")))
    assert behaviours_of(machine).assumptions == (
        "'gone' is no kernel version: 7.2 is assumed; name it with --kernel-version",
    )
    with pytest.raises(UsageError):
        behaviours_of(stated(machine, release="gone"))


def test_an_architecture_is_never_assumed() -> None:
    """Exit code 65 and the option that names it."""
    assert known_arch(Machine("x", "root", KernelFacts(arch=Fact("arm64", "file")))) == "arm64"
    with pytest.raises(InputError, match="x: the architecture is not shown") as caught:
        known_arch(Machine("x", "iomem"))
    assert (caught.value.exit_code, caught.value.remedy) == (65, "name it with --arch")
