"""A folder of frames: with a parameter file, or plain TIFF files told apart by their names."""

from __future__ import annotations

import re
from pathlib import Path

from tomoline.errors import scan
from tomoline.files import hitt, hitt_scan
from tomoline.files._frame_groups import list_tiffs, prefixes_of
from tomoline.files.scan_files import ScanFiles, ScanOptions

_FLAT = re.compile(
    r"(^|[_\-. ])(ff|flats?|flatfields?|white|bright|empty|ref|open|bak)([_\-. \d]|$)", re.I
)
_DARK = re.compile(r"(^|[_\-. ])(df|darks?|darkfields?|drk|bias)([_\-. \d]|$)", re.I)
_FEWEST = 3


def read(folder: Path, options: ScanOptions) -> ScanFiles:
    """Find the scan in a folder.

    Raises
    ------
    TomolineError
        SCAN-01 no scan, SCAN-21 several; and what the parameter file or the frames have wrong.
    """
    described = parameter_files(folder)
    if len(described) > 1:
        said = ", ".join(path.name for path in described[:12])
        raise scan.SEVERAL_SCANS.error(folder, f"It holds the parameter files {said}.")
    if described:
        return hitt_scan.read(described[0], options)
    names = list_tiffs(folder)
    if any(_FEWEST <= count for count in prefixes_of(names).values()):
        return _plain(folder, names, options)
    return _containers(folder, options)


def parameter_files(folder: Path) -> list[Path]:
    """Return the parameter files of a folder: ``*.par``, or text with their keys."""
    visible = sorted(
        path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file()
    )
    found = [path for path in visible if path.suffix.lower() == ".par"]
    if found:
        return found
    return [path for path in visible if path.suffix.lower() == ".txt" and hitt.looks_like(path)]


def read_stack(path: Path, options: ScanOptions) -> ScanFiles:
    """Take the pages of one TIFF file as projections of one distance."""
    parameters = hitt.HittParameters(prefixes=(path.stem,))
    return hitt_scan.from_parameters(parameters, path.parent, options, format_name="TIFF")


def _plain(folder: Path, names: list[str], options: ScanOptions) -> ScanFiles:
    """Tell projections, flats and darks apart by the usual names."""
    counts = prefixes_of(names)
    stacks = [Path(name).stem for name in names if not prefixes_of([name])]
    flats = sorted(one for one in (*counts, *stacks) if _FLAT.search(one))
    darks = sorted(one for one in (*counts, *stacks) if _DARK.search(one))
    others = {one: count for one, count in counts.items() if one not in {*flats, *darks}}
    projections = sorted(one for one, count in others.items() if count >= _FEWEST)
    if not projections:
        raise scan.NO_SCAN.error(folder, f"It holds only flats or darks: {', '.join(counts)}.")
    if len(projections) > 1:
        said = ", ".join(f"{one}* ({others[one]} files)" for one in projections[:12])
        raise scan.SEVERAL_SCANS.error(
            folder,
            f"It holds the frames {said}.",
            "Write a parameter file with PREFIX and DISTANCES that says what they are.",
        )
    flat, dark = _single(folder, flats, "flats"), _single(folder, darks, "darks")
    parameters = hitt.HittParameters(
        prefixes=(projections[0] or "./",),
        flat_prefixes=(flat,) if flat is not None and options.flats_file is None else (),
        dark_prefixes=(dark,) if dark is not None and options.darks_file is None else (),
    )
    return hitt_scan.from_parameters(parameters, folder, options, format_name="TIFF")


def _single(folder: Path, prefixes: list[str], kind: str) -> str | None:
    if len(prefixes) > 1:
        raise scan.SEVERAL_SCANS.error(
            folder,
            f"It holds the {kind} {', '.join(prefixes)}.",
            f"Name one with scan.{kind}_file.",
        )
    return prefixes[0] if prefixes else None


def _containers(folder: Path, options: ScanOptions) -> ScanFiles:
    from tomoline.files.open_scan import HDF5_SUFFIXES, ZEISS_SUFFIXES

    visible = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    zeiss = [path for path in visible if path.suffix.lower() in ZEISS_SUFFIXES]
    hdf5 = [path for path in visible if path.suffix.lower() in HDF5_SUFFIXES]
    if len(hdf5) == 1 and not zeiss:
        from tomoline.files import hdf5_scan

        return hdf5_scan.read(hdf5[0], options)
    if zeiss and not hdf5:
        from tomoline.files import xrm

        return xrm.read_scan(zeiss, options)
    if hdf5 or zeiss:
        names = ", ".join(path.name for path in (*hdf5, *zeiss)[:12])
        raise scan.SEVERAL_SCANS.error(folder, f"It holds {names}.")
    raise scan.NO_SCAN.error(
        folder, "It holds neither a parameter file nor numbered TIFF files nor an HDF5 file."
    )
