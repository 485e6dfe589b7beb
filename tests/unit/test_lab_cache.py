"""The cache: complete or absent, and filled once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from kexeckit.lab.cache import build_once, cache_folder


def test_place_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME decides where it is absolute, the home folder otherwise."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "kexeckit"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/x")
    assert cache_folder() == Path("/home/x/.cache/kexeckit")


def test_built_once_by_many(tmp_path: Path) -> None:
    """Of several that want the same thing at once, one builds and all get it."""
    barrier, built = Barrier(4), []

    def build(place: Path) -> None:
        built.append(place)
        place.write_text("content")

    def want(_: int) -> str:
        barrier.wait(timeout=10)
        return build_once(tmp_path / "a/thing", build).read_text()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(want, range(4))) == ["content"] * 4
    assert len(built) == 1


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    """Half of a result is never found later, and the next attempt starts afresh."""

    def fail(place: Path) -> None:
        place.mkdir()
        (place / "half").touch()
        raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        build_once(tmp_path / "thing", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".thing.lock"]
    assert build_once(tmp_path / "thing", lambda place: place.mkdir()).is_dir()
