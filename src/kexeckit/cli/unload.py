"""Drop the loaded next kernel or, with --panic, the loaded capture kernel."""

from argparse import ArgumentParser, Namespace


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
    if not (state.crash if args.panic else state.normal):
        print(f"no {slot} is loaded")
        return 0
    if args.dry_run:
        print(f"would drop the {slot}")
        return 0
    require_live(root, "unload")
    live_loader(root, running_arch(args.arch)).unload(panic=args.panic)
    print(f"{slot} dropped")
    return 0
