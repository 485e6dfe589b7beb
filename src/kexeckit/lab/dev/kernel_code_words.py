"""Random command lines with crashkernel= in them: as people write them, and as nobody should."""

from random import Random

from kexeckit.memory.units import GIB, MIB, PAGE_SIZE

__all__ = ["random_total", "random_words"]

_OPTION = "crashkernel="
_UNITS = ("", "K", "M", "G", "T", "P", "E", "k", "m", "g", "t", "p", "e")
_SUFFIXES = (",high", ",low", ",cma")
_NUMBERS = (
    "", "0", "00", "0x", "0X", "08", "0x10000000", "0X1G", "0xfffffffffffff000", "0xffffffffffffffff", "0x1e",
    "1e", "1E", "0400M", "010M", "18446744073709551615", "18446744073709551616", "18446744073709551617",
    "99999999999999999999999", "16E", "15E", "17179869184G", "17592186044415M", "0x10000000000000000", "4096", "1",
    "-1", "-256M", "+256M", "M", "G", "K", "e", "E", " 64M", "64 M", "64MB", "64MiB", "1.5G", "1_0M", "0b1M", "0xg",
    "0xK", "\u0663M", "64\u212a", "64\u00e9",
)  # fmt: skip
_LETTERS = "0123456789xXkKmMgGtTpPeEbaflowhicr@:,-+ \t\n\"'=#.;/\u00e9"
_OTHERS = (
    "quiet", "ro", "root=/dev/vda1", "console=ttyS0,115200", "mem=4G", "-- crashkernel=1M", "a=b,high", "x,low", "high",
    "crashkernel", "Crashkernel=64M", "crashkernel_x=64M", "crashkernel =64M", "cma=64M", '"', '"a b"', ",high", ",low",
)  # fmt: skip


def random_total(random: Random) -> int:
    """Return an amount of RAM, 64 MiB to 16 TiB, whole pages."""
    total = int(64 * MIB * 2 ** random.uniform(0, 18))
    step = random.choice((PAGE_SIZE, MIB, 128 * MIB, GIB))
    return max(total // step * step, 64 * MIB) + random.choice((0, 0, 0, PAGE_SIZE, -PAGE_SIZE))


def random_words(random: Random) -> str:
    """Return a command line with none to four crashkernel= words among others."""
    words = [_word(random) for _ in range(random.choice((0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4)))]
    words += random.choices(_OTHERS, k=random.choice((0, 0, 0, 1, 2)))
    random.shuffle(words)
    line = random.choice((" ", " ", " ", " ", " ", " ", "  ", "\t", "")).join(words)
    while random.random() < 0.15:
        line = _spoilt(random, line)
    return line


def _word(random: Random) -> str:
    before = (
        "" if random.random() < 0.93 else random.choice(("x", "x.", '"', "crashkernel=", "no", ",high", "=", "crash"))
    )
    after = (
        ""
        if random.random() < 0.95
        else random.choice(('"', ",high", ",low", ",cma", ",", "@", ":", ",highx", ",HIGH"))
    )
    return f"{before}{_OPTION}{_value(random)}{after}"


def _value(random: Random) -> str:
    form = random.random()
    if form < 0.3:
        return _size(random)
    if form < 0.42:
        return f"{_size(random)}@{_address(random)}"
    if form < 0.65:
        return _size(random) + random.choice(_SUFFIXES)
    if form < 0.68:
        return random.choice(("auto", "", ",high", ":", "@", "-", "1G-", "1G-:", "-2G:64M", "0-:64M", "512M-2G"))
    entries = [_entry(random) for _ in range(random.choice((1, 1, 2, 3, 5)))]
    return ",".join(entries) + (f"@{_address(random)}" if random.random() < 0.2 else "")


def _entry(random: Random) -> str:
    start, end = sorted((_plain(random, 0, 45), _plain(random, 0, 45)))
    if random.random() < 0.1:
        start, end = end, start
    first = _pick(random, start)
    last = "" if random.random() < 0.3 else _pick(random, end)
    joins = (
        ("-", ":") if random.random() < 0.95 else (random.choice(("", "-", "--", ":")), random.choice(("", ":", "::")))
    )
    return f"{first}{joins[0]}{last}{joins[1]}{_size(random)}"


def _plain(random: Random, low: int, high: int) -> int:
    return int(2 ** random.uniform(low, high))


def _size(random: Random) -> str:
    return _pick(random, _plain(random, 12, 36))


def _address(random: Random) -> str:
    return _pick(random, _plain(random, 20, 46) // MIB * MIB)


def _pick(random: Random, value: int) -> str:
    if random.random() < 0.08:
        return random.choice(_NUMBERS) + random.choice(_UNITS)
    form = random.random()
    if form < 0.7:
        units = [n for n in range(5) if value >> (10 * n)] or [0]
        unit = random.choice(units[-2:])
        return f"{value >> (10 * unit)}{_case(random, 'KMGT'[unit - 1]) if unit else ''}"
    if form < 0.85:
        return f"{value:#x}"
    if form < 0.9:
        return f"0{value:o}"
    return str(value)


def _case(random: Random, unit: str) -> str:
    return unit if random.random() < 0.8 else unit.lower()


def _spoilt(random: Random, line: str) -> str:
    at, letter = random.randrange(len(line) + 1), random.choice(_LETTERS)
    return random.choice(
        (
            line[:at] + letter + line[at:],
            line[:at] + line[at + 1 :],
            line[:at] + letter + line[at + 1 :],
            line[:at],
            line[at:],
        )
    )
