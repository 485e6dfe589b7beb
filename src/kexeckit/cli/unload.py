"""Drop the loaded next kernel or, with --panic, the loaded capture kernel."""

from argparse import ArgumentParser, Namespace

SCHEMA = "kexeckit/unload/1"
UNUSED = ("kernel_version",)


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("-p", "--panic", action="store_true", help="drop the capture kernel, not the next kernel")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would be dropped and stop")


def run(args: Namespace) -> int:
    """Show what is loaded, and drop it."""
    from kexeckit.cli.live import live_loader, require_live, running_arch
    from kexeckit.system.state import read_state
    from kexeckit.system.sysroot import open_sysroot

    root = open_sysroot(args.root)
    state = read_state(root)
    slot = "capture kernel" if args.panic else "next kernel"
    loaded = state.crash if args.panic else state.normal
    if loaded and not args.dry_run:
        require_live(root, "unload")
        live_loader(root, running_arch(args.arch)).unload(panic=args.panic)
    _print(args, slot, loaded=loaded)
    return 0


def _print(args: Namespace, slot: str, *, loaded: bool) -> None:
    if args.json:
        from kexeckit.cli.output import print_document

        name = "crash" if args.panic else "normal"
        print_document({"schema": SCHEMA, "slot": name, "loaded": loaded, "dropped": loaded and not args.dry_run})
    elif not loaded:
        print(f"no {slot} is loaded")
    else:
        print(f"would drop the {slot}" if args.dry_run else f"{slot} dropped")
