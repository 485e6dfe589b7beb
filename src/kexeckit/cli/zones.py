"""Predict which node gets which memory zone, and where ZONE_MOVABLE begins.

Words are those of the kernel's command line, as typed: kernelcore=2G, kernelcore=30%, kernelcore=mirror,
movablecore=1G, movable_node, mem=..., memmap=...; each replaces the words of its name in the source's command line.
The source is this machine, or with --root a capture, a boot log, or a machine described in a .toml file. Words that it
was not booted with ask about the next boot. The answer is certain (never wrong), likely or open (exit code 3).
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
    parser.add_argument(
        "--next-boot", action="store_true", help="ask about the next boot, even without words that change anything"
    )
    add_behaviour_arguments(parser)


def run(args: Namespace) -> int:
    """Print the prediction."""
    from kexeckit.cli.output import print_document, print_warnings
    from kexeckit.errors import NOT_DETERMINED
    from kexeckit.kernel.behaviour.of_machine import behaviours_of
    from kexeckit.kernel.observed import Agreement
    from kexeckit.kernel.zones.answer import answer_zones
    from kexeckit.kernel.zones.cost import affordable_kernelcore, node_costs
    from kexeckit.machine.merge import with_efi_map
    from kexeckit.render.zones import render_zones, zones_document
    from kexeckit.system.machine import read_machine
    from kexeckit.system.sysroot import open_sysroot

    machine = read_machine(open_sysroot(args.root), arch=args.arch, release=args.kernel_version)
    if args.efi_map:
        machine = with_efi_map(machine, _file(args.efi_map), args.efi_map)
    behaviours = behaviours_of(machine, read_stated(args, "zones"))
    answer = answer_zones(machine, args.words, behaviours, next_boot=args.next_boot)
    question, prediction = answer.question, answer.predicted
    costs = node_costs(question.machine, question.parameters, prediction)
    afford = affordable_kernelcore(question.machine, question.behaviour) if args.afford and not question.below else None
    if args.json:
        print_document(zones_document(answer, costs, afford))
    else:
        print(render_zones(answer, costs, afford))
    print_warnings(answer.doubtful)
    if answer.agreement is Agreement.DIFFER:
        return 1
    return 0 if prediction.nodes else NOT_DETERMINED


def _file(path: str) -> bytes:
    from kexeckit.errors import InputError
    from kexeckit.system.sysroot import open_sysroot

    single = open_sysroot(path).single_file
    if single is None:
        raise InputError(path, "a folder or an archive", expected="a raw EFI memory map")
    return single.data
