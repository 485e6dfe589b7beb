"""The dates of the image's place, for tests/unit/test_behaviour_dates.py; the form of the rows is explained there.

Sources: the kernel's own files in 4.19, 5.10.223, 6.1.176, 6.12.107 and 7.2.13; Debian's changelog of linux 6.1.
"""

KASLR = """
anywhere                  x86_64 4.18.20 4.19    True     # read in 4.19; 4.8 began with it
anywhere                  arm64  5.9.16  5.10    True
leaves_special            x86_64 5.9.16  5.10    True     # in 5.10, not in 4.19
immovable_only            x86_64 5.9.16  5.10    True
smallest_limit_counts     x86_64 5.9.16  5.10    True
last_gib_counts           x86_64 5.9.16  5.10    True
stub_mirrored_first       x86_64 6.0.19  6.1     True     # in 6.1, not in 5.10
stub_places               x86_64 6.1.80  6.1.81  True     # a1b87d54f4e4
stub_places               x86_64 6.5.13  6.6     True
stub_lowest               x86_64 6.1.80  6.1.81  0x1000000 # 2f77465b05b1
stub_lowest               x86_64 6.7.12  6.8     0x1000000
stub_lowest               arm64  6.1.131 6.1.132 0x10000
stub_lowest               arm64  6.12.106 6.12.107 0x10000
stub_lowest               arm64  7.1.3   7.2     0x10000
stub_pinned_by            x86_64 6.1.92  6.1.93  ('mem','memmap','efi_fake_mem','hugepages') # 15aa8fb852f9
stub_pinned_by            x86_64 6.9.12  6.10    ('mem','memmap','efi_fake_mem','hugepages')
stub_pinned_by            x86_64 6.11.11 6.12    ('mem','memmap','hugepages')
stub_leaves_hot_pluggable x86_64 6.1.175 6.1.176 True
stub_leaves_hot_pluggable x86_64 6.12.106 6.12.107 True
stub_leaves_hot_pluggable x86_64 7.1.3   7.2     True
"""
KASLR_BESIDE = """
kaslr       leaves_special           arm64  5.9.16  5.10   True
kaslr       stub_mirrored_first      arm64  6.0.19  6.1    True
kaslr       stub_leaves_hot_pluggable arm64 6.1.175 6.1.176 True
kaslr       stub_leaves_hot_pluggable arm64 6.12.106 6.12.107 True
kaslr       stub_leaves_hot_pluggable arm64 7.1.3 7.2      True
"""
KASLR_BEFORE = """
kaslr       anywhere                 x86_64 False
kaslr       anywhere                 arm64  False
kaslr       unpacks_itself           x86_64 True
kaslr       unpacks_itself           arm64  False
kaslr       stub_places              x86_64 False
kaslr       stub_places              arm64  True
kaslr       stub_lowest              x86_64 0
kaslr       stub_lowest              arm64  0
kaslr       stub_step                x86_64 0x200000
kaslr       stub_step                arm64  0x10000
kaslr       stub_pinned_by           arm64  ()
kaslr       immovable_only           arm64  False
"""
