"""What a volume's file tells of its origin: recording, processing, program.

How each step was set and what it found stands in the data set's record, as JSON; this is the only
step that looks there, since a volume that leaves the folder shall tell it too.
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any

import tomoline
from tomoline.steps._base import StepContext
from tomoline.steps.scan_layout import ScanLayout

_PARTS = ("retrieval", "rotation_axis", "stitching", "reconstruction")
_LONGEST = 64
GEOMETRY = (
    "axes (z, y, x); z along the rows of the detector; the rotation axis is at the centre "
    "(n - 1) / 2 of each slice; the first projection is along +y"
)


def describe(context: StepContext, layout: ScanLayout) -> dict[str, Any]:
    """Return the recording and the processing of a scan, JSON-ready.

    Files are told by their names alone: a folder means nothing on another machine. Long lists,
    such as a value for each angle, are left to the files of the data set.
    """
    angles = layout.angles_deg
    return {
        "tomoline": tomoline.__version__,
        "root": layout.root,
        "source": context.source.name,
        "source_format": layout.source_format,
        "energy_kev": layout.energy_kev,
        "detector_pixel_um": layout.pixel_size_um,
        "distances_m": list(layout.distances_m),
        "source_distance_m": layout.source_distance_m,
        "angles": len(angles),
        "angle_range_deg": [min(angles), max(angles)] if angles else None,
        "angles_left_out": len(layout.excluded),
        "geometry": GEOMETRY,
        **{name: found for name in _PARTS if (found := _content(context, name))},
        "steps": _steps(context),
    }


def _steps(context: StepContext) -> dict[str, Any]:
    """Return parameters and values of the steps that have finished, by name.

    Not when and how fast: the same scan gives the same bytes.
    """
    path = context.folder / f"{context.root}.tomoline.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {
            step["name"]: {
                "parameters": _portable(step["parameters"]),
                "values": _portable(step["values"]),
            }
            for step in record["steps"]
            if step["state"] == "finished" and step["name"] != "output"
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _content(context: StepContext, artifact: str) -> Any:
    if not context.has(artifact):
        return None
    return _portable(json.loads(context.input(artifact).read_text(encoding="utf-8")))


def _portable(value: Any) -> Any:
    """Return plain data without long lists and without folders of this machine.

    >>> _portable({"file": "/data/a/b.h5", "gains": [0.5] * 1000, "n": 3})
    {'file': 'b.h5', 'n': 3}
    """
    if isinstance(value, dict):
        kept = {key: _portable(item) for key, item in value.items() if not _long(item)}
        return {key: item for key, item in kept.items() if item is not None}
    if isinstance(value, list):
        return [_portable(item) for item in value]
    if isinstance(value, str) and PurePath(value).is_absolute():
        return PurePath(value).name
    return value


def _long(value: Any) -> bool:
    return isinstance(value, list | dict) and len(value) > _LONGEST
