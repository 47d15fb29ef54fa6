"""Putting a report together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from tomoline.errors import TomolineError
from tomoline.files.atomic import write_text
from tomoline.workflow.report import (
    _alignment,
    _overview,
    _position,
    _run,
    _scan_axis,
    _scan_frames,
    _scan_overview,
    _scan_slices,
    _tomogram,
)
from tomoline.workflow.report._source import Source

Section = Callable[[Source], str]


def _preparation(source: Source) -> str:
    return _overview.views_left_out(source) + _overview.x_rays(source)


@dataclass(frozen=True)
class Contents:
    """What the report of a recipe has: figures at the top, and parts with their titles, in order.

    What returns "" is left out.
    """

    cards: tuple[Section, ...]
    parts: tuple[tuple[str, Section], ...]


_FIRST = (("Warnings and errors", _overview.notices),)
_LAST = (
    ("Time and memory", _run.timings),
    ("Parameters that differ from their defaults", _run.parameters),
    ("Files", _run.files),
)

CONTENTS: dict[str, Contents] = {
    "tilt": Contents(
        _overview.CARDS,
        (
            *_FIRST,
            ("Tomogram", _tomogram.tomogram),
            ("Alignment", _alignment.alignment),
            ("Position of the specimen", _position.position),
            ("Preparation of the views", _preparation),
            *_LAST,
        ),
    ),
    "scan": Contents(
        _scan_overview.CARDS,
        (
            *_FIRST,
            ("Slices", _scan_slices.slices),
            ("Rotation axis", _scan_axis.axis),
            ("Shifts between the distances", _scan_frames.shifts),
            ("Flats", _scan_frames.flats),
            ("Projections that take no part", _scan_frames.left_out),
            *_LAST,
        ),
    ),
}
"""Contents of the report by recipe; an unknown one gets those of a tilt series."""


def write_report(folder: Path, root: str, record: Mapping[str, Any]) -> Path:
    """Write ``ROOT_report.html`` and the central slices as PNG files.

    The page stands alone: pictures and curves are inside it, and it asks nothing of a network.
    Whatever the data set does not have yet is left out.

    Parameters
    ----------
    folder : Path
        Folder of the data set.
    root : str
        Its root name.
    record : mapping
        The content of its record (``ROOT.tomoline.json``).

    Returns
    -------
    Path
        The report's path.

    Raises
    ------
    TomolineError
        FILE-08 or FILE-09 if the folder cannot be written.
    """
    source = Source(folder, root, record)
    try:
        _tomogram.write_slices(source)
    except TomolineError:
        raise
    except Exception:  # a damaged tomogram; the page's own part says why
        pass
    path = folder / f"{root}_report.html"
    write_text(path, page(source))
    return path


def page(source: Source) -> str:
    """Return the whole page."""
    contents = CONTENTS.get(str(source.record.get("recipe")), CONTENTS["tilt"])
    parts = [
        _guarded(_overview.head, source),
        _guarded(lambda known: _overview.cards(known, contents.cards), source),
    ]
    for title, section in contents.parts:
        content = _guarded(section, source)
        if content:
            parts.append(f"<h2>{escape(title)}</h2>{content}")
    style = package_files("tomoline.workflow.report").joinpath("style.css").read_text("utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width"/>'
        f"<title>{escape(source.root)}: tomoline report</title><style>{style}</style></head>\n"
        "<body>" + "\n".join(parts) + "</body></html>\n"
    )


def _guarded(section: Section, source: Source) -> str:
    """Return a part of the page, or a note in its place: a report never ends a run.

    What a part draws may be missing, from another version or damaged in ways that only drawing
    shows, and the rest of the page is worth having all the same.
    """
    try:
        return section(source)
    except Exception as error:
        reason = escape(f"{type(error).__name__}: {error}")
        return f'<div class="note">This part could not be drawn ({reason}).</div>'
