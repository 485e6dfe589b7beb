"""Run inside a guest: load a next kernel with a memory map of more than 128 entries and of unusual kinds.

Real machines have such maps; QEMU's do not. So the running kernel's map is cut into pieces before it is planned with.
"""

import json
import os
from dataclasses import replace

from kexeckit.memory.kind import PMEM, PRAM, RESERVED, SOFT_RESERVED, UNUSABLE, kind_from_e820
from kexeckit.memory.memmap import MemoryMap
from kexeckit.memory.range import MemRange
from kexeckit.memory.rangeset import RangeSet
from kexeckit.memory.units import MIB
from kexeckit.plan.from_machine import plan_facts
from kexeckit.plan.load_plan import LoadRequest, Syscall
from kexeckit.plan.make import plan_image
from kexeckit.render.plan import plan_document
from kexeckit.system.files import map_file
from kexeckit.system.kexec import LinuxKernel
from kexeckit.system.machine import read_machine
from kexeckit.system.sysroot import open_sysroot

_KINDS = (RESERVED, UNUSABLE, RESERVED, kind_from_e820(77), RESERVED, SOFT_RESERVED, RESERVED, PRAM, RESERVED, PMEM)


def _cut(firmware: MemoryMap) -> MemoryMap:
    # 150 holes of 64 KiB, one every MiB from 128 MiB on, most reserved and the rest of every other kind.
    for number in range(150):
        hole = MemRange.from_size((128 + number) * MIB, 64 << 10)
        firmware = firmware.painted(RangeSet((hole,)), _KINDS[number % len(_KINDS)])
    return firmware


def main() -> None:
    """Plan, load, print the plan."""
    facts = plan_facts(read_machine(open_sysroot(None), handover=True))
    facts = replace(facts, firmware_map=_cut(facts.firmware_map))
    request = LoadRequest(map_file("/boot/vmlinuz"), map_file("/boot/initrd"), "console=ttyS0", rng_seed=os.urandom(32))
    plan = plan_image(request, facts, Syscall.LOAD)
    LinuxKernel("x86_64").load(plan)
    print(json.dumps(plan_document(plan)))


if __name__ == "__main__":
    main()
