"""Find out what kind of scan a path is, and read what its files tell."""

from __future__ import annotations

from pathlib import Path

from tomoline.errors import files, scan
from tomoline.files.atomic import translate_os_error
from tomoline.files.scan_files import ScanFiles, ScanOptions

_HDF5_START, _OLE_START = b"\x89HDF\r\n\x1a\n", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".nxs", ".nx")
ZEISS_SUFFIXES = (".txrm", ".xrm")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_scan(source: Path, options: ScanOptions | None = None) -> ScanFiles:
    """Return what the files of a scan tell; no pixel is read.

    Parameters
    ----------
    source : Path
        A parameter file, an HDF5 file, a Zeiss file, a stack of TIFF pages, or a folder.
    options : ScanOptions, optional
        What the files do not tell.

    Raises
    ------
    TomolineError
        FILE-.. as the system or the format has it, SCAN-.. what is wrong with the scan.
    """
    # Locations outlive the folder that a command was given in.
    source, options = Path(source).absolute(), options or ScanOptions()
    if source.is_dir():
        from tomoline.files import scan_folder

        return scan_folder.read(source, options)
    start, suffix = _start(source), source.suffix.lower()
    if start.startswith(_HDF5_START) or suffix in HDF5_SUFFIXES:
        from tomoline.files import hdf5_scan

        return hdf5_scan.read(source, options)
    if start.startswith(_OLE_START) or suffix in ZEISS_SUFFIXES:
        from tomoline.files import xrm

        return xrm.read_scan([source], options)
    if start.startswith(_TIFF_STARTS):
        from tomoline.files import scan_folder

        return scan_folder.read_stack(source, options)
    if not start:
        raise files.TRUNCATED.error(source, "The file is empty.")
    if b"\0" in start:
        raise scan.NO_SCAN.error(source, "It is neither a text file nor HDF5, TIFF or Zeiss's.")
    from tomoline.files import hitt, hitt_scan

    if suffix != ".par" and not hitt.has_keys(source):
        raise scan.NO_SCAN.error(source, "It is a text file without the keys of a scan.")
    return hitt_scan.read(source, options)


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(512)
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error
