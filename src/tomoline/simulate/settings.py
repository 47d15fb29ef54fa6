"""What a simulated tilt series is like: every choice that a user has."""

from __future__ import annotations

from tomoline.params import StepParams, parameter


class TiltSimulation(StepParams):
    """What a simulated tilt series is like."""

    seed: int = parameter(1, help="Same number, same bytes.", ge=0)
    width: int = parameter(512, help="Width of a view in pixels.", ge=16)
    height: int = parameter(512, help="Height of a view in pixels.", ge=16)
    views: int = parameter(41, help="Number of views; 41 is a step of 3 degrees.", ge=1)
    max_tilt_deg: float = parameter(60.0, help="Tilt of the last view.", gt=0, le=80)
    pixel_size_nm: float = parameter(1.0, help="Size of a pixel on the specimen.", gt=0)
    thickness_nm: float = parameter(100.0, help="Thickness of the slab of ice.", gt=0)
    gold: bool = parameter(True, help="Whether there are gold beads on the ice.")
    beads: int = parameter(24, help="Number of gold beads in the field.", ge=0)
    surfaces: int = parameter(2, help="Surfaces of the ice that carry gold, 1 or 2.", ge=1, le=2)
    gold_diameter_nm: float = parameter(10.0, help="Mean diameter of the gold.", gt=0)
    blobs: int | None = parameter(
        None, help="Protein-like blobs in the field; none: as many as fill the ice evenly.", ge=0
    )
    filaments: int | None = parameter(
        None, help="Bent filaments in the field; none: as many as fill the ice evenly.", ge=0
    )
    vesicles: int | None = parameter(
        None, help="Membrane vesicles in the field; none: as many as fill the ice evenly.", ge=0
    )
    tilt_axis_deg: float = parameter(
        85.3, help="Angle of the tilt axis from the vertical, counter-clockwise."
    )
    axis_jitter_deg: float = parameter(
        0.04, help="Standard deviation of the axis angle over the views.", ge=0
    )
    magnification_jitter_percent: float = parameter(
        0.06, help="Standard deviation of the magnification over the views.", ge=0
    )
    drift_percent: float = parameter(
        12.0, help="Largest shift of a view, in percent of the width.", ge=0, le=40
    )
    tilt_jitter_deg: float = parameter(
        0.0, help="Standard deviation of the stage's error of a tilt angle.", ge=0
    )
    tilt_offset_deg: float | None = parameter(
        None, help="Slope of the ice across the axis; none: drawn within 4 degrees."
    )
    pitch_deg: float | None = parameter(
        None, help="Slope of the ice along the axis; none: drawn within 5 degrees."
    )
    dose_e_per_a2: float = parameter(110.0, help="Electrons per square Angstrom, all views.", gt=0)
    noise: bool = parameter(True, help="Whether electrons are counted one by one.")
    voltage_kv: float = parameter(300.0, help="Voltage of the microscope.", gt=0)
    defocus_um: float = parameter(0.0, help="Underfocus; 0 shows plain absorption, without CTF.")
    spikes: int = parameter(12, help="X-ray hits of 1 to 4 pixels in each view.", ge=0)
    hot_pixels: int = parameter(5, help="Pixels that are too bright in all views.", ge=0)
    dark_views: int = parameter(0, help="Views that the shutter kept dark.", ge=0)
    axis_title: bool = parameter(
        True, help="Whether the header tells the tilt axis angle, as SerialEM writes it."
    )
    dual: bool = parameter(
        False,
        help="Whether to write two series of one specimen, OUTa and OUTb: for the second, the grid "
        "is turned.",
    )
    turn_deg: float | None = parameter(
        None,
        help="How far the grid is turned for the second axis, counter-clockwise; none: drawn "
        "within 4 degrees of 90.",
    )
    moved_percent: float = parameter(
        6.0,
        help="How far the grid lies from its first place after the turn, in percent of the width.",
        ge=0,
        le=40,
    )
    mdoc: bool = parameter(True, help="Whether to write a .mdoc with the dose of each view.")
