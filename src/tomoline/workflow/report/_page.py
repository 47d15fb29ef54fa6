"""Putting a report together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from tomoline.errors import TomolineError
from tomoline.files.atomic import write_text
from tomoline.workflow.report import _alignment, _overview, _position, _run, _tomogram
from tomoline.workflow.report._source import Source

Section = Callable[[Source], str]


def _preparation(source: Source) -> str:
    return _overview.views_left_out(source) + _overview.x_rays(source)


SECTIONS: tuple[tuple[str, Section], ...] = (
    ("Warnings and errors", _overview.notices),
    ("Tomogram", _tomogram.tomogram),
    ("Alignment", _alignment.alignment),
    ("Position of the specimen", _position.position),
    ("Preparation of the views", _preparation),
    ("Time and memory", _run.timings),
    ("Parameters that differ from their defaults", _run.parameters),
    ("Files", _run.files),
)
"""The parts of a report, in order; a part that returns "" is left out."""


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
    parts = [_guarded(_overview.head, source), _guarded(_overview.cards, source)]
    for title, section in SECTIONS:
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
