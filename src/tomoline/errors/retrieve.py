"""Errors of phase retrieval."""

from tomoline.errors._kind import ErrorKind

GEOMETRY_UNKNOWN = ErrorKind(
    "RETRIEVE-01",
    "geometry unknown",
    "Retrieving phase takes the X-ray energy, the pixel size and the distance of each series.",
    "Give them in the parameter file (ENERGY, PIXELSIZE, DISTANCES) or as parameters of the step "
    "scan; or set retrieve.method=none for the absorption.",
    step="retrieve",
)
METHOD_DOES_NOT_FIT = ErrorKind(
    "RETRIEVE-02",
    "method does not fit the scan",
    "Phase and absorption apart take two distances; one material takes a beta/delta above 0.",
    "Choose another retrieve.method, or set retrieve.beta_over_delta.",
    step="retrieve",
)
TOO_MANY_BAD = ErrorKind(
    "RETRIEVE-03",
    "too many projections cannot be used",
    "At most a fifth of the projections may be missing, truncated or blank.",
    "Copy the frames again, check the detector, or process the part of the scan that is whole.",
    step="retrieve",
)
FRAMES_LEFT_OUT = ErrorKind(
    "RETRIEVE-04",
    "projections left out",
    "A projection with a frame that cannot be read, or that shows no image, takes no part.",
    "Copy these frames again, and run again; a few missing projections do little harm.",
    step="retrieve",
    warning=True,
)
ONLY_ABSORPTION = ErrorKind(
    "RETRIEVE-05",
    "absorption instead of phase",
    "Without energy, pixel size, distance and, for one distance, beta/delta, no phase is "
    "retrieved.",
    "If the scan has phase contrast, give them; if not, set retrieve.method=none.",
    step="retrieve",
    warning=True,
)
LITTLE_PADDING = ErrorKind(
    "RETRIEVE-06",
    "little padding",
    "Padding must be as wide as the fringes reach, or they wrap around to the other side.",
    "Raise retrieve.padding_px (PADDING in the parameter file).",
    step="retrieve",
    warning=True,
)
NOT_FINITE = ErrorKind(
    "RETRIEVE-07",
    "projection not finite",
    "A retrieved projection must consist of finite numbers.",
    "Look at the frames and flats that it names; please report the fault if they are in order.",
    step="retrieve",
)

KINDS: tuple[ErrorKind, ...] = (
    GEOMETRY_UNKNOWN,
    METHOD_DOES_NOT_FIT,
    TOO_MANY_BAD,
    FRAMES_LEFT_OUT,
    ONLY_ABSORPTION,
    LITTLE_PADDING,
    NOT_FINITE,
)
