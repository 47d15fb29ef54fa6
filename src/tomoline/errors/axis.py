"""Errors of finding the rotation axis."""

from tomoline.errors._kind import ErrorKind

UNKNOWN = ErrorKind(
    "AXIS-01",
    "rotation axis not known",
    "The projections must show something that turns, for the axis to be found.",
    "Give the axis with axis.axis_px, or look at the projections: is there a specimen, does it "
    "turn, are the angles right?",
    step="axis",
    warning=True,
)
DISAGREE = ErrorKind(
    "AXIS-02",
    "methods disagree about the rotation axis",
    "Independent methods should find the same axis.",
    "Look at the picture axis_sweep; if another slice is sharper, give its number with "
    "axis.axis_px.",
    step="axis",
    warning=True,
)
OUTSIDE_RANGE = ErrorKind(
    "AXIS-03",
    "rotation axis at the edge of the search range or outside",
    "The best axis should lie well inside the range that is searched.",
    "Look at the picture axis_sweep; widen axis.search_px, or correct axis.guess_px.",
    step="axis",
    warning=True,
)
GUESS_FAR = ErrorKind(
    "AXIS-04",
    "guess of the rotation axis is far off",
    "A guess should lie near the axis that the projections show.",
    "Correct the guess (ROTATION-AXIS-GUESS counts columns after the region of interest was cut), "
    "or insist on it with axis.axis_px.",
    step="axis",
    warning=True,
)
LARGE_TILT = ErrorKind(
    "AXIS-05",
    "rotation axis is tilted much",
    "An axis that leans by more than half a pixel over half the width blurs slices vertically, "
    "which an axis for each row cannot undo.",
    "Align the rotation stage or the camera; expect some blur at the rim of the slices.",
    step="axis",
    warning=True,
)
GIVEN_DIFFERS = ErrorKind(
    "AXIS-06",
    "given rotation axis differs from the projections'",
    "An axis that is given is used, and should be the one that the projections show.",
    "Look at the picture axis_sweep; leave axis.axis_px out to use the one that was found.",
    step="axis",
    warning=True,
)
OUTSIDE_FIELD = ErrorKind(
    "AXIS-07",
    "given rotation axis lies outside the projections",
    "The axis must lie between the first and the last column.",
    "Give a column of the frames after the region of interest was cut; the first is 0.",
    step="axis",
)
NO_HALF_TURN = ErrorKind(
    "AXIS-08",
    "angles do not cover half a turn",
    "Projections half a turn apart are what shows the axis most surely.",
    "Give the axis with axis.axis_px if the picture axis_sweep is not sharp; check the angles.",
    step="axis",
    warning=True,
)
TOO_FEW = ErrorKind(
    "AXIS-09",
    "too few projections",
    "At least 8 projections at different angles must take part.",
    "Look at which projections were excluded and why (scan.exclude_frames, warnings of the steps "
    "before); a specimen cannot be reconstructed from so few.",
    step="axis",
)
BAD_ROWS = ErrorKind(
    "AXIS-10",
    "rows outside the projections",
    "Rows are given as first and last, the first row is 0.",
    "Give rows within the height of the frames.",
    step="axis",
)
UNSURE = ErrorKind(
    "AXIS-11",
    "rotation axis is not sure",
    "The confidence in the axis should be above a half.",
    "Look at the picture axis_sweep; give the number of the sharpest slice with axis.axis_px.",
    step="axis",
    warning=True,
)
SIDE_OF_HALF_TURN = ErrorKind(
    "AXIS-12",
    "side given for half a turn",
    "Halves are joined only where a full turn was recorded.",
    "Leave axis.side out, or check the angles (scan.range_deg).",
    step="axis",
    warning=True,
)

KINDS: tuple[ErrorKind, ...] = (
    UNKNOWN,
    DISAGREE,
    OUTSIDE_RANGE,
    GUESS_FAR,
    LARGE_TILT,
    GIVEN_DIFFERS,
    OUTSIDE_FIELD,
    NO_HALF_TURN,
    TOO_FEW,
    BAD_ROWS,
    UNSURE,
    SIDE_OF_HALF_TURN,
)
