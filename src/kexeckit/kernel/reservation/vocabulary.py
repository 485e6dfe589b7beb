"""The words of a command line that a reservation looks at, modelled or not: what is typed is checked against them."""

from kexeckit.formats.word_check import Vocabulary
from kexeckit.kernel.reservation.words import UNMODELLED

VOCABULARY = Vocabulary(
    "crashkernel",
    frozenset(name for name, _, _ in UNMODELLED)
    | {"crashkernel", "mem", "memmap", "cma", "movable_node", "kernelcore", "movablecore", "nokaslr", "swiotlb"},
    ("auto",),
)
