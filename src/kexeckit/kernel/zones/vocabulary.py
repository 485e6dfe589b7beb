"""The words of a command line that decide about zones: what is typed is checked against them."""

from kexeckit.formats.word_check import Vocabulary
from kexeckit.kernel.zones.parameters import MACHINE_WORDS, ZONE_WORDS

VOCABULARY = Vocabulary("kernelcore", frozenset((*ZONE_WORDS, *MACHINE_WORDS)), ("mirror",))
