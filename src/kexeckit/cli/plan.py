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
    from kexeckit.cli.image_arguments import OF_OUR_SEGMENTS, make_plan
    from kexeckit.cli.output import print_document, print_warnings
    from kexeckit.cli.parser import refuse_unused
    from kexeckit.plan.load_plan import Syscall

    if args.syscall == "file":
        refuse_unused(args, OF_OUR_SEGMENTS, "kexec_file_load")
    planned = make_plan(args, Syscall(args.syscall), stated=read_stated(args, "loading"))
    effects = _effects(planned, args.after)
    if effects and planned.behaviours.assumed:
        planned = _assuming(planned, planned.behaviours.assumptions)
    cost, unknown = _known_cost(planned) if args.page_tables else (None, ())
    if args.json:
        print_document(_document(planned, cost, effects))
        print_warnings(unknown)
        return 0
    _print(planned, cost, effects)
    if planned.plan.panic and not cost and not unknown:
        _print_taken(planned)
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


def _print_taken(planned: "Planned") -> None:
    # Who sizes a reservation wants to know what kexec itself takes out of it; the rest is behind --page-tables.
    from kexeckit.cli.output import print_text
    from kexeckit.errors import KexeckitError
    from kexeckit.render.plan_cost import render_taken

    try:
        print_text("\n" + render_taken(_cost(planned)))
    except KexeckitError as error:
        print_text(f"\nwhat page tables take out of the crash reservation is not determined: {error}")


def _known_cost(planned: "Planned") -> "tuple[PlanCost | None, tuple[str, ...]]":
    # The plan itself stands, whether or not its cost is known.
    from kexeckit.errors import NotDeterminedError

    try:
        return _cost(planned), ()
    except NotDeterminedError as error:
        return None, (str(error),)


def _cost(planned: "Planned") -> "PlanCost":
    from kexeckit.errors import NotDeterminedError
    from kexeckit.kernel.page_tables.from_machine import mapping_question
    from kexeckit.plan.cost import cost_of_plan, mapping_rules

    question = mapping_question(planned.machine, planned.behaviours)
    if question.below:
        raise NotDeterminedError("the cost of page tables", question.below)
    return cost_of_plan(planned.plan, mapping_rules(question))


def _effects(planned: "Planned", events: list[str]) -> "list[HotplugEffect]":
    if not events:
        return []
    from kexeckit.plan.hotplug import effect_of, parse_event

    loading = planned.behaviours.loading
    return [effect_of(parse_event(e), planned.plan, planned.facts, loading) for e in events]


def _assuming(planned: "Planned", newest: tuple[str, ...]) -> "Planned":
    from dataclasses import replace

    said = tuple(dict.fromkeys((*planned.plan.assumed, *newest)))
    return replace(planned, plan=replace(planned.plan, assumed=said))
