"""Errors of reconstructing and writing a volume."""

from tomoline.errors._kind import ErrorKind

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
    BAD_LIMITS,
    NO_LIMITS,
    CLIPPED,
    NOT_FINITE,
)
