"""Plan a next kernel: where each segment goes and why, which memory map is handed over, and the command line.

Nothing is loaded. With --root the plan is made for the machine of a capture, without any privilege.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from kexeckit.cli.behaviour_arguments import add_behaviour_arguments, read_stated

if TYPE_CHECKING:
    from kexeckit.cli.image_arguments import Planned
    from kexeckit.plan.cost import PlanCost
    from kexeckit.plan.hotplug import HotplugEffect


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    from kexeckit.cli.image_arguments import add_image_arguments

    add_image_arguments(parser)
    add_behaviour_arguments(parser)
    parser.add_argument(
        "--syscall",
        choices=("load", "file"),
        default="load",
        help="plan for kexec_load, or predict what kexec_file_load will do (default: %(default)s)",
    )
    parser.add_argument(
        "--page-tables",
        action="store_true",
        help="also show what page tables, control pages and the copy at the jump cost",
    )
    parser.add_argument(
        "--after",
        action="append",
        default=[],
        metavar="'add|remove START-END'",
        help="also say what this memory hotplug event does to the image, once it is loaded (may be repeated)",
    )


def run(args: Namespace) -> int:
    """Print the plan."""
    from kexeckit.cli.image_arguments import make_plan
    from kexeckit.cli.output import print_document, print_warnings
    from kexeckit.plan.load_plan import Syscall

    planned = make_plan(args, Syscall(args.syscall), read_stated(args, "loading"))
    cost, unknown = _known_cost(planned, args.kernel_version) if args.page_tables else (None, ())
    effects = _effects(planned, args.after)
    if args.json:
        print_document(_document(planned, cost, effects))
        print_warnings(unknown)
        return 0
    _print(planned, cost, effects)
    if planned.plan.panic and not cost and not unknown:
        _print_taken(planned, args.kernel_version)
    print_warnings((*planned.plan.warnings, *unknown))
    return 0


def _document(planned: "Planned", cost: "PlanCost | None", effects: "list[HotplugEffect]") -> dict[str, object]:
    # What was not asked for is not imported either: a plan is quick.
    from kexeckit.render.plan import plan_document

    document: dict[str, object] = plan_document(planned.plan)
    if cost:
        from kexeckit.render.plan_cost import cost_document

        document["cost"] = cost_document(cost)
    if effects:
        from kexeckit.render.hotplug import hotplug_document

        document["after"] = hotplug_document(effects)
    return document


def _print(planned: "Planned", cost: "PlanCost | None", effects: "list[HotplugEffect]") -> None:
    from kexeckit.cli.output import print_text
    from kexeckit.render.plan import render_plan

    print_text(render_plan(planned.plan))
    if cost:
        from kexeckit.render.plan_cost import render_cost

        print_text("\n" + render_cost(cost))
    if effects:
        from kexeckit.render.hotplug import render_hotplug

        print_text("\n" + render_hotplug(effects))


def _print_taken(planned: "Planned", release: str | None) -> None:
    # Who sizes a reservation wants to know what kexec itself takes out of it; the rest is behind --page-tables.
    from kexeckit.cli.output import print_text
    from kexeckit.errors import KexeckitError
    from kexeckit.render.plan_cost import render_taken

    try:
        print_text("\n" + render_taken(_cost(planned, release)))
    except KexeckitError as error:
        print_text(f"\nwhat page tables take out of the crash reservation is not determined: {error}")


def _known_cost(planned: "Planned", release: str | None) -> "tuple[PlanCost | None, tuple[str, ...]]":
    # The plan itself stands, whether or not its cost is known.
    from kexeckit.errors import NotDeterminedError

    try:
        return _cost(planned, release), ()
    except NotDeterminedError as error:
        return None, (str(error),)


def _cost(planned: "Planned", release: str | None) -> "PlanCost":
    from kexeckit.errors import NotDeterminedError
    from kexeckit.plan.cost import cost_of_plan
    from kexeckit.system.mapping_input import mapping_rules, read_mapping_question

    # Not the release that uname prints: a stable kernel's rules follow from what it was made of.
    question = read_mapping_question(planned.root, planned.facts.arch, release, planned.facts.stated)
    if question.below:
        raise NotDeterminedError("the cost of page tables", question.below)
    return cost_of_plan(planned.plan, mapping_rules(question))


def _effects(planned: "Planned", events: list[str]) -> "list[HotplugEffect]":
    if not events:
        return []
    from kexeckit.kernel.behaviour.fields import own_fields
    from kexeckit.kernel.behaviour.loading import KernelBehaviour, behaviour_of
    from kexeckit.machine.version import NEWEST, Release
    from kexeckit.plan.hotplug import effect_of, parse_event

    facts = planned.facts
    stated = own_fields(KernelBehaviour, facts.stated)
    behaviour = behaviour_of(Release(facts.release or NEWEST).version, arch=facts.arch, stated=stated)
    return [effect_of(parse_event(e), planned.plan, planned.facts, behaviour) for e in events]
