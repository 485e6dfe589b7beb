"""Shared test set-up: hypothesis profiles and the place of the corpus of real logs."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from answers import Asking

settings.register_profile("dev", max_examples=200, deadline=None)
settings.register_profile("ci", max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --update-golden."""
    parser.addoption("--update-golden", action="store_true", help="write the expected documents anew")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of third-party logs, which is not part of the project; skips where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    folder = Path(os.environ.get("KEXECKIT_CORPUS", default))
    if not (folder / "index.jsonl").is_file():
        pytest.skip("the corpus of real logs is absent; set KEXECKIT_CORPUS to its folder to run this")
    return folder


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asking:
    """What the command answers to a text."""
    return Asking(tmp_path, capsys)


@pytest.fixture(scope="session", autouse=True)
def _signals_as_at_a_terminal() -> None:
    # A background job starts with SIGINT ignored and nohup with SIGHUP ignored, and children inherit that; the tests of
    # signals want what a person's shell gives.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
