"""Errors of flats and darks."""

from tomoline.errors._kind import ErrorKind

OTHER_SIZE = ErrorKind(
    "FLATS-01",
    "flats or darks of another size than the projections",
    "Flats, darks and projections of a distance must have the same rows and columns.",
    "Take the flats that belong to this scan, and check the region of interest.",
    step="flats",
)
NO_FLATS = ErrorKind(
    "FLATS-02",
    "no flats",
    "A frame is divided by what the beam is without a specimen.",
    "The run goes on with one level for all pixels, so that stripes and rings remain; add flats, "
    "or set retrieve to a method that does not need them.",
    step="flats",
    warning=True,
)
FLAT_LEFT_OUT = ErrorKind(
    "FLATS-03",
    "flat left out",
    "Flats must show the beam alone: not blank, not saturated, no specimen.",
    "The other flats are used; look at the named one if there are few.",
    step="flats",
    warning=True,
)
FEW_FLATS = ErrorKind(
    "FLATS-04",
    "fewer flats than shall be averaged",
    "There should be at least as many flats as are averaged for a frame.",
    "All that are there are used; record more flats for less noise.",
    step="flats",
    warning=True,
)
NO_TIMES = ErrorKind(
    "FLATS-05",
    "no times of recording",
    "To interpolate between flats in time, the times of flats and projections must be known.",
    "The mean of all flats is used; set flats.method=best to match flats by their looks.",
    step="flats",
    warning=True,
)
MANY_BAD_PIXELS = ErrorKind(
    "FLATS-06",
    "many bad pixels",
    "Few pixels of a detector should be dead or hot.",
    "They are replaced by their neighbours; check that flats and darks are those of this scan.",
    step="flats",
    warning=True,
)
NOT_BRIGHTER = ErrorKind(
    "FLATS-07",
    "flats not brighter than darks",
    "Flats must be brighter than darks.",
    "Check that flats and darks are not swapped, and that the shutter was open.",
    step="flats",
)

KINDS: tuple[ErrorKind, ...] = (
    OTHER_SIZE,
    NO_FLATS,
    FLAT_LEFT_OUT,
    FEW_FLATS,
    NO_TIMES,
    MANY_BAD_PIXELS,
    NOT_BRIGHTER,
)
