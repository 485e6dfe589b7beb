"""A BufferRequest that makes no sense cannot be built."""

import pytest

from kexeckit.plan.request import NO_LIMIT, BufferRequest

GOOD = {"bufsz": 1, "memsz": 4096, "align": 4096, "minimum": 0, "maximum": NO_LIMIT}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bufsz": 4097}, "do not go together"),
        ({"bufsz": -1}, "do not go together"),
        ({"memsz": 0, "bufsz": 0}, "do not go together"),
        ({"memsz": 5000}, "do not go together"),
        ({"align": 2048}, "not a power of two of at least a page"),
        ({"align": 0}, "not a power of two"),
        ({"align": 3 * 4096}, "not a power of two"),
        ({"minimum": -1}, "leave nothing"),
        ({"minimum": 5, "maximum": 5}, "leave nothing"),
        ({"maximum": NO_LIMIT + 1}, "leave nothing"),
    ],
)
def test_senseless_requests(change: dict[str, int], message: str) -> None:
    """Each by its own sentence, with the buffer's name."""
    fields = GOOD | change
    with pytest.raises(ValueError, match=message) as caught:
        BufferRequest("thing", top_down=True, why="", **fields)
    assert str(caught.value).startswith("thing: ")


def test_a_buffer_may_have_no_bytes_of_its_own() -> None:
    """Memory without content."""
    assert BufferRequest("bss", top_down=False, why="", **(GOOD | {"bufsz": 0})).memsz == 4096
