"""The smallest reservation that works, by a real guest: enough works, too little does not, and ends soon."""

import pytest

from kexeckit.lab.measure_reservation import Need, try_reservation
from kexeckit.lab.packages import fetch_kernel
from kexeckit.memory.units import MIB

pytestmark = pytest.mark.lab


def test_what_the_estimate_says_completes_a_dump_and_much_less_does_not() -> None:
    """15 % more than estimated is enough; 15 % less leaves the initramfs without room, and the guest says so."""
    need = Need(fetch_kernel("trixie").vmlinuz, padding=20 * MIB)
    found = need.estimate()
    assert found.moment == "file-system"
    assert try_reservation(need, found.least * 115 // 100 // MIB).works
    less = try_reservation(need, found.least * 85 // 100 // MIB)
    assert not less.works
    assert less.why


def test_a_reservation_that_cannot_be_loaded_into_is_not_enough() -> None:
    """Less than the kernel needs to unpack itself: the load is refused, and that is the reason given."""
    tried = try_reservation(Need(fetch_kernel("trixie").vmlinuz), 40)
    assert not tried.works
    assert "could not be loaded" in tried.why
