"""The lab's comparison with compiled code: cutting C files, drawing questions, reading answers."""

from dataclasses import replace
from random import Random

import pytest

from kexeckit.kernel.behaviour.reservation import crash_rules
from kexeckit.kernel.reservation.search import Limits
from kexeckit.lab.dev.kernel_code_compare import Rule, place_lines, region_lines, told_lines, words_lines
from kexeckit.lab.dev.kernel_code_cut import cut, defines
from kexeckit.lab.dev.kernel_code_layouts import random_layout, random_request, random_search
from kexeckit.lab.dev.kernel_code_words import random_total, random_words
from kexeckit.machine.version import parse_kernel_version
from kexeckit.memory.range import MemRange

RULES = crash_rules("x86_64", parse_kernel_version("6.12"))
GIB = 1 << 30
SOURCE = """\
#include <nowhere.h>
#define LIMIT 5 /* as much */
#define UNUSED 6
enum colour { RED, GREEN };
static int number[LIMIT] = {
    1, 2,
};
static int helper(int number_of)
{
    return number[number_of]; // a value
}
#ifdef CONFIG_X
int __init wanted(void)
{
    char quote = '"';

    return helper(RED);
}
#endif
int other(void) { return UNUSED; }
EXPORT_SYMBOL(wanted);
"""


def test_a_cut_has_what_is_named_and_no_more() -> None:
    """Functions, data, macros and enums that are reached; conditions always; includes, comments, the rest never."""
    (text,) = cut([SOURCE], ["wanted"], [])
    kept = (
        "#define LIMIT 5",
        "enum colour",
        "static int number",
        "int helper",
        "int __init wanted",
        "#ifdef",
        "#endif",
    )
    for part in kept:
        assert part in text
    for part in ("include", "UNUSED", "other", "EXPORT_SYMBOL", "as much", "a value"):
        assert part not in text


def test_a_cut_leaves_out_what_is_given() -> None:
    """A name that is defined elsewhere is not taken, nor what only it needs."""
    (text,) = cut([SOURCE], ["wanted"], ["helper"])
    assert "int __init wanted" in text
    assert "number" not in text


def test_a_cut_reaches_into_other_files() -> None:
    """What one file defines, another may need; the order of files stays."""
    first, second = cut(["int low(void)\n{\n\treturn 1;\n}\n", "int high(void)\n{\n\treturn low();\n}\n"], ["high"], [])
    assert "int low" in first
    assert "int high" in second


def test_defining_is_more_than_naming() -> None:
    """A function with a body, not a declaration and not a call."""
    assert defines(SOURCE, "wanted")
    assert not defines("int wanted(void);\n", "wanted")
    assert not defines("int f(void)\n{\n\treturn wanted();\n}\n", "wanted")


def test_questions_repeat_with_their_seed() -> None:
    """The same seed asks the same: words, amounts of RAM, layouts, searches."""

    def drawn() -> list[object]:
        random = Random(3)
        layout = random_layout(random)
        asked = [random_words(random), random_total(random), random_request(random, layout)]
        return [layout, *asked, random_search(random, layout)]

    assert drawn() == drawn()


def test_layouts_are_layouts() -> None:
    """RAM is whole pages without overlap; steps come in fours; few enough for memblock's first arrays."""
    random = Random(1)
    for _ in range(300):
        layout = random_layout(random)
        assert list(layout.ram) == sorted(layout.ram)
        steps = list(layout.steps(RULES))
        assert len(steps) % 4 == 0
        assert len(steps) // 4 < 128
        assert len(region_lines(layout.memory(RULES))) < 128


def test_mirror_marks_count_with_kernelcore() -> None:
    """Since 6.0 memory is mirrored to memblock only with kernelcore=mirror."""
    layout = replace(random_layout(Random(1)), mirrored=(MemRange(0, 1 << 50),), kernelcore=False)
    assert not layout.memory(RULES).prefer_mirror
    assert layout.memory(crash_rules("x86_64", parse_kernel_version("5.10"))).prefer_mirror


def test_answers_are_sorted_into_said_and_done() -> None:
    """What is said may be a line feed; a search for nothing leaves only what is said."""
    told = b"search 1 2 [3, 4): 0\nsays crashkernel: unrecognized char: \n\nmain 1 2\n"
    assert told_lines(told) == ["says crashkernel: unrecognized char: \n", "search 1 2 [3, 4): 0", "main 1 2"]
    assert told_lines(b"says x\nzero\nlow 1 2\n") == ["says x"]
    assert told_lines(b"") == []


@pytest.mark.parametrize(
    ("rule", "answer"), [(Rule(0, 0), 0x1000000), (Rule(1, 4 * GIB), 0), (Rule(1, GIB), GIB), (Rule(2, 0), 0)]
)
def test_rules_answer_a_search(rule: Rule, answer: int) -> None:
    """The lowest address, the lowest above a border, or none."""
    assert rule.answer(0x100000, 0x1000000, MemRange(0, 4 * GIB)) == answer


def test_our_lines_for_words() -> None:
    """Messages, then each search with its answer, then the regions."""
    lines = words_lines("crashkernel=1G,high crashkernel=64M,low", 8 * GIB, RULES, Rule(1, 4 * GIB), Limits())
    assert lines == [
        "search 40000000 1000000 [100000000, 400000000000): 100000000",
        "search 4000000 1000000 [0, 100000000): 0",
    ]
    assert words_lines("crashkernel=x", 8 * GIB, RULES, Rule(0, 0), Limits()) == [
        "says crashkernel: memory value expected"
    ]


def test_our_lines_for_memory() -> None:
    """Regions alone, where real memory answers."""
    layout = replace(random_layout(Random(1)), ram=(MemRange(0, 2 * GIB),), nodes=(), reserved=(), nomap=())
    memory = replace(layout, mirrored=(), hotplug=()).memory(RULES)
    assert region_lines(memory) == ["memory 0 80000000 -1 0"]
    assert place_lines(memory, "crashkernel=256M", RULES, Limits()) == ["main 70000000 10000000"]
