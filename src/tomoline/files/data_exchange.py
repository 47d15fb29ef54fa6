"""Scans in Data Exchange files (De Carlo et al. 2014, J. Synchrotron Rad. 21, 1224).

``/exchange/data``, ``data_white``, ``data_dark`` and ``theta`` in degrees; what is known of the
instrument stands below ``/measurement`` and ``/process``.
"""

from __future__ import annotations

from tomoline.errors import scan
from tomoline.files._hdf5_angles import find_angles
from tomoline.files._hdf5_tree import Tree
from tomoline.files.frames import FrameLocation
from tomoline.files.scan_files import ScanFiles, ScanOptions

_DATA = "/exchange/data"
_INSTRUMENT = "/measurement/instrument"
_ROTATION = "/process/acquisition/rotation"
_DEGREES = {"deg": 1.0, "degree": 1.0, "degrees": 1.0}


def is_data_exchange(tree: Tree) -> bool:
    """Whether the file has the group that the format is named for."""
    return "/exchange" in tree.groups or _DATA in tree.datasets


def read(tree: Tree, options: ScanOptions) -> ScanFiles:
    """Return what a Data Exchange file tells.

    Raises
    ------
    TomolineError
        SCAN-15 angles that do not fit, SCAN-18 no pixel data.
    """
    from tomoline.files.nexus import data_path

    path = data_path(tree, options.data_path or _DATA)
    count = tree.datasets[path].shape[0]
    angles = find_angles(tree, count, range(count), options.angles_path)
    start = tree.number([f"{_ROTATION}/rotation_start"], "deg", _DEGREES)
    step = tree.number([f"{_ROTATION}/rotation_step"], "deg", _DEGREES)
    pixel_m = tree.length_m(
        # The detector's own pixel size, without the lens, would mislead.
        [f"{_INSTRUMENT}/detection_system/objective/resolution"],
        "um",
    )
    distance_m = tree.length_m(
        [
            f"{_INSTRUMENT}/camera_motor_stack/setup/camera_distance",
            f"{_INSTRUMENT}/detector_motor_stack/setup/camera_distance",
            f"{_INSTRUMENT}/detector/distance",
        ],
        "mm",
    )
    return ScanFiles(
        format="Data Exchange",
        projections=(tree.frames(path, range(count)),),
        flats=(_stack(tree, f"{path}_white", path),),
        darks=(_stack(tree, f"{path}_dark", path),),
        angles_deg=angles[0] if angles else None,
        angles_source=angles[1] if angles else _ROTATION,
        first_angle_deg=start if start == start else None,
        step_deg=step if step == step and step != 0 else None,
        energy_kev=tree.energy_kev([f"{_INSTRUMENT}/monochromator/energy"]),
        pixel_size_um=pixel_m * 1e6 if pixel_m and pixel_m > 0 else None,
        distances_m=(distance_m,) if distance_m and distance_m > 0 else (),
        notices=tuple(tree.notices),
        files=(tree.path,),
    )


def _stack(tree: Tree, path: str, data: str) -> FrameLocation | None:
    """Return flats or darks; a single image counts as a stack of one."""
    dataset = tree.datasets.get(path)
    if dataset is None:
        return None
    if dataset.ndim == 2 and dataset.shape == tree.datasets[data].shape[1:]:
        return tree.frames(path, [0])
    if dataset.ndim != 3:
        raise scan.NO_PIXELS.error(tree.path, f"{path} has shape {dataset.shape}: no images.")
    return tree.frames(path, range(dataset.shape[0])) if dataset.shape[0] else None
