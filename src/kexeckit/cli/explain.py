"""Say in words what a kernel does since when: one field of its behaviour, or all of them.

WHAT is the name of a field (as --set takes it), or "behaviours" for the whole list: value before, changes with their
releases, stable backports, architectures, sources, and how each was checked.
"""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kexeckit.kernel.behaviour.catalogue import FieldHistory


UNUSED = ("root", "arch", "kernel_version")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("what", metavar="WHAT", help='a field, or "behaviours"')


def run(args: Namespace) -> int:
    """Print what is known."""
    from kexeckit.cli.output import print_document, print_text
    from kexeckit.render.explain import behaviours_document, render_behaviours, render_field

    found = _asked(args.what)
    if args.json:
        from kexeckit.kernel.behaviour.floors import FLOORS

        print_document(behaviours_document(found, FLOORS if args.what == _ALL else ()))
    elif args.what == _ALL:
        print_text(render_behaviours(found))
    else:
        print_text(render_field(found[0]))
    return 0


_ALL = "behaviours"


def _asked(what: str) -> "tuple[FieldHistory, ...]":
    from kexeckit.errors import UsageError
    from kexeckit.kernel.behaviour.catalogue import histories, history_of, stated_fields

    if what == _ALL:
        return histories()
    if what in stated_fields():
        return (history_of(what),)
    from kexeckit.kernel.behaviour.stated import unknown_field

    raise UsageError(unknown_field(what, "explain"), remedy='"kexeckit explain behaviours" lists all fields')
