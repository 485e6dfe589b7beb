"""``--behaviour FILE`` and ``--set FIELD=VALUE``: what the user knows of a kernel that its version does not tell."""

from argparse import ArgumentParser, Namespace


def add_behaviour_arguments(parser: ArgumentParser) -> None:
    """Add the two options, in a group of their own."""
    group = parser.add_argument_group("what the kernel does, whatever its version says")
    group.add_argument(
        "--behaviour", metavar="FILE", help="read FIELD = VALUE from this TOML file (backports of a distribution)"
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help='state one field (may be repeated); "kexeckit explain behaviours" lists them',
    )


def read_stated(args: Namespace, record: str) -> dict[str, object]:
    """Return the fields that the user states; one behind ``--set`` that this command does not ask for is warned of.

    Args:
        args: The command line.
        record: The record that the command asks: ``loading``, ``zones`` or ``reservation``.

    Raises:
        InputError: The file is no TOML.
        UsageError: A field is not known, or its value is not of its type.
        UnavailableError, FileAccessError: The file cannot be read.
    """
    if not args.behaviour and not args.set:
        return {}
    from kexeckit.cli.output import print_warnings
    from kexeckit.kernel.behaviour.catalogue import stated_fields
    from kexeckit.kernel.behaviour.stated import parse_stated
    from kexeckit.system.files import map_file
    from kexeckit.system.text import decode_text

    text = decode_text(bytes(map_file(args.behaviour).data)) if args.behaviour else ""
    stated = parse_stated(args.set, text, args.behaviour or "")
    # A file may hold what several commands ask for; a word that was typed is meant for this one.
    typed = sorted({word.partition("=")[0].strip() for word in args.set})
    idle = [name for name in typed if stated_fields()[name] != record]
    print_warnings(f"--set {name} has no effect here: it is a field of {stated_fields()[name]}" for name in idle)
    return stated
