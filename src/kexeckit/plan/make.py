"""A plan, always verified: the one way from a request to an image that may be loaded."""

from kexeckit.errors import DefectError, PlanError
from kexeckit.plan.facts import MachineFacts
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall


def plan_image(request: LoadRequest, facts: MachineFacts, syscall: Syscall, *, predicted: bool = True) -> LoadPlan:
    """Make a plan and have it verified.

    Args:
        request: What to load.
        facts: The machine that it is loaded on.
        syscall: The call that loads it.
        predicted: Without a prediction of kexec_file_load there is no plan; False to load all the same.

    Raises:
        PlanError: The machine is no x86_64, or the image does not fit.
        KexeckitError: It cannot be made.
        DefectError: The verifier rejects it.
    """
    from kexeckit.plan.verify import verify

    check_arch(facts.arch)
    plan = _made(request, facts, syscall, predicted=predicted)
    findings = verify(plan, request, facts)
    if findings:
        text = "; ".join(f"{f.invariant}: {f.text}" for f in findings)
        remedy = "this is a defect of kexeckit: report it with the command and a capture of the machine"
        raise DefectError(f"the verifier rejects the plan: {text}", remedy=remedy)
    return plan


def check_arch(arch: str) -> None:
    """Refuse an architecture whose images cannot be planned.

    Raises:
        PlanError: It is not x86_64.
    """
    if arch != "x86_64":
        raise PlanError(f"a plan for {arch}", "only x86_64 images can be planned")


def _made(request: LoadRequest, facts: MachineFacts, syscall: Syscall, *, predicted: bool) -> LoadPlan:
    # Each way imports its own planner only: a plan is quick.
    if syscall is Syscall.FILE:
        from kexeckit.plan.file_plan import plan_file_load

        return plan_file_load(request, facts, predicted=predicted)
    from kexeckit.plan.x86_64 import plan_x86_64
    from kexeckit.purgatory import load_purgatory

    return plan_x86_64(request, facts, load_purgatory(facts.arch))
