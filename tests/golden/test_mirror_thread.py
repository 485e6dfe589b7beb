"""The machine that kernelcore=mirror was proposed with gets the zones that its thread names."""

import json
from pathlib import Path
from typing import Any

import pytest

from kexeckit.cli.main import main

MACHINE = Path(__file__).with_name("mirror_thread.toml")
PAGE = 4096
GIB = 1 << 30


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """Run the command and return its JSON."""
    assert main(["zones", "--root", str(MACHINE), "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def spans(node: Any) -> dict[str, tuple[int, int, int]]:
    """Return each zone's start, end and present bytes."""
    return {
        z["zone"]: (z["start_pfn"] * PAGE, (z["start_pfn"] + z["spanned"]) * PAGE, z["present"] * PAGE)
        for z in node["zones"]
    }


def test_normal_and_movable_overlap_as_in_the_thread(capsys: pytest.CaptureFixture[str]) -> None:
    """Both nodes have the ZONE_NORMAL and ZONE_MOVABLE ranges of the thread's example."""
    first, second = (spans(n) for n in document(capsys, "kernelcore=mirror")["nodes"])
    assert first["Normal"][:2] == (0x100000000, 0x10A0000000)
    assert first["Movable"][:2] == (0x180000000, 0x10A0000000)
    assert second["Normal"][:2] == (0x10A0000000, 0x20A0000000)
    assert second["Movable"][:2] == (0x1120000000, 0x20A0000000)


def test_pages_of_the_one_are_absent_in_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    """ZONE_NORMAL has the mirrored bytes above 4 GiB and ZONE_MOVABLE has the others; together all of a node."""
    first, second = (spans(n) for n in document(capsys, "kernelcore=mirror")["nodes"])
    # Node 0: [4G, 6G) and [32G, 34G) are mirrored above 4 GiB; node 1: two ranges of 2 GiB.
    assert first["Normal"][2] == second["Normal"][2] == 4 * GIB
    assert first["Movable"][2] == 0x10A0000000 - 0x100000000 - 4 * GIB
    assert second["Movable"][2] == 60 * GIB


def test_movable_starts_and_ranges(capsys: pytest.CaptureFixture[str]) -> None:
    """The document has the movable starts in bytes and the machine-wide limits with exclusive ends."""
    found = document(capsys, "kernelcore=mirror")
    assert [(n["nid"], n["movable_start"]) for n in found["nodes"]] == [(0, 0x180000000), (1, 0x1120000000)]
    assert found["schema"] == "kexeckit/zones/1"
    assert found["ranges"] == [
        {"zone": "DMA", "start": 0x1000, "end": 0x1000000},
        {"zone": "DMA32", "start": 0x1000000, "end": 0x100000000},
        {"zone": "Normal", "start": 0x100000000, "end": 0x20A0000000},
    ]
    assert found["warnings"] == []


def test_without_the_word_there_is_no_movable_zone(capsys: pytest.CaptureFixture[str]) -> None:
    """The same machine without kernelcore= has no ZONE_MOVABLE and nothing absent above 4 GiB."""
    nodes = document(capsys)["nodes"]
    assert [n["movable_start"] for n in nodes] == [None, None]
    assert spans(nodes[1]) == {"Normal": (0x10A0000000, 0x20A0000000, 64 * GIB)}
