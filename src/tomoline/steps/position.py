"""Step 7: pitch, Z shift and thickness, from the points or from the density itself."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tomoline import errors
from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.kernels.find_section import Section
    from tomoline.kernels.surfaces import Surfaces
    from tomoline.steps.acquisition import Acquisition

_POSITIONING = "runtime.Positioning.any."
# Points that tell the slopes worse than this leave them to the density; if that tells them worse
# than this as well, they are taken to be 0.
_LEVEL_SD_DEG = 1.0
_DENSITY_SD_DEG = 1.7
_LARGEST_DEG = 20.0
_LEAST_POINTS = 5
# Half tomograms of fewer views agree in their streaks as much as in the specimen.
_LEAST_VIEWS = 9
_LEAST_THICKNESS_PX = 20
_TRIES = 2


class PositionParams(StepParams):
    """Find how the specimen lies in the tomogram, and where it ends.

    Slopes come from the beads where they tell, or else, like the limits in z, from the density: a
    coarse tomogram each of the even and the odd views, whose product is the structure's energy.
    """

    method: Literal["auto", "points", "density", "none"] = parameter(
        "auto",
        help="What tells the place: points and density together, one of them, or neither.",
        directive=_POSITIONING + "sampleType",
        directive_values={"0": "none", "1": "auto", "2": "auto"},
    )
    whole_tomogram: bool = parameter(
        True,
        help="Search in the whole coarse tomogram, which takes a second, or in three samples.",
        directive=_POSITIONING + "wholeTomogram",
    )
    binning: int | None = parameter(
        None,
        ge=1,
        le=64,
        help="Binning of the coarse tomogram; by default so that it is up to 320 pixels wide, and "
        "never so fine that it is wider than 640, which takes long and tells no more.",
        directive=_POSITIONING + "binByFactor",
    )
    search_thickness_px: int | None = parameter(
        None,
        ge=16,
        help="Thickness of the coarse tomogram in raw pixels, more than the specimen's; by "
        "default 250 to 600 by the size of the views, and more where the specimen reaches its "
        "limits.",
        directive=_POSITIONING + "thickness",
        when="For a specimen thicker than 600 pixels.",
    )
    border_px: float = parameter(
        5.0,
        ge=0,
        help="Room left above and below the specimen, in raw pixels; tomopitch's.",
    )
    has_gold_beads: bool = parameter(
        True,
        help="Cut down what stands out much, as gold does, so that it does not decide alone.",
        directive=_POSITIONING + "hasGoldBeads",
    )
    center_on_gold: bool = parameter(
        False,
        help="Put the middle of the beads' surfaces into the middle of the tomogram, not the "
        "middle of the density.",
        directive=_POSITIONING + "centerOnGold",
    )


@dataclass(frozen=True)
class Place:
    """How the specimen lies, in raw pixels and in the frame that is level after the corrections."""

    tilt_offset_deg: float = 0.0
    x_axis_tilt_deg: float = 0.0
    limits_px: tuple[float, float] | None = None
    angles_source: str = "none"
    thickness_source: str = "none"

    @property
    def z_shift_px(self) -> float:
        """How far the specimen must be moved in z to be in the middle."""
        return -sum(self.limits_px) / 2 if self.limits_px else 0.0

    @property
    def thickness_px(self) -> int | None:
        """Thickness of a tomogram that holds it, an even number."""
        if self.limits_px is None:
            return None
        height = self.limits_px[1] - self.limits_px[0]
        return max(2 * math.ceil(height / 2), _LEAST_THICKNESS_PX)


def run(params: PositionParams, context: StepContext) -> Values:
    """Find the place and write it for the reconstruction."""
    from tomoline.steps.acquisition import Acquisition

    views = Acquisition.read(context.input("views"))
    planes = _planes(params, context, views)
    vague = planes is not None and _kind(context) == "patches"
    section, binning = None, 1
    if params.method in ("auto", "density"):
        slopes = None if planes is None or vague else _slopes(planes)
        section, binning = _search(params, context, views, slopes)
    if vague and section is not None:
        planes = None  # the density tells it better than the heights of patches
    place = choose(params, planes, section, binning, views.gold_diameter_px or 0.0)
    if params.method != "none" and place.limits_px is None:
        found = "neither points nor density tell where it ends."
        context.warn(errors.tilt.NOT_POSITIONED.notice("", found))
    told = {
        "tilt_offset_deg": round(place.tilt_offset_deg, 4),
        "x_axis_tilt_deg": round(place.x_axis_tilt_deg, 4),
        "z_shift_px": round(place.z_shift_px, 3),
        "thickness_px": place.thickness_px,
        "thickness_source": place.thickness_source,
    }
    with context.writing("position") as path:
        path.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return {
        **told,
        "angles_source": place.angles_source,
        "coarse_binning": binning if section else None,
        "section_contrast": round(section.contrast, 2) if section else None,
        "section_slope_sd_deg": _slope_sd_deg(section),
        "section_low_px": round(section.low_px * binning, 1) if section else None,
        "section_high_px": round(section.high_px * binning, 1) if section else None,
        "section_profile": _profile(section),
        "surfaces": planes.count if planes else 0,
        "surfaces_thickness_px": round(planes.thickness_px, 1) if planes else None,
        "x_axis_tilt_sd_deg": round(planes.x_axis_tilt_sd_deg, 3) if planes else None,
    }


def choose(
    params: PositionParams,
    planes: Surfaces | None,
    section: Section | None,
    binning: int,
    gold_diameter_px: float,
) -> Place:
    """Put together what points and density tell; the fine alignment has levelled tilt already."""
    offset = x_tilt = 0.0
    angles_source = "none"
    if planes is not None:
        x_tilt, angles_source = planes.x_axis_tilt_deg, "points"
    elif section is not None and (section.slope_x_sd or section.slope_y_sd):
        a, b = section.slope_x, section.slope_y
        offset = -math.degrees(math.atan(a))
        x_tilt = math.degrees(math.asin(b / math.sqrt(1 + a * a + b * b)))
        angles_source = "density"
    limits, source = None, "none"
    if section is not None:
        length = math.sqrt(1 + section.slope_x**2 + section.slope_y**2)
        limits = (section.low_px * binning / length, section.high_px * binning / length)
        source = "density"
    if planes is not None and (planes.count == 2 or limits is not None):
        room = max(gold_diameter_px / 2, planes.scatter_px)
        beads = (planes.low_px - room, planes.high_px + room)
        if limits is None:
            limits, source = beads, "points"
        elif beads[0] < limits[0] or beads[1] > limits[1]:
            limits = (min(limits[0], beads[0]), max(limits[1], beads[1]))
            source = "density and points"
        if params.center_on_gold:
            reach = max(limits[1] - planes.middle_px, planes.middle_px - limits[0])
            limits = (planes.middle_px - reach, planes.middle_px + reach)
    if limits is not None:
        limits = (limits[0] - params.border_px, limits[1] + params.border_px)
    return Place(offset, x_tilt, limits, angles_source, source)


def _kind(context: StepContext) -> str:
    """Return what was tracked."""
    if not context.has("track_info"):
        return "beads"
    return str(json.loads(context.input("track_info").read_text("utf-8")).get("kind", "beads"))


def _planes(params: PositionParams, context: StepContext, views: Acquisition) -> Surfaces | None:
    """Return the planes through the solved points, where they tell how the specimen lies."""
    from tomoline.steps._align_tracks import read_points

    if params.method not in ("auto", "points") or not context.has("fiducials_3d"):
        return None
    from tomoline.kernels.surfaces import fit_surfaces

    points = read_points(context.input("fiducials_3d"), views)
    planes = fit_surfaces(points) if len(points) >= _LEAST_POINTS else None
    return planes if planes is not None and _tells(planes) else None


def _tells(planes: Surfaces) -> bool:
    """Whether points tell the slopes well enough, and nothing absurd."""
    sure = max(planes.x_axis_tilt_sd_deg, planes.tilt_offset_sd_deg) < _LEVEL_SD_DEG
    return sure and abs(planes.x_axis_tilt_deg) < _LARGEST_DEG


def _slopes(planes: Surfaces) -> tuple[float, float]:
    """Return the slopes a and b of z = a x + b y + c."""
    a = -math.tan(math.radians(planes.tilt_offset_deg))
    sine = math.sin(math.radians(planes.x_axis_tilt_deg))
    return a, sine * math.sqrt((1 + a * a) / (1 - sine * sine))


def _search(
    params: PositionParams,
    context: StepContext,
    views: Acquisition,
    slopes: tuple[float, float] | None,
) -> tuple[Section | None, int]:
    """Find the section in a coarse tomogram, thicker a second time if it reaches the limits."""
    import numpy as np

    from tomoline.files import angles
    from tomoline.files import transforms as transform_files
    from tomoline.files.stack import open_stack
    from tomoline.kernels.find_section import find_section
    from tomoline.steps import _position_density as density

    stack = open_stack(context.input("fixed_stack"))
    moves = transform_files.read(context.input("transforms"))
    tilt = np.radians(angles.read(context.input("tilt_angles")))
    included = np.flatnonzero(views.included)
    height, width = _aligned_size(moves, views)
    binning = density.choose_binning(params.binning, height, width)
    size = (height // binning, width // binning)
    if min(size) < 2 * density.BOX_PX or len(included) < _LEAST_VIEWS:
        return None, binning
    thickness = params.search_thickness_px or density.default_thickness_px(height, width)
    section = None
    for _ in range(_TRIES):
        plan = density.Geometry(
            transforms=moves[included],
            views=included,
            tilt_rad=tilt[included],
            binning=binning,
            thickness=max(thickness // binning, 8),
            size=size,
            gold=params.has_gold_beads,
        )
        boxes, rows_px = density.energy(stack, plan, context, params.whole_tomogram)
        section = find_section(boxes, float(density.BOX_PX), rows_px, slopes=slopes)
        if section is not None and not _sure(section):
            section = find_section(boxes, float(density.BOX_PX), rows_px, slopes=(0.0, 0.0))
        if section is None or params.search_thickness_px or not _cut(section, plan.thickness):
            break
        thickness = round(1.6 * thickness)
    return section, binning


def _sure(section: Section) -> bool:
    """Whether the density tells the slopes well enough."""
    return max(section.slope_x_sd, section.slope_y_sd) < math.tan(math.radians(_DENSITY_SD_DEG))


def _cut(section: Section, thickness: int) -> bool:
    """Whether the section reaches the limits of the tomogram it was searched in."""
    rim = 0.45 * thickness
    return section.low_px < -rim or section.high_px > rim


def _aligned_size(moves: NDArray[np.float64], views: Acquisition) -> tuple[int, int]:
    """Return height and width of the aligned views: exchanged where the axis is horizontal."""
    import numpy as np

    from tomoline import geometry

    axis = float(np.median(np.abs((geometry.axis_of_transform(moves) + 90) % 180 - 90)))
    swapped = axis > 45
    size = (views.height_px, views.width_px)
    return (size[1], size[0]) if swapped else size


def _slope_sd_deg(section: Section | None) -> float | None:
    """Return the greater error of the slopes that the density told."""
    if section is None or not (section.slope_x_sd or section.slope_y_sd):
        return None
    return round(math.degrees(math.atan(max(section.slope_x_sd, section.slope_y_sd))), 3)


def _profile(section: Section | None) -> list[float] | None:
    import numpy as np

    if section is None:
        return None
    top = float(np.max(np.abs(section.profile)))
    return [round(float(value) / top, 3) for value in section.profile]


def _memory_bytes(shape: Shape, params: PositionParams) -> int:
    from tomoline.steps import _position_density as density

    binning = density.choose_binning(params.binning, shape.height, shape.width)
    side = max(shape.height, shape.width) // binning
    thickness = params.search_thickness_px or 960
    view = density.view_bytes((shape.height, shape.width), binning, (side, side))
    chunk = 4 * 64 * (2 * (thickness // binning) * side + shape.views * 8 * side)
    return max(view, chunk)


POSITION = Step(
    name="position",
    number=7,
    title="pitch, Z shift and thickness",
    params=PositionParams,
    run=run,
    reads=("views", "fixed_stack", "transforms", "tilt_angles"),
    optional=("fiducials_3d", "track_info"),
    writes=("position",),
    memory_bytes=_memory_bytes,
)
