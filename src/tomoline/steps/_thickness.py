"""How thick the tomogram becomes, and who says so."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tomoline import errors
from tomoline.steps._base import StepContext

# A thickness found below this part of the fallback is taken to be wrong (batchruntomo).
_TOO_THIN = 0.5
# By the largest raw dimension, where nothing tells: the samples of batchruntomo's positioning.
_GUESSES = ((512, 250), (1024, 400), (2048, 500))
_LARGEST_GUESS = 600
_LEAST = 4


class Position(BaseModel):
    """How the specimen lies in the tomogram: the artifact that ``position`` writes.

    Lengths are in unbinned pixels.
    """

    model_config = ConfigDict(extra="ignore")

    tilt_offset_deg: float = 0.0
    """Added to all tilt angles."""
    x_axis_tilt_deg: float = 0.0
    """Rotation of the specimen about x before tilting."""
    z_shift_px: float = 0.0
    """How far the specimen is moved up (to higher z) in the tomogram."""
    thickness_px: float | None = None
    thickness_source: str = ""

    @classmethod
    def read(cls, path: Path) -> Position:
        """Read the artifact."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))


def choose_thickness(
    given_px: int | None,
    binned_px: int | None,
    fallback_px: int | None,
    extra_px: int,
    position: Position,
    raw_size_px: int,
    binning: int,
    context: StepContext,
) -> tuple[int, str]:
    """Return the thickness in voxels of the tomogram, and where it comes from.

    A given thickness holds; else the one found is taken, with the extra one, unless it is less
    than half of the fallback; without either, a guess from the size of the views.

    Raises
    ------
    TomolineError
        PARAM-07 if several thicknesses are given.
    """
    named = {
        "thickness_px": given_px,
        "binned_thickness_px": binned_px,
        "fallback_thickness_px": fallback_px,
    }
    both = [name for name, value in named.items() if value is not None]
    if len(both) > 1:
        raise errors.parameters.CONFLICT.error("reconstruct", f"both {' and '.join(both)} are set.")
    if binned_px is not None:
        return binned_px, "given, in voxels of the tomogram"
    if given_px is not None:
        return _voxels(given_px, binning), "given"
    found = position.thickness_px
    if found is not None:
        total = found + extra_px
        if fallback_px is None or total >= _TOO_THIN * fallback_px:
            source = position.thickness_source or "found by position"
            return _voxels(total, binning), f"{source}, {extra_px} px added" if extra_px else source
        context.warn(
            errors.tilt.THICKNESS_GUESSED.notice(
                "reconstruct",
                f"{total:.0f} px were found, less than half of the fallback {fallback_px}, "
                "which is used.",
            )
        )
        return _voxels(fallback_px, binning), "fallback: the one found is too thin"
    if fallback_px is not None:
        return _voxels(fallback_px, binning), "fallback: none was found"
    guess = next((value for size, value in _GUESSES if raw_size_px <= size), _LARGEST_GUESS)
    context.warn(
        errors.tilt.THICKNESS_GUESSED.notice(
            "reconstruct", f"no thickness was given or found; {guess} px are used."
        )
    )
    return _voxels(guess, binning), "guessed from the size of the views"


def _voxels(unbinned_px: float, binning: int) -> int:
    """Return an even number of voxels for a thickness in unbinned pixels."""
    return max(_LEAST, 2 * round(unbinned_px / binning / 2))
