"""Metadata of a recording (.mdoc), as SerialEM and Thermo Fisher's Tomography 5 write them.

Global ``key = value`` lines, titles ``[T = ...]``, then a section ``[ZValue = n]`` per view (or
``[FrameSet = n]`` in the file of a single tilt's frames, ``[MontSection = n]`` for montages).
Source: SerialEM's help page "File Formats"
(https://bio3d.colorado.edu/SerialEM/hlp/html/about_formats.htm).

Two numbers tell the tilt axis. The title's "Tilt axis angle" is counted as in IMOD. SerialEM's
``RotationAngle`` is that of the camera against the stage's x axis: the tilt axis angle plus 90
degrees. `tilt_axis_deg` prefers the title; whether to believe it is for the set-up to decide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tomoline.errors import Notice, files
from tomoline.files import adoc
from tomoline.files._mdoc_views import MdocView, parse_date, view_of, with_order
from tomoline.files._mrc_header import tilt_axis_of

__all__ = ["Found", "Mdoc", "MdocSection", "MdocView", "find_for", "read", "tilt_axis_deg", "views"]

_VIEW_KINDS = ("ZValue", "FrameSet")
_KINDS = (*_VIEW_KINDS, "MontSection", "Image")
_A_PER_NM = 10.0


@dataclass(frozen=True)
class MdocSection:
    """A section: kind ("ZValue", "FrameSet", "MontSection"), name, line, and its values as text."""

    kind: str
    name: str
    line: int
    values: Mapping[str, str]


@dataclass(frozen=True)
class Mdoc:
    """What an mdoc file holds.

    Attributes
    ----------
    path : Path
        The file.
    values : mapping of str
        Global values, as text.
    titles : tuple of str
        The ``T`` entries.
    sections : tuple of MdocSection
        In the order of the file; of a repeated one only the last.
    notices : tuple of Notice
        What was wrong with the file but did not keep it from being read.
    """

    path: Path
    values: Mapping[str, str]
    titles: tuple[str, ...]
    sections: tuple[MdocSection, ...]
    notices: tuple[Notice, ...] = field(default=())

    @property
    def pixel_size_nm(self) -> float | None:
        """Pixel size of the recorded images, from the global values or the first view."""
        for values in (self.values, *(section.values for section in self.sections[:1])):
            try:
                size = float(values.get("PixelSpacing", "nan")) / _A_PER_NM
            except ValueError:
                continue
            if size > 0:
                return float(f"{size:.7g}")
        return None

    @property
    def is_montage(self) -> bool:
        """Whether the file describes a montage."""
        return self.values.get("Montage") == "1" or any(
            section.kind == "MontSection" for section in self.sections
        )


@dataclass(frozen=True)
class Found:
    """The mdoc that belongs to a stack, and what is to be said of the choice."""

    path: Path
    notices: tuple[Notice, ...] = ()


def read(path: Path) -> Mdoc:
    """Read an mdoc file, whole or cut short, with any line ends, UTF-8 or Latin-1.

    Raises
    ------
    TomolineError
        FILE-04 if it has no section that an mdoc has; FILE-06 if it is not text; FILE-01,
        FILE-02, FILE-10.
    """
    path = Path(path)
    document = adoc.read(path, latin1=True)
    notices: list[Notice] = []
    titles = [entry.value for entry in document.entries if entry.key == "T"]
    globals_ = [entry for entry in document.entries if entry.key != "T"]
    sections: dict[tuple[str, str], MdocSection] = {}
    for part in document.sections:
        if part.kind == "T":
            titles.append(part.name)
            # What follows a title still is global: Tomography 5 puts values there.
            globals_ += part.entries
        elif part.kind in _KINDS:
            where = f"section [{part.kind} = {part.name}]"
            section = MdocSection(
                part.kind, part.name, part.line, _values(part.entries, path, where, notices)
            )
            if sections.pop((part.kind, part.name), None) is not None:
                found = f"The {where} stands there twice."
                notices.append(files.METADATA_REPEATED.notice(where=path, found=found))
            sections[part.kind, part.name] = section
    if not sections:
        raise files.NOT_THIS_FORMAT.error(
            where=path, found="It has no [ZValue = ...], [FrameSet = ...] or other mdoc section."
        )
    if cut := _cut_short(document, list(sections.values())):
        notices.append(files.METADATA_CUT_SHORT.notice(where=path, found=cut))
    values = _values(globals_, path, "global part", notices)
    return Mdoc(path, values, tuple(titles), tuple(sections.values()), tuple(notices))


def views(mdoc: Mdoc) -> tuple[MdocView, ...]:
    """Return the views that an mdoc describes, in the order of the file.

    A view without a readable ``TiltAngle`` is left out; `Mdoc.notices` tells of a cut file.
    Doses that the file does not have are None, except that prior doses are summed up from the
    exposure doses in the order of acquisition, where all views have both dose and time.
    """
    found = []
    for position, section in enumerate(s for s in mdoc.sections if s.kind in _VIEW_KINDS):
        if view := view_of(section.kind, section.name, position, section.values):
            found.append(view)
    return with_order(found)


def tilt_axis_deg(mdoc: Mdoc) -> float | None:
    """Return the tilt axis angle in IMOD's convention, degrees, or None.

    From the title, then a ``TiltAxisAngle``, then ``RotationAngle`` less 90 degrees.
    """
    from_title = tilt_axis_of(mdoc.titles)
    if from_title is not None:
        return from_title
    sources = [mdoc.values, *(section.values for section in mdoc.sections[:1])]
    for key, offset in (("TiltAxisAngle", 0.0), ("RotationAngle", -90.0)):
        for values in sources:
            try:
                angle = float(values.get(key, "nan")) + offset
            except ValueError:
                continue
            if math.isfinite(angle):
                return round((angle + 180) % 360 - 180, 6)
    return None


def find_for(stack: Path) -> Found | None:
    """Find the mdoc of a stack: ``root.st.mdoc``, ``root.mrc.mdoc``, ``root.mdoc``.

    Where an ``_override.mdoc`` stands beside one of them, as Tomography 5 writes it when a tilt
    series was corrected, it replaces the original, and a notice says so.
    """
    stack = Path(stack)
    names = dict.fromkeys([stack.name, f"{stack.stem}.st", f"{stack.stem}.mrc", stack.stem])
    for name in names:
        original = stack.with_name(f"{name}.mdoc")
        override = stack.with_name(f"{name}_override.mdoc")
        if override.is_file():
            if not original.is_file():
                return Found(override)
            notice = files.METADATA_OVERRIDDEN.notice(
                where=override, found=f"It is used instead of {original.name}."
            )
            return Found(override, (notice,))
        if original.is_file():
            return Found(original)
    return None


def _values(
    entries: list[adoc.Entry] | tuple[adoc.Entry, ...],
    path: Path,
    where: str,
    notices: list[Notice],
) -> dict[str, str]:
    values: dict[str, str] = {}
    for entry in entries:
        if values.get(entry.key, entry.value) != entry.value:
            found = f"{entry.key} stands twice in the {where}, again in line {entry.line}."
            notices.append(files.METADATA_REPEATED.notice(where=path, found=found))
        values[entry.key] = entry.value
    return values


def _cut_short(document: adoc.Adoc, sections: list[MdocSection]) -> str | None:
    """Say how the file ends early, if it does."""
    last = sections[-1]
    if document.ignored and document.ignored[-1][0] > last.line:
        line, text = document.ignored[-1]
        if not any(entry.line > line for part in document.sections for entry in part.entries):
            return f"It ends in the middle of line {line} ({text[:40]!r})."
    time = last.values.get("DateTime")
    if time is not None and parse_date(time) is None:
        return f"Its last section, [{last.kind} = {last.name}], ends in the middle of a time."
    alike = [section for section in sections[:-1] if section.kind == last.kind]
    if not alike:
        return None
    usual = set.intersection(*(set(section.values) for section in alike))
    missing = sorted(usual - set(last.values))
    if missing:
        return (
            f"The last section, [{last.kind} = {last.name}], lacks {len(missing)} values that all "
            f"others have, such as {missing[0]}."
        )
    return None
