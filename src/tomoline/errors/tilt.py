"""Errors and warnings of the steps of the tilt recipe, in the order of the steps.

The kinds of each step stand together; a step's own checks raise them.
"""

from tomoline.errors._kind import ErrorKind

ANGLES_DO_NOT_MATCH = ErrorKind(
    "SETUP-01",
    "number of tilt angles differs from number of views",
    "There must be one tilt angle for every view of the stack.",
    "Correct the .rawtlt file, or set setup.use_rawtlt=false to use another source.",
    step="setup",
)
NO_ANGLES = ErrorKind(
    "SETUP-02",
    "no tilt angles found",
    "Tilt angles come from .rawtlt, .mdoc, the header, or first and increment.",
    "Put a ROOT.rawtlt beside the stack, or set setup.first_and_increment_deg.",
    step="setup",
)
NO_PIXEL_SIZE = ErrorKind(
    "SETUP-03",
    "pixel size unknown",
    "The pixel size must be known to find gold beads of a given size.",
    "Set setup.pixel_size_nm.",
    step="setup",
)
TOO_FEW_VIEWS = ErrorKind(
    "SETUP-04",
    "too few views",
    "A tilt series needs at least three usable views.",
    "Check that the stack is a tilt series and which views are excluded.",
    step="setup",
)
NOT_A_STACK = ErrorKind(
    "SETUP-05",
    "no tilt series to process",
    "The input must be a stack of images of one tilt series.",
    "Give the path of the stack.",
    step="setup",
)
NON_SQUARE_PIXELS = ErrorKind(
    "SETUP-06",
    "pixels are not square",
    "Pixels must be square to within 1 %.",
    "Resample the images, or set setup.pixel_size_nm if the header is wrong.",
    step="setup",
)
MONTAGE = ErrorKind(
    "SETUP-07",
    "montage",
    "Montaged tilt series are not blended yet.",
    "Blend the pieces first, for instance with blendmont.",
    step="setup",
)
DUAL_AXIS = ErrorKind(
    "SETUP-08",
    "one axis of a dual-axis set",
    "Each axis becomes a tomogram of its own; tomoline does not combine axes yet.",
    "Combine the whole tomograms, ROOTa_full_rec.mrc and ROOTb_full_rec.mrc, in IMOD with "
    "solvematch or dualvolmatch; the page 'Dual-axis series' of the documentation tells how.",
    step="setup",
    warning=True,
)
BAD_MDOC = ErrorKind(
    "SETUP-09",
    ".mdoc that cannot be used",
    "An .mdoc beside the stack should describe it.",
    "The run goes on without it; correct or remove the file if angles or doses are missing.",
    step="setup",
    warning=True,
)
BAD_ANGLES = ErrorKind(
    "SETUP-10",
    "tilt angles that cannot be",
    "Tilt angles are finite numbers of degrees that differ from view to view.",
    "Correct the source of the angles, or set setup.first_and_increment_deg.",
    step="setup",
)
ANGLES_DIFFER = ErrorKind(
    "SETUP-11",
    "sources of tilt angles differ",
    "Where several sources tell the tilt angles, they should agree.",
    "Check which is right; remove the wrong one or set setup.use_rawtlt=false.",
    step="setup",
    warning=True,
)
BOUNDARY_NOT_CARRIED = ErrorKind(
    "SETUP-12",
    "boundary model not carried over",
    "The boundary of axis b is that of axis a where it is sure how the axes lie to each other.",
    "Axis b is run without a boundary. Draw one on its raw stack, near zero tilt, save it as "
    "ROOTb_rawbound.mod beside the stack, and run axis b again.",
    step="setup",
    warning=True,
)

BAD_PIXELS = ErrorKind(
    "PREP-01",
    "no usable views",
    "At least three views must hold an image.",
    "Look at the stack; constant, dark or non-finite views cannot be used.",
    step="preprocess",
)
NON_FINITE = ErrorKind(
    "PREP-02",
    "pixels that are not numbers",
    "Pixels must be finite numbers.",
    "They were replaced from their neighbours; check the camera's output.",
    step="preprocess",
    warning=True,
)
DARK_VIEW = ErrorKind(
    "PREP-03",
    "dark, blank or off-scale view",
    "Views without an image carry no information.",
    "It takes no part from here on; preprocess.exclude_bad_views=false keeps it.",
    step="preprocess",
    warning=True,
)
UNSURE_SHIFT = ErrorKind(
    "COARSE-01",
    "view not surely aligned",
    "The correlation of a view with its neighbours must stand clear of chance.",
    "Look at it in the prealigned stack; exclude it (setup.exclude_views) if it shows nothing.",
    step="coarse_align",
    warning=True,
)
AXIS_LOOKS_WRONG = ErrorKind(
    "COARSE-02",
    "tilt axis angle looks wrong",
    "The given tilt axis angle must agree with how the images change with tilt.",
    "Correct setup.tilt_axis_deg, or set coarse_align.axis_from_images=true to use what was found.",
    step="coarse_align",
    warning=True,
)
AXIS_UNSURE = ErrorKind(
    "COARSE-03",
    "tilt axis angle uncertain",
    "Where nothing tells the tilt axis angle, the images must show it clearly.",
    "Give setup.tilt_axis_deg if you know it, or look whether features move across the axis.",
    step="coarse_align",
    warning=True,
)
VIEWS_DO_NOT_MATCH = ErrorKind(
    "ALI-01",
    "number of views differs between files",
    "Stack, transforms, angles and the list of views must belong to the same views.",
    "Run again from the step that writes the named file.",
)

TOO_FEW_TRACKS = ErrorKind(
    "ALIGN-01",
    "too few tracks to align with",
    "A fine alignment needs at least three beads or patches, each seen in three views.",
    "Track patches (track.method=patches), or align by correlation alone (track.method=none).",
    step="align",
)
NO_SOLUTION = ErrorKind(
    "ALIGN-02",
    "fine alignment failed",
    "The solved angles, scales and shifts must be finite and near their nominal values.",
    "Look at the tracks over the prealigned stack; solve for less (align.rotation=one, "
    "align.magnification=fixed), or track again.",
    step="align",
)
RESTRICTED = ErrorKind(
    "ALIGN-03",
    "fewer variables than asked for",
    "There must be enough measurements for the variables of the alignment.",
    "Nothing to do; track more beads for an alignment with all variables.",
    step="align",
    warning=True,
)
FALLBACK = ErrorKind(
    "ALIGN-04",
    "alignment solved in a simpler way",
    "The alignment that was asked for should come to a plausible end.",
    "Look at the residuals; points far off may need another tracking.",
    step="align",
    warning=True,
)
VIEW_WITHOUT_POINTS = ErrorKind(
    "ALIGN-05",
    "view aligned without points of its own",
    "Every view that takes part should hold tracked points.",
    "Such views lie as their neighbours and the coarse alignment say; exclude what looks wrong.",
    step="align",
    warning=True,
)
HIGH_RESIDUAL = ErrorKind(
    "ALIGN-06",
    "alignment does not predict well",
    "Points left out of the fit should be predicted to a pixel or two.",
    "Look at the views with high residuals; exclude bad views, or try the other way of tracking.",
    step="align",
    warning=True,
)
AXIS_MOVED = ErrorKind(
    "ALIGN-07",
    "tilt axis solved far from where it was thought",
    "The solved tilt axis angle should be near the one that tracking started from.",
    "Where residuals are small, set setup.tilt_axis_deg to the solved angle and run again from "
    "coarse_align; where they are not, trust what the images say, the value tilt_axis_found_deg of "
    "coarse_align.",
    step="align",
    warning=True,
)
NOT_LEVELLED = ErrorKind(
    "ALIGN-08",
    "tilt offset not used",
    "The points must tell how the specimen lies, and it must be inclined by a few degrees at most.",
    "Set align.angle_offset_deg if the tomogram is not level.",
    step="align",
    warning=True,
)
BAD_TRACK_VIEW = ErrorKind(
    "ALIGN-09",
    "view with high residuals",
    "No view should fit much worse than the others.",
    "Look at them in the aligned stack; exclude what shows little (setup.exclude_views).",
    step="align",
    warning=True,
)
NOT_POSITIONED = ErrorKind(
    "POS-01",
    "specimen not found in the tomogram",
    "The specimen must stand out from its surroundings to tell its place and thickness.",
    "The tomogram is placed by the alignment alone; give reconstruct.thickness_px if it is cut.",
    step="position",
    warning=True,
)

TOO_FEW_BEADS = ErrorKind(
    "FID-01",
    "too few gold beads",
    "Tracking beads needs several beads that are seen through the low-tilt views.",
    "Check setup.gold_diameter_nm and the pixel size, or leave find_fiducials.method at auto.",
    step="find_fiducials",
)
NO_GOLD_SIZE = ErrorKind(
    "FID-02",
    "size of the gold beads unknown",
    "Finding beads needs their size and the pixel size.",
    "Set setup.gold_diameter_nm and setup.pixel_size_nm, or use find_fiducials.method=patches.",
    step="find_fiducials",
)
BEADS_GIVEN_UP = ErrorKind(
    "FID-03",
    "gold was expected, but too few beads were found",
    "Where a size of gold is given, there should be beads to align by.",
    "Look at the prealigned stack; check setup.gold_diameter_nm.",
    step="find_fiducials",
    warning=True,
)
BAD_BOUNDARY = ErrorKind(
    "FID-04",
    "boundary model excludes everything",
    "The boundary model must leave an area to look for beads in.",
    "Draw closed contours on the raw stack, or drop find_fiducials.boundary_model.",
    step="find_fiducials",
)
RAPTOR_IS_BEADS = ErrorKind(
    "FID-05",
    "RAPTOR is not used",
    "tomoline finds and tracks beads by its own method, also where RAPTOR is asked for.",
    "Nothing needs to be done; set find_fiducials.method=beads to silence this.",
    step="find_fiducials",
    warning=True,
)
VIEW_NOT_TRACKED = ErrorKind(
    "TRACK-01",
    "view without tracked points",
    "Each included view needs tracked points to be aligned.",
    "Look at them; exclude what is bad (setup.exclude_views). Their alignment is interpolated from "
    "their neighbours.",
    step="track",
    warning=True,
)
COARSE_CORRECTED = ErrorKind(
    "TRACK-02",
    "coarse alignment of a view was far off",
    "Coarse alignment should be right to a few percent of the image's size.",
    "Tracking corrected it; nothing needs to be done unless its residual is high.",
    step="track",
    warning=True,
)
NOT_TRACKED = ErrorKind(
    "TRACK-03",
    "tracking failed",
    "What was asked to be tracked must be found in at least three views.",
    "Check the coarse alignment and the tilt angles, or leave find_fiducials.method at auto.",
    step="track",
)
OTHER_TRACKS = ErrorKind(
    "TRACK-04",
    "tracked something else than planned",
    "Beads are tracked where there are enough, patches otherwise.",
    "Look whether the aligned stack is good enough; set find_fiducials.method to decide.",
    step="track",
    warning=True,
)
FEW_POINTS = ErrorKind(
    "TRACK-05",
    "view with few tracked points",
    "Views with fewer than three points are aligned less well than the rest.",
    "Look at their residuals; more or smaller patches, or more beads, help.",
    step="track",
    warning=True,
)
THICKNESS_GUESSED = ErrorKind(
    "RECON-01",
    "thickness not known for sure",
    "The thickness must be given, or found from beads or from the density.",
    "Look whether the tomogram holds the whole specimen; set reconstruct.thickness_px if not.",
    step="reconstruct",
    warning=True,
)
SCALE_CLIPS = ErrorKind(
    "RECON-02",
    "values clipped by the scaling",
    "Scaled values must fit 16-bit integers.",
    "Give a smaller factor in reconstruct.scale, or none to keep floating-point numbers.",
    step="reconstruct",
    warning=True,
)
X_TILTS_VARY = ErrorKind(
    "RECON-03",
    "X-axis tilts differ between views",
    "One X-axis tilt is used for the heights of all views.",
    "Align with a common X-axis tilt if the tomogram's top and bottom look blurred.",
    step="reconstruct",
    warning=True,
)
NOTHING_TO_TRIM = ErrorKind(
    "TRIM-01",
    "no tomogram to trim",
    "There must be a tomogram by back-projection or SIRT.",
    "Run the step reconstruct first.",
    step="trim",
)
REGION_TOO_SMALL = ErrorKind(
    "TRIM-02",
    "sub-volume too small",
    "A sub-volume must have at least 40 pixels in X and Y and 4 slices in Z.",
    "Correct trim.width, trim.height or trim.thickness.",
    step="trim",
)
FLAT_TOMOGRAM = ErrorKind(
    "TRIM-03",
    "tomogram without contrast",
    "The slices must differ in density to be scaled to bytes.",
    "Look at the aligned stack; all bytes are 128.",
    step="trim",
    warning=True,
)

KINDS = (
    ANGLES_DO_NOT_MATCH,
    NO_ANGLES,
    NO_PIXEL_SIZE,
    TOO_FEW_VIEWS,
    NOT_A_STACK,
    NON_SQUARE_PIXELS,
    MONTAGE,
    DUAL_AXIS,
    BAD_MDOC,
    BAD_ANGLES,
    ANGLES_DIFFER,
    BOUNDARY_NOT_CARRIED,
    BAD_PIXELS,
    NON_FINITE,
    DARK_VIEW,
    UNSURE_SHIFT,
    AXIS_LOOKS_WRONG,
    AXIS_UNSURE,
    VIEWS_DO_NOT_MATCH,
    TOO_FEW_TRACKS,
    NO_SOLUTION,
    RESTRICTED,
    FALLBACK,
    VIEW_WITHOUT_POINTS,
    HIGH_RESIDUAL,
    AXIS_MOVED,
    NOT_LEVELLED,
    BAD_TRACK_VIEW,
    NOT_POSITIONED,
    TOO_FEW_BEADS,
    NO_GOLD_SIZE,
    BEADS_GIVEN_UP,
    BAD_BOUNDARY,
    RAPTOR_IS_BEADS,
    VIEW_NOT_TRACKED,
    COARSE_CORRECTED,
    NOT_TRACKED,
    OTHER_TRACKS,
    FEW_POINTS,
    THICKNESS_GUESSED,
    SCALE_CLIPS,
    X_TILTS_VARY,
    NOTHING_TO_TRIM,
    REGION_TOO_SMALL,
    FLAT_TOMOGRAM,
)
