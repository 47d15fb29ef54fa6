"""The views of an mdoc: angles, doses, times, files of frames."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate
from pathlib import PureWindowsPath

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(
    r"(?P<a>\d{1,4})-(?P<month>[A-Za-z]{3}|\d{1,2})-(?P<b>\d{1,4})[\sT]+"
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)"
)


@dataclass(frozen=True)
class MdocView:
    """What an mdoc tells of one view.

    Attributes
    ----------
    index : int
        Section of the stack, from 0.
    tilt_deg : float
        Tilt angle as the stage reported it.
    exposure_dose_e_per_a2, prior_dose_e_per_a2 : float or None
        Dose of this view, and what the specimen had before.
    acquired : datetime or None
        When it was recorded.
    order : int or None
        Place in the order of acquisition, from 0; None unless all views tell their time.
    defocus_um, target_defocus_um : float or None
        As recorded; negative is underfocus.
    sub_frame_path : str or None
        File of the movie frames, as written, blanks and backslashes included.
    values : mapping of str
        All values of the section, as text.
    """

    index: int
    tilt_deg: float
    exposure_dose_e_per_a2: float | None = None
    prior_dose_e_per_a2: float | None = None
    acquired: datetime | None = None
    order: int | None = None
    defocus_um: float | None = None
    target_defocus_um: float | None = None
    sub_frame_path: str | None = None
    values: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def sub_frame_name(self) -> str | None:
        r"""Name of the file of frames, without the folders of the microscope's computer.

        >>> MdocView(0, 0.0, sub_frame_path=r"D:\My data\TS 1_000.mrc").sub_frame_name
        'TS 1_000.mrc'
        """
        return PureWindowsPath(self.sub_frame_path).name if self.sub_frame_path else None


def view_of(kind: str, name: str, position: int, values: Mapping[str, str]) -> MdocView | None:
    """Return the view of one section, or None without a readable tilt angle."""
    tilt = number(values, "TiltAngle")
    if tilt is None:
        return None
    # ZValue counts sections of the stack; files of single tilts all call theirs FrameSet 0.
    index = int(name) if kind == "ZValue" and name.isdigit() else position
    dose, prior = number(values, "ExposureDose"), number(values, "PriorRecordDose")
    return MdocView(
        index=index,
        tilt_deg=tilt,
        # SerialEM writes 0 where its dose rate was not calibrated.
        exposure_dose_e_per_a2=dose if dose is not None and dose > 0 else None,
        prior_dose_e_per_a2=prior if prior is not None and prior >= 0 else None,
        acquired=parse_date(values.get("DateTime", "")),
        defocus_um=number(values, "Defocus"),
        target_defocus_um=number(values, "TargetDefocus"),
        sub_frame_path=values.get("SubFramePath") or None,
        values=values,
    )


def with_order(found: Sequence[MdocView]) -> tuple[MdocView, ...]:
    """Return the views with their order of acquisition, and prior doses where they can be known."""
    if not found or any(view.acquired is None for view in found):
        return tuple(found)
    # Views of the same second keep the order of the file.
    by_time = sorted(range(len(found)), key=lambda i: (found[i].acquired, i))
    rank = {i: place for place, i in enumerate(by_time)}
    ordered = [replace(view, order=rank[i]) for i, view in enumerate(found)]
    doses = [found[i].exposure_dose_e_per_a2 for i in by_time]
    known = [dose for dose in doses if dose is not None]
    recorded = any(view.prior_dose_e_per_a2 for view in found)
    # The file of a single tilt does not tell what came before it.
    if recorded or len(known) < len(doses) or len(found) == 1:
        return tuple(ordered)
    before = list(accumulate(known, initial=0.0))
    return tuple(
        replace(view, prior_dose_e_per_a2=before[rank[i]]) for i, view in enumerate(ordered)
    )


def number(values: Mapping[str, str], key: str) -> float | None:
    """Return the first number of a value, None if there is none that is finite."""
    fields = values.get(key, "").split()
    try:
        value = float(fields[0]) if fields else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_date(text: str) -> datetime | None:
    """Return the time of a section, in any of the ways that SerialEM and Tomography 5 write it.

    >>> parse_date("08-Oct-21  07:39:08")
    datetime.datetime(2021, 10, 8, 7, 39, 8)
    >>> parse_date("2023-Feb-01 10:11:12")
    datetime.datetime(2023, 2, 1, 10, 11, 12)
    """
    match = _DATE.search(text)
    if match is None:
        return None
    month = match["month"].lower()
    if not month.isdigit() and month not in _MONTHS:
        return None
    month_number = int(month) if month.isdigit() else _MONTHS.index(month) + 1
    year, day = (match["a"], match["b"]) if len(match["a"]) == 4 else (match["b"], match["a"])
    full_year = int(year) + (2000 if len(year) == 2 else 0)
    clock = (int(match["hour"]), int(match["minute"]), int(match["second"]))
    try:
        return datetime(full_year, month_number, int(day), *clock)
    except ValueError:
        return None
