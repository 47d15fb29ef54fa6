"""Scans of ALS beamline 8.3.2: an HDF5 group with one dataset for each frame.

Frames are named ``SCAN_0000_NNNN.tif``, flats ``SCANbak_IIII_NNNN.tif`` (NNNN: after which
projection), darks ``SCANdrk_IIII_NNNN.tif``. Lengths stand in attributes of the group, in
millimetres, the energy in eV, as text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from tomoline.errors import scan
from tomoline.files._hdf5_tree import Tree, as_text
from tomoline.files.frames import FrameLocation, stored_type
from tomoline.files.scan_files import ScanFiles

_NAME = re.compile(r"/(?P<kind>[^/]*?(?P<what>bak|drk|))_(?P<turn>\d+)_(?P<number>\d+)\.tif$")


def is_als832(tree: Tree) -> bool:
    """Whether frames are datasets that are named like TIFF files."""
    return any(_NAME.search(path) for path in tree.datasets)


def read(tree: Tree) -> ScanFiles:
    """Return what such a file tells.

    Raises
    ------
    TomolineError
        SCAN-12 frames of different sizes, SCAN-18 no projections.
    """
    found: dict[str, list[tuple[int, int, str]]] = {"": [], "bak": [], "drk": []}
    for path in tree.datasets:
        match = _NAME.search(path)
        if match:
            found[match["what"]].append((int(match["number"]), int(match["turn"]), path))
    if not found[""]:
        raise scan.NO_PIXELS.error(tree.path, "It holds flats or darks, but no projections.")
    ordered = {kind: sorted(items) for kind, items in found.items()}
    by_number = {number: path for number, _, path in ordered[""]}
    last = max(by_number)
    names = [by_number.get(number) for number in range(last + 1)]
    group = tree.groups[ordered[""][0][2].rsplit("/", 1)[0]]
    count = _attribute(group, "nangles")
    turn = _attribute(group, "arange")
    # The last projection stands at the end of the range.
    step = turn / (count - 1) if count > 1 and math.isfinite(turn) else math.nan
    pixel_mm = _attribute(group, "pxsize")
    energy_ev = _attribute(group, "senergy")
    missing = [place for place, name in enumerate(names) if name is None]
    notices = list(tree.notices)
    if missing:
        said = ", ".join(str(place) for place in missing[:12])
        notices.append(scan.FRAMES_MISSING.notice(tree.path, f"Missing are the numbers {said}."))
    return ScanFiles(
        format="ALS 8.3.2",
        projections=(_location(tree, names, range(last + 1)),),
        flats=(_stack(tree, ordered["bak"]),),
        darks=(_stack(tree, ordered["drk"]),),
        step_deg=step if math.isfinite(step) and step else None,
        angles_source="arange",
        energy_kev=energy_ev / 1e3 if energy_ev > 0 else None,
        pixel_size_um=pixel_mm * 1e3 if pixel_mm > 0 else None,
        bad=dict.fromkeys(missing, "missing"),
        notices=tuple(notices),
        files=(tree.path,),
    )


def _attribute(group: dict[str, object], name: str) -> float:
    """Return a number that is stored as text, NaN where there is none."""
    try:
        return float(as_text(group.get(name, "nan")))
    except ValueError:
        return math.nan


def _stack(tree: Tree, items: Sequence[tuple[int, int, str]]) -> FrameLocation | None:
    if not items:
        return None
    return _location(tree, [path for _, _, path in items], [number for number, _, _ in items])


def _location(tree: Tree, names: Sequence[str | None], times: Sequence[int]) -> FrameLocation:
    shapes = {tree.datasets[name].shape[-2:] for name in names if name is not None}
    if len(shapes) > 1:
        raise scan.OTHER_SIZE.error(tree.path, f"The frames have the sizes {sorted(shapes)}.")
    first = tree.datasets[next(name for name in names if name is not None)]
    return FrameLocation(
        "hdf5_each",
        str(tree.path),
        first.shape[-2],
        first.shape[-1],
        stored_type(first.dtype),
        names=tuple(names),
        times=tuple(float(time) for time in times),
    )
