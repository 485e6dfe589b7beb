"""Plan a next kernel: where each segment goes and why, which memory map is handed over, and the command line.

Nothing is loaded. With --root the plan is made for the machine of a capture, without any privilege.
"""

from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    from kexeckit.cli.image_arguments import add_image_arguments

    add_image_arguments(parser)
    parser.add_argument(
        "--syscall",
        choices=("load", "file"),
        default="load",
        help="plan for kexec_load, or predict what kexec_file_load will do (default: %(default)s)",
    )


def run(args: Namespace) -> int:
    """Print the plan."""
    from kexeckit.cli.image_arguments import make_plan
    from kexeckit.cli.output import print_document, print_warnings
    from kexeckit.plan.load_plan import Syscall

    planned = make_plan(args, Syscall(args.syscall))
    if args.json:
        from kexeckit.render.plan import plan_document

        print_document(plan_document(planned.plan))
        return 0
    from kexeckit.render.plan import render_plan

    print(render_plan(planned.plan))
    print_warnings(planned.plan.warnings)
    return 0
