"""Predict which node gets which memory zone, and where ZONE_MOVABLE begins.

Words are those of the kernel's command line, as typed: kernelcore=2G, kernelcore=30%, kernelcore=mirror,
movablecore=1G, movable_node, mem=..., memmap=...; each replaces the words of its name in the source's command line.
The source is this machine, or with --root a capture, a boot log, or a machine described in a .toml file.
"""

from argparse import ArgumentParser, Namespace

from kexeckit.cli.behaviour_arguments import add_behaviour_arguments, read_stated


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="words of the kernel's command line")
    parser.add_argument(
        "--afford", action="store_true", help="also say how large a kernelcore= can be before ZONE_MOVABLE is gone"
    )
    parser.add_argument(
        "--efi-map", metavar="FILE", help="a raw EFI memory map: which memory is mirrored, whatever the source says"
    )
    add_behaviour_arguments(parser)


def run(args: Namespace) -> int:
    """Print the prediction."""
    from kexeckit.kernel.zones.cost import affordable_kernelcore, node_costs
    from kexeckit.kernel.zones.predict import predict_zones
    from kexeckit.render.zones import render_zones, zones_document
    from kexeckit.system.sysroot import open_sysroot
    from kexeckit.system.zone_input import read_zone_question

    raw = _file(args.efi_map) if args.efi_map else None
    root, stated = open_sysroot(args.root), read_stated(args, "zones")
    question = read_zone_question(root, args.words, args.arch, args.kernel_version, raw, stated)
    prediction = predict_zones(question.machine, question.parameters, question.behaviour, below=question.below)
    costs = node_costs(question.machine, question.parameters, prediction)
    afford = affordable_kernelcore(question.machine, question.behaviour) if args.afford and not question.below else None
    if args.json:
        from kexeckit.cli.output import print_document

        print_document(zones_document(prediction, costs, afford))
    else:
        print(render_zones(prediction, costs, afford))
    return 0


def _file(path: str) -> bytes:
    from kexeckit.errors import UsageError
    from kexeckit.system.sysroot import open_sysroot

    single = open_sysroot(path).single_file
    if single is None:
        raise UsageError(f"{path} is a folder or an archive; --efi-map takes a file")
    return single.data
