"""Getting an acquisition into its data set: companions, disk space, copy, move or link."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.files import angles as angle_files
from tomoline.files.atomic import translate_os_error, writing
from tomoline.steps._base import StepContext
from tomoline.units import format_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.steps._recording import Recording

# fixed, prealigned and aligned stack, in the raw mode or floats, beside the copy of the raw one
STACKS_WRITTEN = 4
_MODE_OF = {"u1": 0, "i2": 1, "f4": 2, "u2": 6, "f2": 12}


def companions(source: Path) -> dict[str, Path]:
    """Return the files that lie beside a stack and belong to it, by what they are.

    ``rawtlt``: tilt angles; ``mdoc``: SerialEM's or Tomography's description; ``boundary``:
    contours around the area to use (ROOT_rawbound.mod).
    """
    from tomoline.files import mdoc

    stem = source.with_suffix("")
    found = {}
    for kind, path in (
        ("rawtlt", stem.with_suffix(".rawtlt") if stem.suffix == "" else Path(f"{stem}.rawtlt")),
        ("boundary", stem.with_name(f"{stem.name}_rawbound.mod")),
    ):
        if path.is_file():
            found[kind] = path
    description = mdoc.find_for(source)
    if description is not None:
        found["mdoc"] = description.path
    return found


def check_space(folder: Path, recording: Recording) -> None:
    """Check that the disk has room for the stacks that will be written.

    Raises
    ------
    TomolineError
        FILE-08 if it has not.
    """
    stack = recording.dtype.itemsize
    for size in recording.shape:
        stack *= size
    free = shutil.disk_usage(folder).free
    needed = STACKS_WRITTEN * stack
    if free < needed:
        raise errors.files.DISK_FULL.error(
            folder, f"{format_bytes(free)} free, the stacks alone need {format_bytes(needed)}."
        )


def deliver(
    source: Path,
    recording: Recording,
    delivery: str,
    angles_deg: NDArray[np.float64],
    context: StepContext,
) -> None:
    """Put the raw stack, its angles and its companions into the data set's folder.

    A move is a copy whose original goes away only when the copy is whole and in place, or a rename
    on the same disk.
    """
    target = context.folder / f"{context.root}.mrc"
    beside = companions(source)
    same = target.exists() and source.resolve() == target.resolve()
    if same and "rawtlt" in beside and _holds(beside["rawtlt"], angles_deg):
        context.keep("raw_tilt_angles")
    else:
        with context.writing("raw_tilt_angles") as path:
            angle_files.write(path, angles_deg)
    for kind, name in (("mdoc", ".mrc.mdoc"), ("boundary", "_rawbound.mod")):
        if kind in beside:
            _copy(beside[kind], context.folder / f"{context.root}{name}")
    if same:
        context.keep("raw_stack")
        return
    with context.writing("raw_stack") as path:
        if not recording.is_mrc:
            _convert(recording, path)
        elif delivery == "link":
            path.unlink(missing_ok=True)
            path.symlink_to(source.resolve())
        else:
            _copy_content(source, path)
    if delivery == "move":
        for path in (source, *beside.values()):
            if path.parent != context.folder:
                path.unlink()


def _holds(path: Path, angles_deg: NDArray[np.float64]) -> bool:
    """Whether a file of angles, which is the user's own, says the same already."""
    try:
        found = angle_files.read(path)
    except errors.TomolineError:
        return False
    return len(found) == len(angles_deg) and bool((abs(found - angles_deg) < 1e-3).all())


def _copy(source: Path, target: Path) -> None:
    if target.exists() and source.resolve() == target.resolve():
        return
    with writing(target) as path:
        _copy_content(source, path)


def _copy_content(source: Path, target: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        where = Path(error.filename) if error.filename else target
        raise translate_os_error(error, where) from error


def _convert(recording: Recording, target: Path) -> None:
    """Write a stack of another format as MRC, in the same kind of numbers."""
    from tomoline.files import mrc

    mode = _MODE_OF.get(recording.dtype.newbyteorder("=").str[1:], 2)
    with mrc.MrcWriter(target, recording.shape, mode, recording.pixel_size_nm) as writer:
        for view in range(recording.shape[0]):
            writer.write(view, recording.read(view))
