"""Errors of reconstructing and writing a volume."""

from tomoline.errors._kind import ErrorKind

TOO_FEW_ANGLES = ErrorKind(
    "VOLUME-01",
    "too few projections for slices",
    "At least three projections must take part.",
    "See which projections were left out, and why, with `tomoline show`.",
    step="slices",
)
NOT_JOINED = ErrorKind(
    "VOLUME-02",
    "axis at the side, halves not joined",
    "With the axis at the side of the field, the halves of a full turn must be joined first.",
    "Run the step stitch, or correct the rotation axis.",
    step="slices",
)
AXIS_OUTSIDE = ErrorKind(
    "VOLUME-03",
    "rotation axis outside the field",
    "The rotation axis must lie on the projections, in every row.",
    "Correct the rotation axis, and its slope.",
    step="slices",
)
ROW_OUTSIDE = ErrorKind(
    "VOLUME-04",
    "no such row",
    "Preview slices are rows of the projections, counted from 0.",
    "Correct slices.preview_rows, or leave it out.",
    step="slices",
)
WRONG_UNIT = ErrorKind(
    "VOLUME-05",
    "unit that slices cannot have",
    "Delta and phase come from retrieved phase, attenuation from projections without retrieval; "
    "delta needs the energy and the pixel size, lengths need the pixel size.",
    "Set slices.unit=auto, or give what is missing.",
    step="slices",
)
MISSING_ANGLES = ErrorKind(
    "VOLUME-06",
    "angles missing",
    "Projections should cover half a turn without a gap.",
    "Slices are blurred along the missing directions; check the angles, and why projections were "
    "left out.",
    step="slices",
    warning=True,
)
EMPTY_PREVIEW = ErrorKind(
    "VOLUME-07",
    "nothing in the preview",
    "The preview slices should show something; the limits come from them.",
    "Choose other slices.preview_rows, or give output.limits.",
    step="slices",
    warning=True,
)
PREVIEW_NOT_FINITE = ErrorKind(
    "VOLUME-08",
    "preview without numbers",
    "All voxels should be numbers.",
    "Look at the projections of these rows: flats without light, or values beyond all measure.",
    step="slices",
    warning=True,
)
BAD_LIMITS = ErrorKind(
    "VOLUME-30",
    "limits that are no range",
    "The second limit must be above the first, and both must be numbers.",
    "Correct output.limits, or leave it out: limits are then found from the preview slices.",
    step="output",
)
NO_LIMITS = ErrorKind(
    "VOLUME-31",
    "no limits for integers",
    "Integers need the values that become the least and the greatest of them.",
    "Give output.limits, or set output.type=float32.",
    step="output",
)
CLIPPED = ErrorKind(
    "VOLUME-32",
    "values outside the limits",
    "Nearly all voxels should lie between the limits; the others are stored as the nearest one.",
    "Give wider output.limits, or set output.type=float32, and run the step again.",
    step="output",
    warning=True,
)
NOT_FINITE = ErrorKind(
    "VOLUME-33",
    "values that are no numbers",
    "All voxels should be numbers.",
    "Look at the projections of these rows; integers hold the least value there.",
    step="output",
    warning=True,
)

KINDS: tuple[ErrorKind, ...] = (
    TOO_FEW_ANGLES,
    NOT_JOINED,
    AXIS_OUTSIDE,
    ROW_OUTSIDE,
    WRONG_UNIT,
    MISSING_ANGLES,
    EMPTY_PREVIEW,
    PREVIEW_NOT_FINITE,
    BAD_LIMITS,
    NO_LIMITS,
    CLIPPED,
    NOT_FINITE,
)
