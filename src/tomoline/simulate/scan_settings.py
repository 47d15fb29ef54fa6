"""What a simulated X-ray scan is like: every choice that a user has."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from tomoline.params import StepParams, parameter


class ScanSimulation(StepParams):
    """What a simulated X-ray scan is like."""

    seed: int = parameter(1, help="Same number, same bytes.", ge=0)
    width_px: int = parameter(512, help="Width of a frame.", ge=16)
    height_px: int = parameter(128, help="Height of a frame.", ge=4)
    angles: int = parameter(400, help="Projections at each distance.", ge=1)
    range_deg: float = parameter(180.0, help="Turn of the scan; 180 or 360.", gt=0, le=360)
    end_included: bool = parameter(
        False, help="Whether the last projection lies at the end of the range, not before it."
    )
    distances_m: tuple[float, ...] = parameter(
        (0.073, 0.077, 0.083, 0.092),
        help="Specimen to detector, one for each set of frames; 0 shows plain absorption.",
        min_length=1,
    )
    source_distance_m: float | None = parameter(
        None, help="Source to specimen; none: the beam is parallel.", gt=0
    )
    energy_kev: float = parameter(18.0, help="X-ray energy.", gt=0)
    pixel_size_um: float = parameter(0.65, help="Size of a detector pixel.", gt=0)
    phase_rad: float = parameter(
        0.5, help="Largest phase that the specimen makes, so that it is a weak one.", unit="rad"
    )
    beta_over_delta: float = parameter(
        0.1, help="Absorption of the specimen relative to its refraction.", ge=0
    )
    ellipsoids: int | None = parameter(
        None, help="Ellipsoids in the specimen; none: as many as fill it evenly.", ge=0
    )
    matrix_share: float = parameter(
        0.3, help="Density of the cylinder round the ellipsoids, relative to a usual one.", ge=0
    )
    oversampling: int = parameter(
        1, help="Points of the wave along a pixel; 2 adds the blur of real pixels.", ge=1, le=4
    )
    axis_px: float | None = parameter(
        None, help="Column of the rotation axis, from 0, at the middle row."
    )
    axis_offset_px: float | None = parameter(
        None, help="Axis relative to the middle column; none: drawn within 1.2 % of the width."
    )
    overlap_px: float | None = parameter(
        None, help="Columns that the halves of a full turn share; puts the axis to a side.", gt=0
    )
    axis_side: Literal["left", "right"] = parameter(
        "right", help="Side of the field where the axis lies, with 'overlap_px'."
    )
    axis_tilt_deg: float = parameter(
        0.0, help="Tilt of the axis in the frame; positive leans to the right in higher rows."
    )
    shift_px: float = parameter(2.5, help="Largest shift between the distances.", ge=0)
    counts: float = parameter(8000.0, help="Photons in a pixel of a flat, on average.", gt=0)
    noise: bool = parameter(True, help="Whether photons are counted one by one.")
    flats: int = parameter(40, help="Flats at each distance.", ge=0)
    flats_in_one_file: bool = parameter(False, help="Whether flats are pages of one file.")
    darks: int = parameter(0, help="Darks at each distance.", ge=0)
    dark_counts: float = parameter(100.0, help="What the detector counts without a beam.", ge=0)
    stripes_percent: float = parameter(
        12.0, help="Contrast of the beam's stripes, standard deviation.", ge=0, le=30
    )
    stripe_drift_px: float = parameter(
        1.5, help="How far the stripes wander, standard deviation.", ge=0
    )
    flux_percent: float = parameter(
        1.0, help="Change of the beam's intensity, standard deviation.", ge=0, le=20
    )
    gain_percent: float = parameter(
        1.0, help="Difference of the pixels' sensitivity, standard deviation.", ge=0, le=20
    )
    rings_percent: float = parameter(
        0.1,
        help="Change of the sensitivity between flats and projections, which makes rings.",
        ge=0,
        le=20,
    )
    zingers: int = parameter(0, help="Pixels of each frame that a stray photon lights up.", ge=0)
    blank_frames: int = parameter(0, help="Frames that the shutter kept dark.", ge=0)
    truncated_frames: int = parameter(0, help="Frames whose file is cut short.", ge=0)
    missing_frames: int = parameter(0, help="Frames that are not there.", ge=0)
    tell_angles: bool = parameter(True, help="Whether the parameter file tells the angles.")
    flat_average: int = parameter(3, help="What the parameter file says of FLATAVG.", ge=1)
    padding_px: int = parameter(50, help="What the parameter file says of PADDING.", ge=0)
    frames_per_second: float = parameter(
        0.0, help="How fast frames appear, as at a beamline; 0: at once.", unit="1/s", ge=0
    )

    @model_validator(mode="before")
    @classmethod
    def _split_distances(cls, values: Any) -> Any:
        """Let the command line give distances as text."""
        distances = values.get("distances_m") if isinstance(values, dict) else None
        if isinstance(distances, str):
            parts = distances.replace(",", " ").split()
            return {**values, "distances_m": tuple(parts)}
        return values

    @property
    def step_deg(self) -> float:
        """Angle between projections."""
        return self.range_deg / max(self.angles - (1 if self.end_included else 0), 1)


def tiny_scan(**changes: Any) -> ScanSimulation:
    """Return settings of a scan that is made in a second or two, for tests.

    96 x 24 pixels, 60 angles, 2 distances; `changes` are fields in place of these.
    """
    small: dict[str, Any] = {
        "width_px": 96,
        "height_px": 24,
        "angles": 60,
        "distances_m": (0.073, 0.092),
        "flats": 12,
        "padding_px": 16,
    }
    return ScanSimulation(**{**small, **changes})
