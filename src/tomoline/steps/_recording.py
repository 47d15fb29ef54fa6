"""What stack, header and .mdoc tell of a recording, and which of them is believed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoline import errors
from tomoline.files import angles as angle_files
from tomoline.files import mdoc as mdoc_files
from tomoline.files.stack import Stack, open_stack
from tomoline.steps._base import StepContext
from tomoline.steps._delivery import companions

if TYPE_CHECKING:
    from tomoline.steps.setup import SetupParams

SQUARE_TOLERANCE = 0.01
ANGLES_AGREE_DEG = 0.5
LARGEST_TILT_DEG = 180.0


@dataclass(frozen=True)
class Recording:
    """A stack and all that lies beside it."""

    path: Path
    stack: Stack
    rawtlt: Path | None
    """File of tilt angles that is used first."""
    mdoc_views: tuple[mdoc_files.MdocView, ...]
    mdoc_axis_deg: float | None
    mdoc_pixel_size_nm: float | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(view, y, x)."""
        return self.stack.shape

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Kind of the stack's numbers."""
        return self.stack.dtype

    @property
    def is_mrc(self) -> bool:
        """Whether the stack can be delivered as it is."""
        return self.stack.header is not None

    @property
    def pixel_size_nm(self) -> float | None:
        """Pixel size of header or .mdoc."""
        return self.stack.pixel_size_nm or self.mdoc_pixel_size_nm

    def read(self, view: int) -> NDArray[np.float32]:
        """Read one view."""
        return self.stack.read(view)


@dataclass(frozen=True)
class Dose:
    """Dose of a view, before it, and its place in the order of acquisition."""

    dose: float | None
    prior: float | None
    order: int | None


def read_recording(source: Path, params: SetupParams, context: StepContext) -> Recording:
    """Open a stack and read what lies beside it.

    Raises
    ------
    TomolineError
        FILE-.. for files that cannot be used; an .mdoc that cannot be used is only a warning.
    """
    stack = open_stack(source)
    beside = companions(source)
    views: tuple[mdoc_files.MdocView, ...] = ()
    axis, pixel = None, None
    if "mdoc" in beside:
        try:
            document = mdoc_files.read(beside["mdoc"])
            views = tuple(mdoc_files.views(document))
            axis, pixel = mdoc_files.tilt_axis_deg(document), document.pixel_size_nm
            for notice in document.notices:
                context.warn(notice)
        except errors.TomolineError as error:
            context.warn(errors.tilt.BAD_MDOC.notice(beside["mdoc"], error.found))
    angles = beside.get("rawtlt") if params.use_rawtlt else None
    if params.tilt_angles_file is not None:
        angles = Path(params.tilt_angles_file)
    return Recording(source, stack, angles, views, axis, pixel)


def choose_pixel_size(recording: Recording, params: SetupParams) -> tuple[float | None, str]:
    """Return the pixel size and who told it: parameter, header, .mdoc.

    Raises
    ------
    TomolineError
        SETUP-06 if pixels are not square.
    """
    if params.pixel_size_nm is not None:
        return params.pixel_size_nm, "setup.pixel_size_nm"
    if not params.scan_header:
        return None, "unknown"
    width, height = recording.stack.pixel_size_nm, recording.stack.pixel_size_y_nm
    if width and height and abs(width / height - 1) > SQUARE_TOLERANCE:
        raise errors.tilt.NON_SQUARE_PIXELS.error(
            recording.path, f"they are {width:.4g} nm wide and {height:.4g} nm high."
        )
    if recording.stack.pixel_size_nm is not None:
        return recording.stack.pixel_size_nm, "header"
    if recording.mdoc_pixel_size_nm is not None:
        return recording.mdoc_pixel_size_nm, "mdoc"
    return None, "unknown"


def choose_axis(recording: Recording, params: SetupParams) -> tuple[float | None, str]:
    """Return the tilt axis angle and who told it: parameter, header, .mdoc."""
    if params.tilt_axis_deg is not None:
        return params.tilt_axis_deg, "setup.tilt_axis_deg"
    if params.scan_header and recording.stack.header_tilt_axis_deg is not None:
        return recording.stack.header_tilt_axis_deg, "header"
    if params.scan_header and recording.mdoc_axis_deg is not None:
        return recording.mdoc_axis_deg, "mdoc"
    return None, "unknown"


def choose_angles(
    recording: Recording, params: SetupParams, context: StepContext
) -> tuple[NDArray[np.float64], str]:
    """Return the tilt angle of each view in degrees, and where they come from.

    An explicit first angle and increment come first; then .rawtlt, .mdoc, extended header.

    Raises
    ------
    TomolineError
        SETUP-01 if their number is wrong, SETUP-02 if there are none.
    """
    count = recording.shape[0]
    candidates: list[tuple[str, NDArray[np.float64]]] = []
    if params.first_and_increment_deg is not None:
        first, increment = params.first_and_increment_deg
        regular: NDArray[np.float64] = first + increment * np.arange(count, dtype=np.float64)
        candidates.append(("first and increment", regular))
    if recording.rawtlt is not None:
        candidates.append((recording.rawtlt.name, angle_files.read(recording.rawtlt)))
    if params.extract_angles:
        told = [view.tilt_deg for view in recording.mdoc_views]
        if told and all(angle is not None for angle in told):
            candidates.append(("mdoc", np.array(told, dtype=np.float64)))
        header = recording.stack.header_tilt_deg
        if header is not None:
            candidates.append(("header", np.array(header, dtype=np.float64)))
    if not candidates:
        raise errors.tilt.NO_ANGLES.error(
            recording.path,
            "there is no .rawtlt, .mdoc or header with tilt angles.",
            _remedy_for_angles(recording.path),
        )
    if candidates[0][0] == "mdoc" and len(candidates[0][1]) != count and len(candidates) > 1:
        number = len(candidates.pop(0)[1])
        context.warn(
            errors.tilt.BAD_MDOC.notice(
                recording.path, f"the .mdoc describes {number} views, the stack has {count}."
            )
        )
    source, angles = candidates[0]
    if len(angles) != count:
        raise errors.tilt.ANGLES_DO_NOT_MATCH.error(
            recording.path, f"{source} has {len(angles)} tilt angles, the stack {count} views."
        )
    if not np.all(np.isfinite(angles)) or np.max(np.abs(angles)) > LARGEST_TILT_DEG:
        raise errors.tilt.BAD_ANGLES.error(
            recording.path, f"{source} holds angles that are no tilt angles in degrees."
        )
    if np.ptp(angles) == 0:
        raise errors.tilt.BAD_ANGLES.error(
            recording.path, f"all tilt angles of {source} are {angles[0]:g} degrees."
        )
    for other, values in candidates[1:]:
        if len(values) == count and np.max(np.abs(values - angles)) > ANGLES_AGREE_DEG:
            difference = np.max(np.abs(values - angles))
            context.warn(
                errors.tilt.ANGLES_DIFFER.notice(
                    recording.path,
                    f"those of {source} are used; those of {other} differ by up to "
                    f"{difference:.1f} degrees.",
                )
            )
    return angles, source


def _remedy_for_angles(stack: Path) -> str | None:
    """Point at a file of angles under another name, if one lies beside the stack."""
    others = sorted(stack.parent.glob("*.rawtlt"))
    if not others:
        return None
    named = " or ".join(f"--set setup.tilt_angles_file={path}" for path in others[:2])
    return f"If the angles are those of another file beside the stack, say so: {named}."


def doses_of(
    recording: Recording, params: SetupParams, angles_deg: NDArray[np.float64]
) -> list[Dose]:
    """Return the dose of each view, before it, and the order of acquisition, where known.

    From the .mdoc, else from the dose per view and the scheme that the parameters tell.
    """
    count = recording.shape[0]
    views = recording.mdoc_views
    if len(views) != count:
        views = ()
    told = [view.order for view in views if view.order is not None]
    order: list[int] | None = None
    if told and len(told) == count:
        order = [place + 1 for place in told]
    elif params.dose_symmetric:
        order = _ranks(np.abs(angles_deg - angles_deg[np.argmin(np.abs(angles_deg))]))
    elif params.bidirectional_start_deg is not None:
        away = angles_deg - params.bidirectional_start_deg
        first_side = away >= 0 if angles_deg[-1] >= angles_deg[0] else away <= 0
        order = _ranks(np.where(first_side, np.abs(away), np.abs(away) + 1e3))
    doses: list[float | None] = [view.exposure_dose_e_per_a2 for view in views] or [None] * count
    doses = [params.dose_per_view_e_per_a2 if not dose else dose for dose in doses]
    priors: list[float | None] = [view.prior_dose_e_per_a2 for view in views] or [None] * count
    if order is not None and all(dose is not None for dose in doses):
        by_order = np.argsort(order)
        running = np.cumsum([0.0, *(doses[view] or 0.0 for view in by_order)])
        for place, view in enumerate(by_order):
            if priors[view] is None:
                priors[view] = float(running[place])
    return [
        Dose(dose, prior, order[view] if order else None)
        for view, (dose, prior) in enumerate(zip(doses, priors, strict=True))
    ]


def _ranks(values: NDArray[np.float64]) -> list[int]:
    return [int(rank) + 1 for rank in np.argsort(np.argsort(values, kind="stable"))]
