"""Rotation angles in an HDF5 file: where they stand, and in which unit."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import scan
from tomoline.files._hdf5_tree import Tree, as_text

# In order of preference: what the standards call it, then what beamlines do.
_NAMES = (
    re.compile(r"/sample/rotation_angle$"),
    re.compile(r"/rotation_angle$"),
    re.compile(r"^/exchange/theta$"),
    re.compile(r"(^|[/_.])theta([/_.]value)?$", re.I),
    re.compile(r"theta", re.I),
    re.compile(r"(^|[/_])(rot|rotation|omega|phi|angles?)([/_]|$)", re.I),
)
# Positions that were asked for rather than reached, limits within a frame, other axes.
_NOT_THESE = re.compile(r"(value_set|[/._]set|[/._](min|max))$|monochromator|dcm|bragg", re.I)
_DEGREES = {"deg", "degree", "degrees", "°", "deg.", "degs"}
_RADIANS = {"rad", "radian", "radians"}


def find_angles(
    tree: Tree, frames: int, projections: Sequence[int], given: str | None
) -> tuple[tuple[float, ...], str] | None:
    """Return the angle of each projection in degrees, and the dataset; None where there is none.

    Parameters
    ----------
    tree : Tree
        The open file.
    frames : int
        Number of frames, flats and darks included.
    projections : sequence of int
        Places of the projections among them. A dataset may have an angle for each frame or for
        each projection.
    given : str or None
        The dataset that the user names.

    Raises
    ------
    TomolineError
        SCAN-15 if the named dataset is not there, or has neither number of angles.
    """
    if given is not None:
        path = "/" + given.strip("/")
        if path not in tree.datasets:
            raise scan.ANGLES_DO_NOT_MATCH.error(tree.path, f"There is no dataset {path}.")
        angles = _angles_of(tree, path, frames, projections)
        if angles is None:
            raise scan.ANGLES_DO_NOT_MATCH.error(
                tree.path,
                f"{path} has shape {tree.datasets[path].shape}; there are {len(projections)} "
                f"projections among {frames} frames.",
            )
        return tuple(angles.tolist()), path
    # A single number may stand for anything; only the standards' names are believed.
    for name in _NAMES if len(projections) > 1 else _NAMES[:3]:
        for path in tree.datasets:
            if name.search(path) and not _NOT_THESE.search(path):
                angles = _angles_of(tree, path, frames, projections)
                if angles is not None:
                    return tuple(angles.tolist()), path
                if name in _NAMES[:3] and tree.datasets[path].size > 1:
                    _tell_length(tree, path, frames, len(projections))
    return None


def _tell_length(tree: Tree, path: str, frames: int, projections: int) -> None:
    size = tree.datasets[path].size
    if size not in (frames, projections):
        tree.pass_over(
            path, f"{path} has {size} angles for {projections} projections among {frames} frames"
        )


def _angles_of(
    tree: Tree, path: str, frames: int, projections: Sequence[int]
) -> NDArray[np.float64] | None:
    dataset = tree.datasets[path]
    if dataset.dtype.kind not in "fiu" or dataset.size not in (frames, len(projections)):
        return None
    values = np.asarray(dataset[()], dtype=np.float64).ravel()
    if dataset.size == frames:
        values = values[list(projections)]
    if not np.isfinite(values).all():
        tree.pass_over(path, f"{path} holds angles that are not numbers")
        return None
    # Where the stage was said to stand still, it was another stage, or nothing was recorded.
    if len(values) > 1 and np.ptp(values) == 0:
        if _NAMES[2].search(path):
            tree.pass_over(path, f"{path} holds the same angle everywhere")
        return None
    return np.degrees(values) if _in_radians(tree, path, values) else values


def _in_radians(tree: Tree, path: str, values: NDArray[np.float64]) -> bool:
    unit = as_text(tree.datasets[path].attrs.get("units", "")).lower()
    if unit in _RADIANS:
        return True
    if unit in _DEGREES or len(values) < 2:
        return False
    # Where no unit is told, only half or a whole turn in radians is taken for it.
    turn = abs(values[-1] - values[0]) * len(values) / (len(values) - 1)
    looks = any(math.isclose(turn, full, rel_tol=0.02) for full in (math.pi, 2 * math.pi))
    if looks and len(values) > 10:
        tree.pass_over(path, f"The unit of {path}, which is not told, is taken for radians")
        return True
    return False
