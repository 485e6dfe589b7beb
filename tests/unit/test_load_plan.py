"""LoadPlan: segments by name."""

from fakes import make_facts, make_request
from kexeckit.plan.load_plan import Syscall
from kexeckit.plan.x86_64 import plan_x86_64
from kexeckit.purgatory import load_purgatory


def test_segments_are_found_by_name() -> None:
    """None for one that is not there."""
    plan = plan_x86_64(make_request(), make_facts(), load_purgatory("x86_64"))
    kernel = plan.segment("kernel")
    assert kernel is not None
    assert kernel.name == "kernel"
    assert plan.segment("elfcorehdr") is None


def test_the_calls_have_the_names_that_users_type() -> None:
    """And that the JSON document has."""
    assert [str(s) for s in Syscall] == ["load", "file"]


def test_files_are_not_in_the_text_of_a_request() -> None:
    """Nor is the seed."""
    text = repr(make_request(rng_seed=b"secret"))
    assert "secret" not in text
    assert "initramfs" not in text
