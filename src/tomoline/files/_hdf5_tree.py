"""What stands where in an HDF5 file: every dataset that can be reached, and every broken link."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tomoline.errors import Notice, TomolineError, files, scan
from tomoline.files.atomic import translate_os_error
from tomoline.files.frames import FrameLocation, stored_type

_DEEPEST = 10
_MOST_OBJECTS = 200_000
_METRES = {
    "m": 1.0, "meter": 1.0, "metre": 1.0, "meters": 1.0, "cm": 1e-2, "mm": 1e-3,
    "millimeter": 1e-3, "um": 1e-6, "µm": 1e-6, "micron": 1e-6, "microns": 1e-6, "nm": 1e-9,
}  # fmt: skip
_KEV = {"kev": 1.0, "ev": 1e-3, "mev": 1e3, "gev": 1e6, "j": 1 / 1.602176634e-16}


@dataclass
class Tree:
    """The datasets of an open file, by path, in the order of the file.

    Attributes
    ----------
    path : Path
        The file.
    file : h5py.File
        Open for reading.
    datasets : dict of str to h5py.Dataset
        All that can be reached; links to the same dataset are listed under each path.
    groups : dict of str to dict
        Attributes of each group.
    dangling : dict of str to str
        Links that lead nowhere, with where they should lead.
    notices : list of Notice
        What was passed over.
    """

    path: Path
    file: Any
    datasets: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    dangling: dict[str, str] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)

    def named(self, name: str) -> list[str]:
        """Return the paths that end in ``/name``."""
        return [path for path in self.datasets if path.rsplit("/", 1)[-1] == name]

    def stacks(self) -> list[str]:
        """Return the paths of what may be frames: numbers in three dimensions."""
        return [
            path
            for path, one in self.datasets.items()
            if one.ndim == 3 and one.dtype.kind in "uif" and min(one.shape) > 0
        ]

    def text(self, path: str) -> str:
        """Return a text dataset, "" where it is none; characters may be stored as int8."""
        dataset = self.datasets.get(path)
        if dataset is None:
            return ""
        value = np.asarray(dataset[()]).ravel()
        if value.dtype.kind in "iu":
            return as_text(value.astype(np.uint8).tobytes())
        return as_text(value[0]) if value.size else ""

    def number(self, paths: Iterable[str], default_unit: str, units: dict[str, float]) -> float:
        """Return the first finite number, in the unit that `units` are relative to, else NaN."""
        for path in paths:
            dataset = self.datasets.get(path)
            if dataset is None or dataset.size == 0:
                continue
            value = _as_number(dataset[()])
            unit = as_text(dataset.attrs.get("units", "")).strip().lower() or default_unit
            if not math.isfinite(value):
                self.pass_over(path, f"{path} is not a number")
            elif unit not in units:
                self.pass_over(path, f"{path} = {value:g} has the unit {unit!r}")
            else:
                return value * units[unit]
        return math.nan

    def length_m(self, paths: Iterable[str], default_unit: str = "m") -> float | None:
        """Return a length in metres."""
        return _or_none(self.number(paths, default_unit, _METRES))

    def energy_kev(self, paths: Iterable[str]) -> float | None:
        """Return a photon energy in keV; the electrons' energy of a storage ring is none."""
        fitting = (path for path in paths if not self._is_ring(path))
        value = _or_none(self.number(fitting, "kev", _KEV))
        return value if value is not None and 0 < value <= 1000 else None

    def _is_ring(self, path: str) -> bool:
        dataset = self.datasets.get(path)
        unit = as_text(dataset.attrs.get("units", "")) if dataset is not None else ""
        return unit.strip().lower() == "gev" or (path.endswith("source/energy") and not unit)

    def pass_over(self, path: str, what: str) -> None:
        """Tell that something is not used."""
        notice = scan.METADATA_UNUSABLE.notice(self.path, f"{what}.")
        if notice not in self.notices:
            self.notices.append(notice)

    def frames(
        self, path: str, indices: Iterable[int], times: Iterable[float] = ()
    ) -> FrameLocation:
        """Return frames of a dataset, by their places in it."""
        dataset = self.datasets[path]
        return FrameLocation(
            "hdf5",
            str(self.path),
            dataset.shape[-2],
            dataset.shape[-1],
            stored_type(dataset.dtype),
            indices=tuple(int(index) for index in indices),
            dataset=path,
            times=tuple(float(time) for time in times),
        )


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _as_number(value: Any) -> float:
    first = np.asarray(value).ravel()[0]
    try:
        return float(first)
    except (TypeError, ValueError):
        return math.nan


def as_text(value: Any) -> str:
    """Return bytes or text as text, without the zeros and line ends behind it."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    if isinstance(value, bytes):
        value = value.split(b"\0", 1)[0].decode("utf-8", "replace")
    return str(value).strip()


@contextmanager
def open_tree(path: Path) -> Iterator[Tree]:
    """Open an HDF5 file and list what it holds.

    Raises
    ------
    TomolineError
        FILE-01, FILE-02, FILE-10 as the system says; FILE-03 cut short or damaged; FILE-04 no HDF5.
    """
    import h5py
    import hdf5plugin  # noqa: F401 (its filters must be known before a dataset is read)

    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise files.NOT_A_FILE.error(path, "It is a folder or a device.")
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error
    try:
        with h5py.File(path, "r") as file:
            tree = Tree(path, file)
            _walk(tree, file, "", set())
            yield tree
    except TomolineError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError) as error:
        if start == b"\x89HDF\r\n\x1a\n":
            raise files.TRUNCATED.error(
                path, f"The HDF5 file is damaged or cut short ({error})."
            ) from error
        raise files.NOT_THIS_FORMAT.error(path, f"It is no HDF5 file ({error}).") from error


def _walk(tree: Tree, group: Any, base: str, above: set[Any]) -> None:
    """List a group; a group that holds itself, by whatever link, is entered once."""
    import h5py

    here = _identity(group)
    if here in above or base.count("/") > _DEEPEST:
        return
    tree.groups[base] = dict(group.attrs)
    for name in group:
        if len(tree.datasets) + len(tree.groups) > _MOST_OBJECTS:
            raise files.UNSUPPORTED.error(tree.path, f"It holds more than {_MOST_OBJECTS} objects.")
        path = f"{base}/{name}"
        try:
            item = group[name]
        except (KeyError, OSError, RuntimeError):
            link = group.get(name, getlink=True)
            where = getattr(link, "filename", "")
            tree.dangling[path] = f"{where} {getattr(link, 'path', '')}".strip()
            continue
        if isinstance(item, h5py.Dataset):
            tree.datasets[path] = item
        elif isinstance(item, h5py.Group):
            _walk(tree, item, path, above | {here})


def _identity(item: Any) -> tuple[int, int]:
    import h5py

    info = h5py.h5o.get_info(item.id)
    return int(info.fileno), int(info.addr)
