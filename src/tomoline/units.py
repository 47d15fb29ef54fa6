"""The units that parameter and value names may end in, and how they are written.

A quantity's name ends in its unit (``pixel_size_nm``); this table says what a suffix means.
A declared parameter's unit must be the one its name ends in, which a test checks.
"""

UNIT_OF_SUFFIX: dict[str, str] = {
    "nm": "nm",
    "um": "µm",
    "mm": "mm",
    "m": "m",
    "px": "pixels",
    "deg": "degrees",
    "kv": "kV",
    "kev": "keV",
    "s": "s",
    "bytes": "bytes",
    "e_per_a2": "e/Å²",
    "sd": "standard deviations",
    "per_px": "cycles/pixel",
    "percent": "%",
    "views": "views",
    "angles": "angles",
    "frames": "frames",
    "slices": "slices",
    "counts": "counts",
}

_HC_KEV_M = 1.239841984e-9  # Planck's constant times the speed of light, exact in the 2019 SI


def wavelength_m(energy_kev: float) -> float:
    """Return the wavelength of photons of an energy.

    >>> round(wavelength_m(18.0) * 1e12, 3)
    68.88
    """
    return _HC_KEV_M / energy_kev


def unit_of_name(name: str) -> str | None:
    """Return the unit that `name` ends in, or None for a dimensionless quantity.

    The longest matching suffix wins.

    >>> unit_of_name("pixel_size_nm")
    'nm'
    >>> unit_of_name("prior_dose_e_per_a2")
    'e/Å²'
    >>> unit_of_name("iterations") is None
    True
    """
    matches = [suffix for suffix in UNIT_OF_SUFFIX if name.endswith("_" + suffix)]
    return UNIT_OF_SUFFIX[max(matches, key=len)] if matches else None


_BYTE_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_bytes(text: str) -> int:
    """Return the number of bytes that a text like ``8G``, ``512M`` or ``1.5GiB`` means.

    Factors are powers of 1024.

    Raises
    ------
    ValueError
        If the text is no positive number with an optional K, M, G or T.

    >>> parse_bytes("8G") == 8 * 1024**3
    True
    """
    stripped = text.strip().upper().removesuffix("IB").removesuffix("B")
    factor = _BYTE_FACTORS.get(stripped[-1:], None) if stripped[-1:].isalpha() else 1
    number = stripped[:-1] if stripped[-1:].isalpha() else stripped
    if factor is None:
        raise ValueError(f"{text!r} is not an amount of memory; write it as 8G or 512M")
    value = float(number) * factor
    if not value > 0:
        raise ValueError(f"{text!r} is not a positive amount of memory")
    return int(value)


def format_bytes(count: float) -> str:
    """Write a number of bytes for a reader.

    >>> format_bytes(3 * 1024**3)
    '3.0 GiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
