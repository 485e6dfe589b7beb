"""Read a machine: the one place where files become a `Machine`.

Sysroot -> read_files: bytes, each file once -> machine.sources -> machine.merge -> Machine
"""

from dataclasses import replace

from kexeckit.errors import InputError, KexeckitError
from kexeckit.formats.kind_of_text import looks_like_document, looks_like_machine_toml
from kexeckit.machine.arch import stated_arch
from kexeckit.machine.fact import Problem
from kexeckit.machine.merge import merge, stated
from kexeckit.machine.value import Machine
from kexeckit.system.boot_log import boot_log_texts
from kexeckit.system.root_files import read_files
from kexeckit.system.sysroot import SingleFile, Sysroot
from kexeckit.system.text import decode_text


def read_machine(
    root: Sysroot, *, arch: str | None = None, release: str | None = None, handover: bool = False
) -> Machine:
    """Read what is known about one machine.

    Args:
        root: This machine, a capture of one, or a single file: a boot log, an iomem file, a description, a document.
        arch: Architecture, to override what the source says; any usual name of it.
        release: Kernel release as ``uname -r``, likewise.
        handover: Also read what only the loading of a next kernel needs.

    Raises:
        InputError: A single file is of no kind that is known here, or cannot be read as what it is.
        UsageError: Nobody calls an architecture so.
    """
    name = stated_arch(arch) if arch else None
    single = root.single_file
    found = _of_file(single) if single else _of_root(root, handover=handover)
    return stated(found, name, release)


def _of_file(single: SingleFile) -> Machine:
    # By what is in it: standard input has no name that ends in .toml. Few machines are described, and few are read from
    # a document, so that what reads those is imported late.
    text, name = decode_text(single.data), single.name
    if single.words:
        from kexeckit.machine.sources.described import machine_from_words

        return machine_from_words(text, name)
    if name.endswith(".toml") or looks_like_machine_toml(text):
        from kexeckit.formats.machine_toml import parse_machine_toml
        from kexeckit.machine.sources.described import machine_from_description

        return machine_from_description(parse_machine_toml(text, name), name)
    if looks_like_document(text):
        from kexeckit.machine.document import parse_document

        return parse_document(text, name)
    from kexeckit.formats.iomem import looks_like_iomem, parse_iomem

    if looks_like_iomem(text):
        from kexeckit.machine.sources.iomem import machine_from_iomem

        return machine_from_iomem(parse_iomem(text, name), name)
    return _of_log(text, name)


def _of_log(text: str, name: str) -> Machine:
    # The parsers of a boot log take longer to import than all the others together.
    from kexeckit.formats.bootlog.boot import parse_boot_log
    from kexeckit.machine.sources.log import machine_from_log

    return machine_from_log(parse_boot_log(text, name))


def _of_root(root: Sysroot, *, handover: bool) -> Machine:
    from kexeckit.machine.sources.files import machine_from_files

    files = read_files(root, handover=handover)
    found = machine_from_files(files)
    if handover:
        from kexeckit.machine.sources.handover import handover_from_files

        facts, problems = handover_from_files(files)
        found = replace(found, handover=facts, problems=(*found.problems, *problems))
    log, troubles = _log(root)
    made = merge(found, log) if log else found
    return replace(made, problems=(*made.problems, *troubles)) if troubles else made


def _log(root: Sysroot) -> tuple[Machine | None, list[Problem]]:
    # The first file that holds kernel messages; one that is there and holds none is named.
    troubles: list[Problem] = []
    for name, text in boot_log_texts(root):
        if isinstance(text, KexeckitError):
            troubles.append(Problem.of("log", text))
            continue
        try:
            return _of_log(text, name), troubles
        except InputError as error:
            troubles.append(Problem.of("log", error))
    return None, troubles
