"""Parameter files of HiTT scans (EMBL, beamline P14): lines of ``KEY = value``.

Read are the keys of HiTT, ``ENERGY`` keV, ``PIXELSIZE`` um, ``DISTANCES`` m, ``FLATAVG``, ``ROI``
left, top, width, height, ``BETADELTA``, ``ZEROCOMP``, ``PADDING`` px, ``ROTATION-AXIS-GUESS`` px,
``OFFSET-Y-360`` px, ``PREFIX`` and ``PREFIX-FF`` (one for each distance), and as extensions
``PREFIX-DARK``, ``ANGLE-START``, ``ANGLE-STEP``, ``ANGLE-RANGE`` (degrees) and ``FOLDER``, relative
to the file's own. Case, blanks around ``=``, commas at the end of a list and ``#`` comments do not
matter. All faults of a file are reported together. Other keys are passed over with a warning, but
one that resembles a key which the file lacks is a fault: it is taken for misspelt.
"""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from pathlib import Path

from tomoline.errors import ErrorKind, Faults, Notice, TomolineError, scan
from tomoline.files._text import read_lines

KEYS = (
    "ENERGY", "PIXELSIZE", "DISTANCES", "FLATAVG", "ROI", "BETADELTA", "ZEROCOMP", "PADDING",
    "ROTATION-AXIS-GUESS", "OFFSET-Y-360", "PREFIX", "PREFIX-FF", "PREFIX-DARK", "ANGLE-START",
    "ANGLE-STEP", "ANGLE-RANGE", "FOLDER",
)  # fmt: skip
# Share of letters in common, above which a key is taken for a misspelt one.
_ALIKE = 0.7
_MOST_KEV, _LEAST_UM, _MOST_UM, _MOST_M, _MOST_BETA_OVER_DELTA = 1000.0, 1e-3, 100.0, 10.0, 5.0


@dataclass(frozen=True)
class HittParameters:
    """What a parameter file says; None, or empty, where it does not.

    The units are in the names; `region` is (left, top, width, height) in pixels.
    """

    prefixes: tuple[str, ...]
    flat_prefixes: tuple[str, ...] = ()
    dark_prefixes: tuple[str, ...] = ()
    folder: str = ""
    energy_kev: float | None = None
    pixel_size_um: float | None = None
    distances_m: tuple[float, ...] = ()
    flat_average: int | None = None
    region: tuple[int, int, int, int] | None = None
    beta_over_delta: float | None = None
    zero_compensation: float | None = None
    padding_px: int | None = None
    rotation_axis_px: float | None = None
    offset_y_360_px: float | None = None
    first_angle_deg: float | None = None
    step_deg: float | None = None
    range_deg: float | None = None
    notices: tuple[Notice, ...] = ()
    """Of keys that were passed over."""


def read(path: Path) -> HittParameters:
    """Read a parameter file.

    Raises
    ------
    Faults
        Everything that is wrong with it: SCAN-02 misspelt key, SCAN-03 bad value, SCAN-04 value in
        another unit, SCAN-05 lists of different lengths, SCAN-06 key given twice, SCAN-07 key
        missing, SCAN-20 line that is none.
    TomolineError
        FILE-01, FILE-02, FILE-06, FILE-10 if it is no text file that can be read.
    """
    return _Parser(Path(path)).parse()


def looks_like(path: Path) -> bool:
    """Whether a text file has the keys of a parameter file, whatever it is called."""
    try:
        keys = _keys_of(path)
    except TomolineError:
        return False
    return "PREFIX" in keys and len(keys) >= 2


def has_keys(path: Path) -> bool:
    """Whether a text file has any key of a parameter file.

    Raises
    ------
    TomolineError
        FILE-.. if it cannot be read, or is no text.
    """
    return bool(_keys_of(path))


def _keys_of(path: Path) -> set[str]:
    lines = read_lines(path, latin1=True)
    return {_normal(line.split("=", 1)[0]) for line in lines if "=" in line} & set(KEYS)


def _normal(key: str) -> str:
    return key.strip().upper().replace("_", "-")


class _Parser:
    """Collects the faults of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._faults: list[TomolineError] = []
        self._entries: dict[str, tuple[int, str]] = {}
        self._unknown: list[tuple[int, str]] = []
        self._notices: list[Notice] = []

    def parse(self) -> HittParameters:
        self._read_entries()
        self._judge_unknown()
        found = self._parameters()
        if "PREFIX" not in self._entries:
            self._complain(scan.MISSING_KEY, "PREFIX is missing.", line=None)
        self._check_lengths(found)
        if self._faults:
            raise Faults(self._faults)
        return found

    def _complain(
        self, kind: ErrorKind, found: str, remedy: str | None = None, *, line: int | None
    ) -> None:
        where = f"{self._path}, line {line}" if line else str(self._path)
        self._faults.append(kind.error(where, found, remedy))

    def _read_entries(self) -> None:
        for number, text in enumerate(read_lines(self._path), start=1):
            line = text.split("#", 1)[0].strip()
            if not line:
                continue
            if "=" not in line:
                self._complain(scan.NOT_A_LINE, f"{line[:40]!r} has no '='.", line=number)
                continue
            key, value = line.split("=", 1)
            name = _normal(key)
            if name not in KEYS:
                self._unknown.append((number, key.strip()[:40]))
            elif name in self._entries:
                first = self._entries[name][0]
                self._complain(
                    scan.REPEATED_KEY, f"{name} stands in line {first} already.", line=number
                )
            elif not value.strip(" \t,"):
                self._complain(
                    scan.BAD_VALUE,
                    f"{name} has no value.",
                    "Give it one, or remove the line.",
                    line=number,
                )
                self._entries[name] = (number, "")
            else:
                self._entries[name] = (number, value.strip())

    def _judge_unknown(self) -> None:
        """Tell misspelt keys from those that another program reads."""
        missing = [key for key in KEYS if key not in self._entries]
        for number, key in self._unknown:
            near = difflib.get_close_matches(_normal(key), missing, n=1, cutoff=_ALIKE)
            if near:
                self._complain(
                    scan.UNKNOWN_KEY,
                    f"{key!r} is no key.",
                    f"Did you mean {near[0]}? {scan.UNKNOWN_KEY.remedy}",
                    line=number,
                )
            else:
                where = f"{self._path}, line {number}"
                self._notices.append(scan.KEY_PASSED_OVER.notice(where, f"{key!r} is not used."))

    def _parameters(self) -> HittParameters:
        energy = self._number("ENERGY", above=0)
        if energy is not None and energy > _MOST_KEV:
            self._unit("ENERGY", energy, "eV", f"{energy / 1e3:.10g}")
        pixel = self._number("PIXELSIZE", above=0)
        if pixel is not None and pixel < _LEAST_UM:
            self._unit("PIXELSIZE", pixel, "metres", f"{pixel * 1e6:.6g}")
        if pixel is not None and pixel > _MOST_UM:
            self._unit("PIXELSIZE", pixel, "nanometres", f"{pixel / 1e3:.6g}")
        distances = self._numbers("DISTANCES", least=0)
        if any(distance > _MOST_M for distance in distances):
            converted = ", ".join(f"{distance / 1e3:.6g}" for distance in distances)
            self._unit("DISTANCES", max(distances), "millimetres", converted)
        ratio = self._number("BETADELTA", least=0)
        if ratio is not None and ratio > _MOST_BETA_OVER_DELTA:
            self._unit("BETADELTA", ratio, "delta over beta", f"{1 / ratio:.6g}")
        return HittParameters(
            prefixes=self._words("PREFIX"),
            flat_prefixes=self._words("PREFIX-FF"),
            dark_prefixes=self._words("PREFIX-DARK"),
            folder=self._entries.get("FOLDER", (0, ""))[1],
            energy_kev=energy,
            pixel_size_um=pixel,
            distances_m=distances,
            flat_average=self._integer("FLATAVG", least=1),
            region=self._region(),
            beta_over_delta=ratio,
            zero_compensation=self._number("ZEROCOMP", least=0),
            padding_px=self._integer("PADDING", least=0),
            rotation_axis_px=self._number("ROTATION-AXIS-GUESS"),
            offset_y_360_px=self._number("OFFSET-Y-360"),
            first_angle_deg=self._number("ANGLE-START"),
            step_deg=self._not_zero("ANGLE-STEP"),
            range_deg=self._not_zero("ANGLE-RANGE"),
            notices=tuple(self._notices),
        )

    def _unit(self, key: str, value: float, unit: str, converted: str) -> None:
        self._complain(
            scan.WRONG_UNIT,
            f"{key} = {value:g} looks like {unit}.",
            f"Write {key} = {converted}.",
            line=self._entries[key][0],
        )

    def _words(self, key: str) -> tuple[str, ...]:
        if key not in self._entries:
            return ()
        line, text = self._entries[key]
        words = tuple(word.strip() for word in text.rstrip(", \t").split(","))
        if "" in words and text:
            self._complain(scan.BAD_VALUE, f"{key} has an empty entry.", line=line)
        return words if text else ()

    def _numbers(
        self, key: str, least: float | None = None, above: float | None = None
    ) -> tuple[float, ...]:
        if key not in self._entries:
            return ()
        line, text = self._entries[key]
        values = []
        for word in re.split(r"[,;\s]+", text.strip(" \t,;")) if text else []:
            try:
                value = float(word)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                self._complain(
                    scan.BAD_VALUE, f"{key} has {word[:40]!r} where a number belongs.", line=line
                )
                continue
            if (least is not None and value < least) or (above is not None and value <= above):
                bound = f"not below {least:g}" if least is not None else f"above {above:g}"
                self._complain(
                    scan.BAD_VALUE, f"{key} = {value:g}, but it must be {bound}.", line=line
                )
                continue
            values.append(value)
        return tuple(values)

    def _number(
        self, key: str, least: float | None = None, above: float | None = None
    ) -> float | None:
        before = len(self._faults)
        values = self._numbers(key, least, above)
        if len(values) > 1:
            line, text = self._entries[key]
            remedy = (
                f"Write the decimal sign as a point: {text.replace(',', '.')}."
                if re.fullmatch(r"\d+,\d+", text)
                else "Give one number."
            )
            self._complain(
                scan.BAD_VALUE, f"{key} has {len(values)} numbers, {text!r}.", remedy, line=line
            )
        return values[0] if values and len(self._faults) == before else None

    def _integer(self, key: str, least: int) -> int | None:
        value = self._number(key, least=least)
        if value is not None and value != round(value):
            line = self._entries[key][0]
            self._complain(
                scan.BAD_VALUE, f"{key} = {value:g}, but it must be a whole number.", line=line
            )
        return None if value is None else round(value)

    def _not_zero(self, key: str) -> float | None:
        value = self._number(key)
        if value == 0:
            line = self._entries[key][0]
            self._complain(scan.BAD_VALUE, f"{key} may not be 0.", line=line)
        return value

    def _region(self) -> tuple[int, int, int, int] | None:
        values = self._numbers("ROI", least=0)
        if "ROI" not in self._entries:
            return None
        line, text = self._entries["ROI"]
        whole = [round(value) for value in values]
        if len(values) != 4 or list(values) != whole or 0 in whole[2:]:
            self._complain(
                scan.BAD_VALUE,
                f"ROI = {text}, but it must be four whole numbers: left, top, width, height.",
                line=line,
            )
            return None
        return whole[0], whole[1], whole[2], whole[3]

    def _check_lengths(self, found: HittParameters) -> None:
        count = len(found.prefixes)
        if not count:
            return
        if "DISTANCES" not in self._entries and count > 1:
            self._complain(
                scan.MISSING_KEY,
                f"DISTANCES is missing, but PREFIX has {count} entries.",
                line=None,
            )
        lists = (
            ("DISTANCES", len(found.distances_m)),
            ("PREFIX-FF", len(found.flat_prefixes)),
            ("PREFIX-DARK", len(found.dark_prefixes)),
        )
        for key, length in lists:
            if key in self._entries and length != count and length:
                self._complain(
                    scan.LISTS_DIFFER,
                    f"{key} has {length} entries, PREFIX has {count}.",
                    line=self._entries[key][0],
                )
        if len(set(found.prefixes)) < count:
            self._complain(
                scan.BAD_VALUE,
                "PREFIX has the same entry twice.",
                "Give each distance its own prefix.",
                line=self._entries["PREFIX"][0],
            )
