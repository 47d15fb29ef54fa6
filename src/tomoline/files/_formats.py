"""The table of formats, and telling them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomoline.errors import files
from tomoline.files import (
    adoc,
    angles,
    com,
    fiducial_points,
    hdf5_scan,
    hitt,
    imod_model,
    mdoc,
    residuals,
    stack,
    transforms,
    xrm,
    zfactors,
)
from tomoline.files.atomic import translate_os_error


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes
    ----------
    name : str
        Short name.
    suffixes : tuple of str
        Ends of file names; the longest that fits decides.
    title : str
        What it holds, one line.
    probe : callable
        ``probe(path)`` returns what the file holds, its header where it is large, or raises a
        coded error that says why it cannot be read.
    writes : bool
        Whether tomoline writes it.
    starts : tuple of bytes
        How its files begin, for formats that their contents give away.
    """

    name: str
    suffixes: tuple[str, ...]
    title: str
    probe: Callable[[Path], Any]
    writes: bool
    starts: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Recognised:
    """A file's format and what its probe found."""

    format: Format
    contents: Any


FORMATS: tuple[Format, ...] = (
    Format(
        "MRC",
        (".mrc", ".mrcs", ".st", ".rec", ".ali", ".preali", ".map"),
        "images, stacks and volumes: bytes, 16-bit integers, 16- and 32-bit floats; extended "
        "headers of SerialEM, Agard and FEI",
        stack.open_stack,
        True,
    ),
    Format(
        "TIFF",
        (".tif", ".tiff"),
        "stacks of grey images of one size, in pages or ImageJ's planes",
        stack.open_stack,
        False,
        (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    ),
    Format(
        "angles",
        (".rawtlt", ".tlt", ".xtilt"),
        "tilt or X-axis tilt angle of each view, degrees",
        angles.read,
        True,
    ),
    Format(
        "transforms",
        (".xf", ".prexf", ".prexg", ".tltxf"),
        "linear transform of each view",
        transforms.read,
        True,
    ),
    Format(
        "residuals", (".resid",), "residual vectors of the fine alignment", residuals.read, True
    ),
    Format("Z factors", (".zfac",), "shifts per unit of Z of each view", zfactors.read, True),
    Format(
        "fiducial points",
        ("fid.xyz", ".xyz"),
        "solved positions of fiducials as text",
        fiducial_points.read,
        True,
    ),
    Format(
        "IMOD model",
        (".mod", ".fid", ".seed", ".3dmod", ".erase"),
        "points and contours: beads, tracks, boundaries",
        imod_model.read,
        True,
        (b"IMODV1.",),
    ),
    Format(
        "mdoc",
        (".mdoc",),
        "metadata of a recording by SerialEM or Tomography 5",
        mdoc.read,
        False,
    ),
    Format("autodoc", (".adoc",), "directives, and other keys and values of IMOD", adoc.read, True),
    Format("command file", (".com",), "programs of IMOD with their options", com.read, False),
    Format(
        "HiTT parameters",
        (".par",),
        "what is known of a scan, and the prefixes of its frames' names",
        hitt.read,
        True,
    ),
    Format(
        "HDF5 scan",
        (".h5", ".hdf5", ".hdf", ".nxs", ".nx"),
        "scans in NXtomo and other NeXus layouts, Data Exchange, and ALS 8.3.2's",
        hdf5_scan.read,
        False,
        (b"\x89HDF\r\n\x1a\n",),
    ),
    Format(
        "Zeiss scan",
        (".txrm", ".xrm"),
        "frames of a Zeiss (Xradia) microscope, all in one file or one a file",
        xrm.probe,
        False,
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",),
    ),
)

# What users leave beside their data, so that a refusal can name it.
OTHER_FORMATS: dict[str, str] = {
    ".aln": "an alignment by AreTomo",
    ".star": "a STAR file of RELION",
    ".csv": "a table of comma-separated values",
    ".xml": "an XML file, such as Warp's metadata",
    ".edf": "Etomo's own record of a data set",
    ".ebt": "Etomo's own record of a batch",
    ".ejf": "Etomo's own record of a join",
    ".epe": "Etomo's own record of a PEET project",
    ".prm": "a parameter file of PEET",
    ".log": "a log file",
    ".defocus": "defocus values by ctfplotter",
    ".nav": "a map of positions by SerialEM's Navigator",
    ".txt": "free text",
    ".eer": "a movie by a Falcon camera (EER)",
    ".dm3": "an image of DigitalMicrograph",
    ".dm4": "an image of DigitalMicrograph",
    ".em": "a volume in EM format",
    ".zip": "an archive",
    ".gz": "a compressed file",
    ".png": "a picture",
    ".gif": "a picture",
    ".jpg": "a picture",
}


def probe(path: Path) -> Recognised:
    """Find the format of a file and read what it says about itself.

    The name decides where it ends in a known suffix, else the contents.

    Raises
    ------
    TomolineError
        FILE-07 naming the format where it is a known one that is not read; FILE-01 missing,
        FILE-02 no regular file, and whatever the format's own probe finds wrong.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise files.NOT_A_FILE.error(where=path, found="It is a folder or a device.")
    try:
        with path.open("rb") as stream:
            start = stream.read(1024)
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error
    format_ = format_of_name(path.name) or _format_of_contents(start)
    if format_ is not None:
        return Recognised(format_, format_.probe(path))
    other = OTHER_FORMATS.get(path.suffix.lower())
    found = (
        f"It is {other}, which is not read." if other else "Neither name nor contents are known."
    )
    raise files.UNKNOWN_FORMAT.error(where=path, found=found)


def format_of_name(name: str) -> Format | None:
    """Return the format whose suffix a file name ends in, None if there is none.

    >>> format_of_name("TS_01.mrc.mdoc").name
    'mdoc'
    """
    lower = name.lower()
    fitting = [
        (len(suffix), format_)
        for format_ in FORMATS
        for suffix in format_.suffixes
        if lower.endswith(suffix)
    ]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _format_of_contents(start: bytes) -> Format | None:
    for format_ in FORMATS:
        if any(start.startswith(letters) for letters in format_.starts):
            return format_
    # MRC has its letters in the middle of the header.
    return FORMATS[0] if start[208:211] == b"MAP" else None


def is_image(path: Path) -> bool:
    """Whether a name is that of a format that holds images."""
    found = format_of_name(Path(path).name)
    return found is not None and found.probe is stack.open_stack
