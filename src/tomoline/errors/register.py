"""Errors of registering distances and of joining the halves of a full turn."""

from tomoline.errors._kind import ErrorKind

OUTLIERS = ErrorKind(
    "REGISTER-01",
    "angles whose shift was not used",
    "The shifts between distances change smoothly over a scan.",
    "Nothing, if they are few: the angles around them tell their shift. Look at these frames; "
    "exclude them (scan.exclude_frames) if they are spoilt.",
    step="register",
    warning=True,
)
NOT_REGISTERED = ErrorKind(
    "REGISTER-02",
    "distance without a sure shift",
    "At most anchors the images of two distances must agree clearly better at one shift than at "
    "any other.",
    "Check the frames and flats of this distance; set register.beta_over_delta, or "
    "register.method=none if the stage is known to hold still.",
    step="register",
    warning=True,
)
OUT_OF_RANGE = ErrorKind(
    "REGISTER-03",
    "shift beyond the search range",
    "The largest shift must lie within the range that is searched.",
    "Raise register.search_px above the size of this shift.",
    step="register",
    warning=True,
)
NOT_SMOOTH = ErrorKind(
    "REGISTER-04",
    "shifts that do not follow a smooth course",
    "Measured shifts should lie near their smooth course over the scan.",
    "Set register.every_angles=1 if the stage jumps from angle to angle; otherwise look for "
    "weak contrast or poor flats.",
    step="register",
    warning=True,
)
MAGNIFICATION = ErrorKind(
    "REGISTER-05",
    "magnification differs from the geometry",
    "The corners of an image should shift as its middle does, once the magnification that the "
    "distances tell is undone.",
    "Check the distances and the source's distance; set register.magnification to the values "
    "that were found.",
    step="register",
    warning=True,
)
WRONG_COUNT = ErrorKind(
    "REGISTER-06",
    "wrong number of magnifications",
    "There must be one magnification for each distance, that of the first one 1.",
    "Correct register.magnification.",
    step="register",
)
NO_PARTNERS = ErrorKind(
    "REGISTER-11",
    "no projections half a turn apart",
    "An axis at the side of the field needs projections over a full turn.",
    "Check the angles of the scan; set axis.axis_px if the axis does not lie at the side.",
    step="stitch",
)
FEW_PARTNERS = ErrorKind(
    "REGISTER-12",
    "projections without a partner",
    "Each projection of the first half turn has one that was taken half a turn later.",
    "Nothing, if they are few: their neighbours stand in. Look for missing or spoilt frames.",
    step="stitch",
    warning=True,
)
SMALL_OVERLAP = ErrorKind(
    "REGISTER-13",
    "halves hardly overlap",
    "The halves of a full turn need some columns in common to be joined without a trace.",
    "Lower stitch.mask_px, or move the axis further into the field next time.",
    step="stitch",
    warning=True,
)
HALVES_DISAGREE = ErrorKind(
    "REGISTER-14",
    "halves do not agree",
    "In the columns that both halves show they must show the same.",
    "Check the axis in the sweep picture; set axis.axis_px, or stitch.offset_y_px if one half "
    "lies higher than the other.",
    step="stitch",
    warning=True,
)

KINDS: tuple[ErrorKind, ...] = (
    OUTLIERS,
    NOT_REGISTERED,
    OUT_OF_RANGE,
    NOT_SMOOTH,
    MAGNIFICATION,
    WRONG_COUNT,
    NO_PARTNERS,
    FEW_PARTNERS,
    SMALL_OVERLAP,
    HALVES_DISAGREE,
)
