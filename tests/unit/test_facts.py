"""MachineFacts: which reservation a capture kernel is loaded into."""

from fakes import IOMEM, make_facts
from kexeckit.memory.range import MemRange
from kexeckit.plan.facts import LoaderFacts


def test_the_main_region_is_the_highest_of_its_name() -> None:
    """Two regions of one name: older kernels print both alike, and load into the high one."""
    two = IOMEM.replace(
        "100000000-13fffffff : System RAM\n",
        "100000000-13fffffff : System RAM\n  110000000-11fffffff : Crash kernel\n",
    )
    facts = make_facts(two)
    assert facts.crash_region() == MemRange(0x1_1000_0000, 0x1_2000_0000)
    assert facts.crash_memory().size == 512 << 20


def test_a_low_region_alone_is_no_place() -> None:
    """It is memory of the capture kernel and no room for segments."""
    facts = make_facts(IOMEM.replace("Crash kernel", "Crash kernel (low)"))
    assert facts.crash_region() is None
    assert facts.crash_memory().size == 256 << 20


def test_no_reservation() -> None:
    """None is not a range of size zero."""
    facts = make_facts(IOMEM.replace("  a0000000-afffffff : Crash kernel\n", ""))
    assert facts.crash_region() is None
    assert not facts.crash_memory()


def test_what_is_taken_of_a_loader_that_says_nothing() -> None:
    """A kernel in the usual configuration."""
    found = LoaderFacts()
    assert (found.nr_cpus, found.crash_hotplug, found.cma) == (8192, True, False)
