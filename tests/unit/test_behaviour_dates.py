"""The dates of all behaviours, a second time: written down from the kernel's history, not from the tables.

Each row: field, architecture, the last release without, the first one with, the value it has then. A change that is
moved by a release, in the tables or here, fails. What a commit changed in several fields, or on several architectures,
has a row for each, so that none gets lost.

The tables: kexeckit.kernel.behaviour.loading, kexeckit.kernel.behaviour.zones, kexeckit.kernel.behaviour.nodes,
kexeckit.kernel.behaviour.kaslr, kexeckit.kernel.behaviour.reservation,
kexeckit.kernel.behaviour.reservation_changes, kexeckit.kernel.behaviour.groups.
Rows of one field are one test, so that `make mutants`, which runs so many tests for a fault, runs all of them.

Sources, besides the kernel's own files that the tables name: Debian's changelogs of linux (5.10, 6.1, 6.11), which list
what each stable release took over; the announcements of the stable reviews of 5.10.210, 5.10.215, 6.6.15, 6.6.26,
6.6.66, 6.6.78, 6.7.3, 6.7.6, 6.8.5, 6.12.5 and 6.12.14.
"""

import ast
from collections.abc import Callable

import pytest

from dates_kaslr import KASLR, KASLR_BEFORE, KASLR_BESIDE
from kexeckit.kernel.behaviour.catalogue import RECORDS, Table
from kexeckit.kernel.behaviour.change import Change
from kexeckit.kernel.behaviour.floors import release_text
from kexeckit.kernel.behaviour.kaslr import kaslr_rules
from kexeckit.kernel.behaviour.loading import behaviour_of
from kexeckit.kernel.behaviour.nodes import node_rules
from kexeckit.kernel.behaviour.reservation import crash_rules
from kexeckit.kernel.behaviour.select import selected
from kexeckit.kernel.behaviour.zones import zone_behaviour_of
from kexeckit.machine.version import KernelVersion, Release

LOADING = """
gb_leaves                x86_64 4.12.14  4.13     True    # arch/x86/kernel/machine_kexec_64.c, direct_gbpages
vmcoreinfo_copied        x86_64 4.12.14  4.13     True    # kernel/kexec_core.c
firmware_tables_mapped   x86_64 5.2.21   5.3      True    # map_efi_systab(), map_acpi_tables()
linear_map_copied        arm64  5.15.200 5.16     True    # arch/arm64/mm/trans_pgd.c in machine_kexec_post_load()
purgatory_bufsz          x86_64 5.19.17  6.0      0x4000
file_load_rng_seed       x86_64 5.19.17  6.0      True
note_per_possible_cpu    x86_64 6.5.13   6.6      True
note_per_possible_cpu    arm64  6.5.13   6.6      True
trace_files_on_demand    x86_64 6.5.13   6.6      True
elfcorehdr_hotplug_room  x86_64 6.5.13   6.6      True
file_load_descending     x86_64 6.7.12   6.8      True
file_load_descending     arm64  6.7.12   6.8      True
file_load_whole_range    x86_64 6.7.12   6.8      True
exclude_stops_at_partial x86_64 6.7.12   6.8      False
kernel_min_pref_address  x86_64 6.8.12   6.9      True
gb_leaf_only_when_full   x86_64 4.19.306 4.19.307 True    # first try: d794734c9bbf
gb_leaf_only_when_full   x86_64 4.19.311 4.19.312 False   # taken back: c567f2948f57
gb_leaf_only_when_full   x86_64 5.4.268  5.4.269  True
gb_leaf_only_when_full   x86_64 5.4.273  5.4.274  False
gb_leaf_only_when_full   x86_64 5.10.209 5.10.210 True
gb_leaf_only_when_full   x86_64 5.10.214 5.10.215 False
gb_leaf_only_when_full   x86_64 5.15.148 5.15.149 True
gb_leaf_only_when_full   x86_64 5.15.153 5.15.154 False
gb_leaf_only_when_full   x86_64 6.1.78   6.1.79   True
gb_leaf_only_when_full   x86_64 6.1.84   6.1.85   False
gb_leaf_only_when_full   x86_64 6.6.17   6.6.18   True
gb_leaf_only_when_full   x86_64 6.6.25   6.6.26   False
gb_leaf_only_when_full   x86_64 6.7.5    6.7.6    True
gb_leaf_only_when_full   x86_64 6.7.5    6.8      True
gb_leaf_only_when_full   x86_64 6.8.4    6.8.5    False
gb_leaf_only_when_full   x86_64 6.8.4    6.9      False
gb_leaf_only_when_full   x86_64 6.10.13  6.10.14  True    # for good: cc31744a2945
gb_leaf_only_when_full   x86_64 6.11.2   6.11.3   True
gb_leaf_only_when_full   x86_64 6.11.2   6.12     True
efi_config_mapped        x86_64 6.1.112  6.1.113  True    # 5760929f6545
efi_config_mapped        x86_64 6.6.54   6.6.55   True
efi_config_mapped        x86_64 6.10.13  6.10.14  True
efi_config_mapped        x86_64 6.11.2   6.11.3   True
efi_config_mapped        x86_64 6.11.2   6.12     True
acpi_map_drops_last_byte x86_64 6.11.11  6.12     False
ident_link_no_pti        x86_64 6.6.65   6.6.66   True    # d0ceea662d45
ident_link_no_pti        x86_64 6.12.4   6.12.5   True
ident_link_no_pti        x86_64 6.12.4   6.13     True
pgd_separate_page        x86_64 6.1.128  6.1.129  True    # 4b5bc2ec9a23
pgd_separate_page        x86_64 6.1.137  6.1.138  False   # taken back: it needs d0ceea662d45
pgd_separate_page        x86_64 6.6.77   6.6.78   True
pgd_separate_page        x86_64 6.12.13  6.12.14  True
pgd_separate_page        x86_64 6.13.2   6.13.3   True
pgd_separate_page        x86_64 6.13.2   6.14     True
jump_copies_per_page     x86_64 6.13.12  6.14     1       # 9e5683e2d0b5
memmap_from_kexec_table  x86_64 6.14.11  6.15     True
file_load_kho            x86_64 6.15.11  6.16     True
file_load_cma            x86_64 6.16.12  6.17     True
"""
ZONES = """
low_64k_is_ram         x86_64 3.8.13   3.9      True
low_64k_is_ram         i386   3.8.13   3.9      True
kernel_stays_ram       x86_64 3.8.13   3.9      True     # booted in 5.10
kernel_stays_ram       i386   3.8.13   3.9      True
low_zones_capped       x86_64 3.18.140 3.19     True
core_mirror            x86_64 4.5.7    4.6      True     # mm/page_alloc.c, cmdline_parse_kernelcore()
core_percent           x86_64 4.16.18  4.17     True     # mm/page_alloc.c, cmdline_parse_core()
arm64_dma              arm64  5.4.300  5.5      'first-gib'
ppc64_dma_whole        ppc64  5.2.21   5.3      True     # 9739ab7eda45
arm64_dma              arm64  5.10.21  5.10.22  'firmware-window'
arm64_dma              arm64  5.10.46  5.10.47  'firmware-bits' # max_zone_phys() without offset
arm64_dma              arm64  5.10.46  5.11     'firmware-bits'
mirror_needs_mirror    x86_64 6.5.13   6.6      True
mirror_off_in_kdump    x86_64 6.6.14   6.6.15   True     # 7ea6ec4c2529, "efi: disable mirror feature ..."
mirror_off_in_kdump    x86_64 6.7.2    6.7.3    True
mirror_off_in_kdump    x86_64 6.7.2    6.8      True
acpi_counts_as_top     x86_64 6.10.14  6.11     True
movable_base_rounds_up x86_64 6.10.14  6.11     True
arm64_dma              arm64  6.11.11  6.12     'firmware-limit'
"""
RESERVATION = """
bottom_up          x86_64      2.6.36   2.6.37   False
low_limit          x86_64      2.6.36   2.6.37   0x38000000
low_limit          i386        2.6.36   2.6.37   0x20000000
high_limit         i386        2.6.36   2.6.37   0x20000000
total_is_span      x86_64      3.3.8    3.4      False
words              x86_64      3.8.13   3.9      'plain-then-high'
suffixes           x86_64      3.8.13   3.9      (',high',',low')
low_default        x86_64      3.8.13   3.9      'swiotlb-72M'
low_optional       x86_64      3.8.13   3.9      True
low_from_own_size  x86_64      3.8.13   3.9      True
suffixes           s390x       3.8.13   3.9      (',high',',low')
after_numa         x86_64      3.12.74  3.13     True
kaslr              x86_64      3.13.11  3.14     True     # arch/x86/boot/compressed/aslr.c
kaslr              i386        3.13.11  3.14     True
low_default        x86_64      4.1.52   4.2      'swiotlb-256M'
needs              x86_64      4.2.8    4.3      'CONFIG_KEXEC_CORE' # "kexec: split kexec_load syscall ..."
low_optional       x86_64      4.3.6    4.4      False
table_buffer       x86_64      4.7.10   4.8      12
kaslr_limit        x86_64      4.7.10   4.8      None     # the physical address may be anywhere from then on
low_from_own_size  x86_64      4.12.14  4.13     False
low_limit          x86_64      5.1.21   5.2      0x100000000
plain_falls_up     x86_64      5.1.21   5.2      True
limit_exclusive    arm64       5.4.300  5.5      False
after_numa         arm64       5.10.21  5.10.22  True     # "arm64: mm: Move reserve_crashkernel() into mem_init()"
after_numa         arm64       5.10.21  5.11     True
cma_first          arm64       5.10.21  5.10.22  True
dma32              arm64       5.10.36  5.10.37  False    # arm64_dma32_phys_limit removed
dma32              arm64       5.10.36  5.11     False
protected          arm64       5.10.21  5.10.22  False    # crashk_res is known after map_mem()
protected          arm64       5.10.46  5.10.47  True     # crash_mem_map
protected          arm64       5.10.46  5.11     True
early_without_dma  arm64       5.10.109 5.10.110 True
early_without_dma  arm64       5.15.32  5.15.33  True
early_without_dma  arm64       5.17.15  5.18     True     # "arm64: Do not defer reserve_crashkernel() ..."
section            arm64       5.11.22  5.12     0x8000000
cma_bottom_up      x86_64      5.11.22  5.12     True
cma_bottom_up      arm64       5.11.22  5.12     True
fixed_checks       arm64       5.14.21  5.15     False
cma_align          x86_64      5.18.19  5.19     0x200000
words              arm64       5.18.19  5.19     'plain-or-high'
total_rounded      x86_64      5.19.17  6.0      True
total_rounded      ppc64       5.19.17  6.0      True
mirror             x86_64      5.19.17  6.0      'kernelcore'
table_buffer       x86_64      6.0.19   6.1      16
plain_falls_up     arm64       6.1.176  6.2      True
low_default        arm64       6.1.176  6.2      '128M'
protected          arm64       6.3.13   6.4      False
early_without_dma  arm64       6.3.13   6.4      False
high_falls_down    arm64       6.4.16   6.5      True
high_start         arm64       6.4.16   6.5      0x100000000
words              x86_64      6.6.100  6.7      'plain-or-high'
fixed_align        x86_64      6.6.100  6.7      0x1000000
page_rounded       arm64       6.6.100  6.7      False
plain_falls_up     riscv64     6.6.100  6.7      True
plain_falls_up     loongarch64 6.7.12   6.8      True
needs              x86_64      6.8.12   6.9      'CONFIG_CRASH_RESERVE'
needs              arm64       6.8.12   6.9      'CONFIG_CRASH_RESERVE'
prefixed           x86_64      6.9.12   6.10     True
size_checked       x86_64      6.11.11  6.12     True
suffixes           x86_64      6.16.12  6.17     (',high',',low',',cma')
asks_cma           x86_64      6.16.12  6.17     True
cma_own_limit      x86_64      6.19.6   7.0      True
sparse_first       arm64       6.19.6   7.0      False
memparse_checked   x86_64      7.1.3    7.2      True
asks_cma           arm64       7.2.13   7.3      True
"""
NODES = """
lost_stops     x86_64 5.10.23 5.10.24 True     # memmap_init(), "mm/page_alloc.c: refactor initialization ..."
lost_stops     x86_64 5.11.6  5.11.7  True
lost_stops     arm64  5.11.6  5.12    True
slack          x86_64 6.6.69  6.6.70  0x10000000000000000
slack          x86_64 6.7.12  6.8     0x10000000000000000
slack          x86_64 6.9.12  6.10    0xfffff
slack          x86_64 6.6.71  6.6.72  0x100000
slack          x86_64 6.12.4  6.12.5  0x100000 # booted: 6.12.107
slack          x86_64 6.12.4  6.13    0x100000
last_counts    arm64  6.11.11 6.12    False
clears_hotplug arm64  6.11.11 6.12    True
slack          arm64  6.11.11 6.12    0x10000000000000000
slack          arm64  6.12.4  6.12.5  0
slack          arm64  6.12.4  6.13    0
"""
# What the same commits did on other architectures, and in other fields.
BESIDE = """
loading     vmcoreinfo_copied        arm64  4.12.14 4.13   True
loading     trace_files_on_demand    arm64  6.5.13  6.6    True
loading     file_load_whole_range    arm64  6.7.12  6.8    True
loading     exclude_stops_at_partial arm64  6.7.12  6.8    False
loading     file_load_kho            arm64  6.15.11 6.16   True
loading     file_load_cma            arm64  6.16.12 6.17   True
zones       low_zones_capped         i386   3.18.140 3.19  True
zones       core_mirror              arm64  4.5.7   4.6    True
zones       core_percent             arm64  4.16.18 4.17   True
zones       mirror_needs_mirror      arm64  6.5.13  6.6    True
zones       mirror_off_in_kdump      arm64  6.6.14  6.6.15 True
zones       mirror_off_in_kdump      arm64  6.7.2   6.7.3  True
zones       mirror_off_in_kdump      arm64  6.7.2   6.8    True
zones       acpi_counts_as_top       i386   6.10.14 6.11   True
zones       movable_base_rounds_up   arm64  6.10.14 6.11   True
nodes       lost_stops               arm64  5.10.23 5.10.24 True
nodes       lost_stops               arm64  5.11.6  5.11.7 True
nodes       lost_stops               x86_64 5.11.6  5.12   True
nodes       slack                    i386   6.6.69  6.6.70 0x10000000000000000
nodes       slack                    i386   6.7.12  6.8    0x10000000000000000
nodes       slack                    i386   6.9.12  6.10   0xfffff
nodes       slack                    i386   6.6.71  6.6.72 0x100000
nodes       slack                    i386   6.12.4  6.12.5 0x100000
nodes       slack                    i386   6.12.4  6.13   0x100000
reservation bottom_up                i386   2.6.36  2.6.37 False
reservation total_is_span            i386   3.3.8   3.4    False
reservation words                    i386   3.8.13  3.9    'plain-then-high'
reservation suffixes                 i386|arm64|riscv64|ppc64|loongarch64 3.8.13 3.9 (',high',',low')
reservation low_default              i386   3.8.13  3.9    'swiotlb-72M'
reservation low_optional             i386   3.8.13  3.9    True
reservation low_from_own_size        i386   3.8.13  3.9    True
reservation after_numa               i386   3.12.74 3.13   True
reservation low_default              i386   4.1.52  4.2    'swiotlb-256M'
reservation needs                    i386|arm64 4.2.8 4.3  'CONFIG_KEXEC_CORE'
reservation low_optional             i386   4.3.6   4.4    False
reservation low_from_own_size        i386   4.12.14 4.13   False
reservation sparse_first             arm64  5.10.21 5.10.22 True
reservation sparse_first             arm64  5.10.21 5.11   True
reservation cma_first                arm64  5.10.21 5.11   True
reservation usage                    arm64  5.11.22 5.12   56     # 64 blocks of 2 MiB: 8 + 32 bytes, and 16
reservation cma_align                arm64  5.18.19 5.19   0x200000
reservation total_rounded            i386|arm64|riscv64|s390x|loongarch64 5.19.17 6.0 True
reservation mirror                   i386   5.19.17 6.0    'kernelcore'
reservation low_needs_room_below     arm64  6.1.176 6.2    True   # 6.2 asks whether CRASH_ADDR_LOW_MAX leaves room
reservation low_needs_room_below     arm64  6.4.16  6.5    False
reservation fallback_start           arm64  6.1.176 6.2    0
reservation fallback_start           arm64  6.4.16  6.5    None
reservation low_start                x86_64|i386 6.6.100 6.7 0    # the generic search begins at 0, no longer at 16 MiB
reservation high_start               x86_64|i386|arm64 6.6.100 6.7 None
reservation fallback_start           x86_64|i386 6.6.100 6.7 None
reservation plain_falls_up           i386   6.6.100 6.7    True
reservation high_falls_down          x86_64|i386 6.6.100 6.7 True
reservation words                    i386   6.6.100 6.7    'plain-or-high'
reservation low_by_word              x86_64|i386 6.6.100 6.7 False
reservation low_limit_is_4g          x86_64|i386 6.6.100 6.7 False
reservation dialect                  x86_64|i386 6.6.100 6.7 'range'
reservation fixed_align              i386   6.6.100 6.7    0x1000000
reservation page_rounded             riscv64 6.6.100 6.7   False
reservation high_start               riscv64 6.6.100 6.7   None
reservation fallback_start           riscv64 6.6.100 6.7   None
reservation high_falls_down          riscv64 6.6.100 6.7   True
reservation words                    riscv64 6.6.100 6.7   'plain-or-high'
reservation low_by_word              riscv64 6.6.100 6.7   False
reservation low_limit_is_4g          riscv64 6.6.100 6.7   False
reservation dialect                  riscv64 6.6.100 6.7   'range'
reservation low_default              riscv64 6.6.100 6.7   '128M'
reservation low_start                loongarch64 6.7.12 6.8 0
reservation high_start               loongarch64 6.7.12 6.8 None
reservation fallback_start           loongarch64 6.7.12 6.8 None
reservation high_falls_down          loongarch64 6.7.12 6.8 True
reservation words                    loongarch64 6.7.12 6.8 'plain-or-high'
reservation low_by_word              loongarch64 6.7.12 6.8 False
reservation low_limit_is_4g          loongarch64 6.7.12 6.8 False
reservation dialect                  loongarch64 6.7.12 6.8 'range'
reservation low_default              loongarch64 6.7.12 6.8 '128M'
reservation needs                    i386   6.8.12  6.9    'CONFIG_CRASH_RESERVE'
reservation prefixed                 i386|arm64|riscv64|ppc64|s390x|loongarch64 6.9.12 6.10 True
reservation size_checked             i386|arm64|riscv64|ppc64|s390x|loongarch64 6.11.11 6.12 True
reservation suffixes                 i386|arm64|riscv64|ppc64|s390x|loongarch64 6.16.12 6.17 (',high',',low',',cma')
reservation asks_cma                 i386   6.16.12 6.17   True
reservation cma_own_limit            arm64  6.19.6  7.0    True
reservation cma_per_node             x86_64|arm64 6.19.6 7.0 True
reservation memparse_checked         i386|arm64|riscv64|ppc64|s390x|loongarch64 7.1.3 7.2 True
"""
# What was so before all of them; only what no test of a prediction would notice at once.
BEFORE = """
loading     gb_leaves                x86_64 False
loading     firmware_tables_mapped   x86_64 False
loading     vmcoreinfo_copied        x86_64 False
loading     linear_map_copied        arm64  False
loading     gb_leaf_only_when_full   x86_64 False
loading     pgd_separate_page        x86_64 False
loading     ident_link_no_pti        x86_64 False
loading     efi_config_mapped        x86_64 False
loading     acpi_map_drops_last_byte x86_64 True
loading     memmap_from_kexec_table  x86_64 False
loading     jump_copies_per_page     x86_64 3
loading     purgatory_bufsz          x86_64 0x5000
loading     exclude_stops_at_partial x86_64 True
loading     file_load_descending     x86_64 False
loading     file_load_whole_range    x86_64 False
loading     file_load_rng_seed       x86_64 False
loading     kernel_min_pref_address  x86_64 False
loading     note_per_possible_cpu    x86_64 False
loading     trace_files_on_demand    x86_64 False
loading     elfcorehdr_hotplug_room  x86_64 False
loading     file_load_kho            x86_64 False
loading     file_load_cma            x86_64 False
zones       arm64_dma                arm64  'none'
zones       core_mirror              x86_64 False
zones       core_percent             x86_64 False
zones       mirror_needs_mirror      x86_64 False
zones       mirror_off_in_kdump      x86_64 False
zones       movable_base_rounds_up   x86_64 False
zones       low_64k_is_ram           x86_64 False
zones       kernel_stays_ram         x86_64 False
zones       low_zones_capped         x86_64 False
zones       acpi_counts_as_top       x86_64 False
reservation kaslr                    x86_64 False
reservation kaslr                    arm64  False
reservation kaslr_limit              x86_64 0x40000000
reservation kaslr_limit              i386   0x20000000
reservation bottom_up                x86_64 True
reservation after_numa               x86_64 False
reservation after_numa               arm64  False
reservation dma32                    arm64  True
reservation section                  arm64  0x40000000
"""
# Sizes of the oldest sources: arch/*/kernel/setup.c, arch/arm64/mm/init.c, arch/riscv/mm/init.c, reserve_crashkernel().
SIZES = """
x86_64|i386       align          16 << 20
x86_64|i386       fixed_align    1 << 20
x86_64|i386       low_start      16 << 20
x86_64|i386       high_start     16 << 20
x86_64|i386       fallback_start 16 << 20
x86_64            low_limit      64 << 40
i386              low_limit      4 << 30
x86_64            high_limit     64 << 40
x86_64|i386       middle_limit   None
x86_64|i386|arm64 cma_align      4 << 20
x86_64|i386       table_buffer   0
x86_64|i386       low_by_word    True
x86_64|i386       low_limit_is_4g True
x86_64|i386       cma_first      True
x86_64|i386|arm64 modelled       True
x86_64|i386       mirror         'always'
x86_64|i386       needs          'CONFIG_KEXEC'
x86_64|i386       dialect        'mb'
x86_64|i386       page_rounded   False
x86_64|i386|arm64 words          'plain'
x86_64|i386|arm64 suffixes       ()
arm64             align          2 << 20
arm64             fixed_align    2 << 20
arm64             low_limit      None
arm64             low_start      0
arm64             high_start     0
arm64             high_limit     1 << 48
arm64             page_rounded   True
arm64             low_limit_is_4g False
arm64             low_by_word    False
arm64             cma_first      False
arm64             fixed_checks   True
arm64             protected      True
arm64             mirror         'kernelcore'
arm64             dialect        'range'
arm64             limit_exclusive True
arm64             usage          64 + 256 + 16 # a bit, and 4 bits, for each of 512 blocks of 2 MiB
arm64             page           4 << 10
arm64             pa_bits        48
riscv64|loongarch64 align        2 << 20
riscv64|loongarch64 fixed_align  2 << 20
riscv64           low_limit      None
riscv64           low_start      0
riscv64           page_rounded   True
loongarch64       low_limit      4 << 30
ppc64             align          4 << 10
ppc64             fixed_align    4 << 10
ppc64|s390x       low_limit      None
s390x             align          1 << 20
s390x             fixed_align    1 << 20
riscv64|loongarch64|ppc64|s390x modelled False
"""
Row = tuple[str, str, str, str, str, str]


def rows() -> list[Row]:
    """Return the rows, each with its record in front."""
    texts = {"loading": LOADING, "zones": ZONES, "nodes": NODES, "kaslr": KASLR, "reservation": RESERVATION}
    found = []
    for record, text in texts.items():
        for line in text.strip().splitlines():
            field, arch, before, first, value = line.split("#")[0].split()
            found.append((record, field, arch, before, first, value))
    for line in (BESIDE.rstrip() + KASLR_BESIDE).strip().splitlines():
        record, field, arches, before, first, value = line.split("#")[0].split()
        found += [(record, field, arch, before, first, value) for arch in arches.split("|")]
    return found


SELECT: dict[str, Callable[[str, KernelVersion], object]] = {
    "loading": lambda arch, version: behaviour_of(version, arch=arch),
    "zones": lambda arch, version: zone_behaviour_of(version, arch=arch),
    "nodes": node_rules,
    "kaslr": kaslr_rules,
    "reservation": crash_rules,
}


def value(record: str, field: str, arch: str, release: str) -> object:
    """Return what a kernel has."""
    return getattr(SELECT[record](arch, Release(release).version), field)


ROWS = rows()
FIELDS = sorted({row[:2] for row in ROWS})


@pytest.mark.parametrize(("record", "field"), FIELDS)
def test_a_change_comes_with_its_release_and_not_before(record: str, field: str) -> None:
    """The last release without has another value, the first one with has the new one."""
    for row in ROWS:
        if row[:2] == (record, field):
            arch, before, first, expected = row[2:]
            assert value(record, field, arch, first) == ast.literal_eval(expected), row
            assert value(record, field, arch, before) != ast.literal_eval(expected), row


def test_values_before_all_changes() -> None:
    """A kernel that is older than all of them."""
    for line in (BEFORE.rstrip() + KASLR_BEFORE).strip().splitlines():
        record, field, arch, expected = line.split()
        assert value(record, field, arch, "2.6.30") == ast.literal_eval(expected), line


ARCHES = sorted({arch for line in SIZES.strip().splitlines() for arch in line.split()[0].split("|")})


@pytest.mark.parametrize("arch", ARCHES)
def test_reservations_of_the_oldest_kernels(arch: str) -> None:
    """Windows, alignments and what else a search begins with."""
    rules = crash_rules(arch, Release("2.6.30").version)
    for line in SIZES.strip().splitlines():
        arches, field, expected = line.partition("#")[0].split(maxsplit=2)
        if arch in arches.split("|"):
            assert getattr(rules, field) == eval(expected, {}), line


@pytest.mark.parametrize("record", RECORDS)
def test_every_date_of_the_tables_is_written_down_here(record: str) -> None:
    """Release, end, backports and reverts of a change each have a row for one of its fields and architectures.

    And so has each field, on each architecture, that the release of the change gives another value than the one before.
    """
    table = RECORDS[record]
    written = {(r[1], r[2], r[4]) for r in ROWS if r[0] == record}
    for change in table.changes:
        dates = [change.since, *change.backports, *change.reverted, *([change.until] if change.until else [])]
        for date in map(release_text, dates):
            arches = change.arches or ("x86_64", "arm64", "s390x")
            assert any((f, a, date) in written for f in change.fields for a in arches), (change.fields, date)
        for arch in change.arches or ("x86_64", "arm64"):
            at = release_text(change.since)
            assert lost_without(change, table, arch) <= {f for f, a, d in written if (a, d) == (arch, at)}, (at, arch)


def lost_without(change: Change, table: Table, arch: str) -> set[str]:
    """Return the fields that a release would have otherwise if the change were not in the table."""
    base = table.bases.get(arch) or table.bases[""]
    at = Release(release_text(change.since)).version
    without = tuple(c for c in table.changes if c is not change)
    now, then = (selected(base, changes, (), arch, at) for changes in (table.changes, without))
    return {f for f in change.fields if getattr(now, f) != getattr(then, f)}
