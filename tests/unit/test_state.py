"""What is loaded, as the kernel says it."""

from pathlib import Path

import pytest

from fakes import LiveRoot
from kexeckit.errors import InputError, UnavailableError
from kexeckit.system.state import KexecState, header_is_updated, read_state
from kexeckit.system.sysroot import open_sysroot


def written(folder: Path, files: dict[str, str]) -> Path:
    """Files below a folder."""
    for name, text in files.items():
        at = folder / name
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)
    return folder


OLD = {
    "sys/kernel/kexec_loaded": "1\n",
    "sys/kernel/kexec_crash_loaded": "0\n",
    "sys/kernel/kexec_crash_size": "4096\n",
}
NEW = {
    "sys/kernel/kexec/loaded": "1\n",
    "sys/kernel/kexec/crash_loaded": "0\n",
    "sys/kernel/kexec/crash_size": "4096\n",
}


@pytest.mark.parametrize("files", [OLD, NEW, OLD | NEW])
def test_both_places_say_the_same(tmp_path: Path, files: dict[str, str]) -> None:
    """From 7.2 on there is a folder; the old names stay."""
    assert read_state(open_sysroot(str(written(tmp_path, files)))) == KexecState(
        normal=True, crash=False, crash_size=4096
    )


def test_a_kernel_without_kexec_is_said(tmp_path: Path) -> None:
    """Not two empty slots; and not where sysfs is not there to say it."""
    with pytest.raises(UnavailableError, match="/sys is not mounted") as caught:
        read_state(LiveRoot(str(tmp_path)))
    assert caught.value.exit_code == 69
    (tmp_path / "sys/kernel").mkdir(parents=True)
    with pytest.raises(UnavailableError, match="built without kexec") as caught:
        read_state(LiveRoot(str(tmp_path)))
    assert caught.value.exit_code == 69


def test_a_capture_that_lacks_the_file_does_not_blame_the_kernel(tmp_path: Path) -> None:
    """Nobody knows why it is not there."""
    with pytest.raises(UnavailableError) as caught:
        read_state(open_sysroot(str(tmp_path)))
    assert caught.value.exit_code == 69
    assert str(caught.value) == ("cannot tell what is loaded: the capture does not contain /sys/kernel/kexec_loaded")


def test_a_kernel_that_does_not_show_the_size(tmp_path: Path) -> None:
    """None is not 0."""
    files = {k: v for k, v in OLD.items() if not k.endswith("size")}
    assert read_state(open_sysroot(str(written(tmp_path, files)))).crash_size is None


@pytest.mark.parametrize("text", ["", "yes", "1 0", "\u00b2"])
def test_text_that_is_no_number(tmp_path: Path, text: str) -> None:
    """Refused by the file's name."""
    with pytest.raises(InputError, match=r"kexec_crash_loaded: unusable text .* expected a number"):
        read_state(open_sysroot(str(written(tmp_path, OLD | {"sys/kernel/kexec_crash_loaded": text}))))


@pytest.mark.parametrize(("text", "updated"), [("1\n", True), ("0\n", False), (None, False)])
def test_whether_the_kernel_keeps_the_header_up_to_date(tmp_path: Path, text: str | None, updated: bool) -> None:
    """Only where it says so."""
    files = {} if text is None else {"sys/devices/system/memory/crash_hotplug": text}
    assert header_is_updated(open_sysroot(str(written(tmp_path, files)))) is updated
