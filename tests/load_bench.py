"""A bench for loading: a fake machine, its fake kernel, old and new files, and a `Loader` over them."""

from dataclasses import dataclass
from pathlib import Path

from fakes import INITRD, FakeImage, FakeKernel, FakeMachine, LiveRoot, build_bzimage
from kexeckit.cli.live import replan
from kexeckit.plan.from_machine import plan_facts
from kexeckit.plan.load_plan import LoadPlan, LoadRequest, Syscall
from kexeckit.plan.make import plan_image
from kexeckit.system.files import map_file
from kexeckit.system.loader import Loader
from kexeckit.system.machine import read_machine
from kexeckit.system.record import LoadRecord, read_record

LOAD, FILE = Syscall.LOAD, Syscall.FILE


@dataclass
class Bench:
    """Everything that a load touches, below one folder.

    Attributes:
        folder: Its files: ``root``, ``boot``, ``records``.
        kernel: The fake kernel.
        loader: A loader whose kernel, files and records are these.
        replans: How many old images were planned again.
    """

    folder: Path
    kernel: FakeKernel
    loader: Loader
    replans: list[LoadRecord]

    def wanted(self, which: str, syscall: Syscall = LOAD, *, panic: bool = True) -> tuple[LoadPlan, LoadRequest]:
        """Plan the ``old`` or the ``new`` image."""
        request = LoadRequest(
            kernel=map_file(f"{self.folder}/boot/{which}.kernel"),
            initrd=map_file(f"{self.folder}/boot/{which}.initrd"),
            cmdline=f"image={which}",
            panic=panic,
            rng_seed=b"S" * 32,
        )
        machine = read_machine(self.loader.root, arch="x86_64", release="6.1.0", handover=True)
        return plan_image(request, plan_facts(machine), syscall), request

    def load(self, which: str, syscall: Syscall = LOAD, *, panic: bool = True) -> None:
        """Plan and load."""
        self.loader.load(*self.wanted(which, syscall, panic=panic))

    def image(self, which: str, syscall: Syscall = LOAD) -> FakeImage:
        """What the kernel should hold after a load, its command line by its last word."""
        data = (self.folder / f"boot/{which}.kernel").read_bytes()
        initrd = (self.folder / f"boot/{which}.initrd").read_bytes()
        return FakeImage(str(syscall), data[2560:] if syscall is LOAD else data, initrd, f"image={which}")

    def held(self, *, panic: bool = True) -> FakeImage | None:
        """What the kernel holds, its command line by its last word (its front is a matter of places)."""
        found = self.kernel.slot(panic=panic)
        return found and FakeImage(found.syscall, found.kernel, found.initrd, found.cmdline.split()[-1])

    def record(self, *, panic: bool = True) -> str | None:
        """The command line that is on record."""
        found = read_record(self.loader.records, panic=panic)
        return found.cmdline if found else None


def make_bench(folder: Path) -> Bench:
    """Build a bench in an empty folder; nothing is loaded."""
    root = LiveRoot(str(FakeMachine().write(folder / "root")))
    (folder / "boot").mkdir()
    for which, fill in (("old", 0x11), ("new", 0x22)):
        (folder / f"boot/{which}.kernel").write_bytes(build_bzimage(payload=8192, fill=fill))
        (folder / f"boot/{which}.initrd").write_bytes(INITRD + which.encode())
    replans: list[LoadRecord] = []

    def again(record: LoadRecord) -> tuple[LoadPlan, LoadRequest]:
        replans.append(record)
        return replan(record, root, "x86_64")

    kernel = FakeKernel(folder / "root")
    return Bench(folder, kernel, Loader(kernel, root, str(folder / "records"), again), replans)
