"""Scans in NeXus files, NXtomo and the variants that beamlines write.

What each frame is stands in an image key: 0 projection, 1 flat, 2 dark, 3 invalid; below 0 are
frames for alignment. NXtomo: https://manual.nexusformat.org/classes/applications/NXtomo.html
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError, scan
from tomoline.files._hdf5_angles import find_angles
from tomoline.files._hdf5_tree import Tree
from tomoline.files.frames import FrameLocation
from tomoline.files.scan_files import ScanFiles, ScanOptions

_PROJECTION, _FLAT, _DARK = 0, 1, 2


@dataclass(frozen=True)
class _Frames:
    """A dataset of frames with what each is."""

    data_path: str
    key: NDArray[np.int64]


def is_nexus(tree: Tree, options: ScanOptions) -> bool:
    """Whether the file says by an image key what its frames are."""
    return options.image_key_path is not None or bool(tree.named("image_key"))


def read(tree: Tree, options: ScanOptions) -> ScanFiles:
    """Return what a NeXus file tells; flats and darks that are elsewhere are not looked for.

    Raises
    ------
    TomolineError
        SCAN-15 angles that do not fit, SCAN-18 no pixel data, SCAN-21 several scans, SCAN-22 an
        image key that does not fit.
    """
    frames = _find_frames(tree, options)
    places = {kind: np.flatnonzero(frames.key == kind) for kind in (_PROJECTION, _FLAT, _DARK)}
    projections = places[_PROJECTION].tolist()
    if not projections:
        raise scan.BAD_IMAGE_KEY.error(tree.path, f"{_composition(frames.key)}: no projection.")
    angles = find_angles(tree, len(frames.key), projections, options.angles_path)
    entry = _entry(frames.data_path)
    instrument = [path for path in tree.groups if path.startswith(entry)]
    distance_m = tree.length_m(_in(instrument, ("detector/distance",)))
    pixel_m = tree.length_m(
        _in(instrument, ("detector/x_pixel_size", "sample/x_pixel_size", "detector/pixel_size"))
    )
    source_m = tree.length_m(_in(instrument, ("source/distance",)))
    return ScanFiles(
        format="NXtomo",
        projections=(tree.frames(frames.data_path, projections, projections),),
        flats=(_some(tree, frames, places[_FLAT]),),
        darks=(_some(tree, frames, places[_DARK]),),
        angles_deg=angles[0] if angles else None,
        angles_source=angles[1] if angles else "",
        energy_kev=tree.energy_kev(
            _in(
                instrument,
                ("beam/incident_energy", "beam/energy", "monochromator/energy", "source/energy"),
            )
        ),
        pixel_size_um=None if not pixel_m else pixel_m * 1e6,
        distances_m=(distance_m,) if distance_m is not None and distance_m > 0 else (),
        source_distance_m=abs(source_m) if source_m else None,
        notices=tuple(tree.notices),
        files=(tree.path,),
    )


def _some(tree: Tree, frames: _Frames, places: NDArray[np.int64]) -> FrameLocation | None:
    return tree.frames(frames.data_path, places, places) if len(places) else None


def read_kind(tree: Tree, kind: str) -> FrameLocation | None:
    """Return the flats or darks of a file of their own that has an image key."""
    frames = _find_frames(tree, ScanOptions())
    return _some(tree, frames, np.flatnonzero(frames.key == (_FLAT if kind == "flats" else _DARK)))


def _entry(path: str) -> str:
    """Return the path of the entry that a dataset belongs to.

    >>> _entry("/entry1/tomo_entry/instrument/detector/data")
    '/entry1'
    """
    return "/" + path.split("/")[1]


def _in(groups: list[str], ends: tuple[str, ...]) -> list[str]:
    """Return the paths in which fields of that name may stand, the first named first."""
    found = []
    for end in ends:
        group, name = end.rsplit("/", 1)
        found += [f"{path}/{name}" for path in groups if path.endswith("/" + group)]
    return found


def _find_frames(tree: Tree, options: ScanOptions) -> _Frames:
    keys = _keys(tree, options)
    if options.data_path is not None:
        path = data_path(tree, options.data_path)
        length = tree.datasets[path].shape[0]
        for key_path, key in keys.items():
            if len(key) == length:
                return _Frames(path, key)
            if options.image_key_path is not None:
                raise scan.BAD_IMAGE_KEY.error(
                    tree.path, f"{key_path} has {len(key)} numbers, {path} {length} frames."
                )
        raise scan.BAD_IMAGE_KEY.error(tree.path, f"None has the {length} numbers of {path}.")
    found: dict[tuple[int, int], _Frames] = {}
    for key_path, key in keys.items():
        for path in _data_of(tree, key_path, len(key)):
            info = tree.datasets[path].id
            found.setdefault(_object(info), _Frames(path, key))
    if not found:
        raise _no_pixels(tree, keys)
    if len(found) > 1:
        raise scan.SEVERAL_SCANS.error(
            tree.path,
            "It holds the frames " + ", ".join(one.data_path for one in found.values()) + ".",
            "Name one with scan.data_path.",
        )
    return next(iter(found.values()))


def _object(identifier: object) -> tuple[int, int]:
    import h5py

    info = h5py.h5o.get_info(identifier)
    return int(info.fileno), int(info.addr)


def data_path(tree: Tree, given: str) -> str:
    """Return the path of the dataset of frames that the user names.

    Raises
    ------
    TomolineError
        SCAN-18 if it is not there, or no stack of images.
    """
    path = "/" + given.strip("/")
    if path in tree.dangling:
        raise scan.NO_PIXELS.error(
            tree.path, f"{path} is a link to {tree.dangling[path]}, which is not there."
        )
    if path not in tree.stacks():
        known = ", ".join(tree.stacks()[:12]) or "none"
        raise scan.NO_PIXELS.error(
            tree.path, f"{path} is no dataset of frames; datasets in three dimensions are: {known}."
        )
    return path


def _keys(tree: Tree, options: ScanOptions) -> dict[str, NDArray[np.int64]]:
    """Return the image keys, those of an NXtomo entry first."""
    if options.image_key_path is not None:
        path = "/" + options.image_key_path.strip("/")
        if path not in tree.datasets:
            raise scan.BAD_IMAGE_KEY.error(tree.path, f"There is no dataset {path}.")
        return {path: _key(tree, path)}
    paths = sorted(tree.named("image_key"), key=lambda path: "/tomo_entry/" not in path)
    return {path: _key(tree, path) for path in paths}


def _key(tree: Tree, path: str) -> NDArray[np.int64]:
    values = np.asarray(tree.datasets[path][()]).ravel()
    if values.dtype.kind not in "iuf" or not values.size:
        raise scan.BAD_IMAGE_KEY.error(tree.path, f"{path} holds {values.dtype}.")
    rounded = np.rint(values)
    # NaN compares unequal to itself, so it is caught here too.
    if not (rounded == values).all() or rounded.max() > 3 or rounded.min() < -1:
        raise scan.BAD_IMAGE_KEY.error(
            tree.path, f"{path} has values between {values.min():g} and {values.max():g}."
        )
    key: NDArray[np.int64] = rounded.astype(np.int64)
    return key


def _data_of(tree: Tree, key_path: str, length: int) -> list[str]:
    """Return the frames that an image key tells of: beside it, else anywhere in its entry."""
    stacks = [path for path in tree.stacks() if tree.datasets[path].shape[0] == length]
    group = key_path.rsplit("/", 1)[0]
    beside = [path for path in stacks if path.rsplit("/", 1)[0] == group]
    if len(beside) > 1:
        beside = [path for path in beside if path.endswith("/data")] or beside
    if beside or f"{group}/data" in tree.dangling:
        return beside
    return [path for path in stacks if path.startswith(_entry(key_path) + "/")]


def _no_pixels(tree: Tree, keys: dict[str, NDArray[np.int64]]) -> TomolineError:
    key_path, key = next(iter(keys.items()))
    said = f"{key_path} tells of {_composition(key)}"
    projections = np.flatnonzero(key == _PROJECTION).tolist()
    angles = find_angles(tree, len(key), projections, None) if projections else None
    if angles:
        degrees, where = angles
        said += f", {where} of {len(degrees)} angles, {degrees[0]:.4f} to {degrees[-1]:.4f} degrees"
    broken = sorted({where for path, where in tree.dangling.items() if path.endswith("/data")})
    links = f" Links lead to {'; '.join(broken[:4])}, which is not there." if broken else ""
    return scan.NO_PIXELS.error(tree.path, f"{said}, but there are no frames.{links}")


def _composition(key: NDArray[np.int64]) -> str:
    """Say what an image key holds.

    >>> _composition(np.array([1, 0, 0, 2]))
    '2 projections, 1 flat, 1 dark'
    """
    words = ((_PROJECTION, "projection"), (_FLAT, "flat"), (_DARK, "dark"), (3, "invalid frame"))
    counts = [(int((key == kind).sum()), word) for kind, word in words]
    return ", ".join(f"{n} {word}{'s' * (n != 1)}" for n, word in counts if n) or "nothing"
