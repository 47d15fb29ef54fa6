"""Errors of finding and reading a scan: parameter files, frames, geometry."""

from tomoline.errors._kind import ErrorKind

NO_SCAN = ErrorKind(
    "SCAN-01",
    "nothing that looks like a scan",
    "The input is a parameter file, an HDF5 or Zeiss file, or a folder that holds one or numbered "
    "TIFF files.",
    "Give the path of the parameter file or of the HDF5 file.",
    step="scan",
)
UNKNOWN_KEY = ErrorKind(
    "SCAN-02",
    "misspelt key in a parameter file",
    "A parameter file holds 'KEY = value' lines with the keys on the page of formats.",
    "Correct the key, or mark the line with '#' as a comment.",
    step="scan",
)
BAD_VALUE = ErrorKind(
    "SCAN-03",
    "value in a parameter file that does not fit",
    "A value must be a number in the range that its key allows.",
    "Correct the value.",
    step="scan",
)
WRONG_UNIT = ErrorKind(
    "SCAN-04",
    "value that looks like another unit",
    "ENERGY is in keV, PIXELSIZE in micrometres, DISTANCES in metres.",
    "Convert the value to the unit of its key.",
    step="scan",
)
LISTS_DIFFER = ErrorKind(
    "SCAN-05",
    "lists of different lengths",
    "DISTANCES, PREFIX, PREFIX-FF and PREFIX-DARK have one entry for each distance.",
    "Give each distance its entry, separated by commas.",
    step="scan",
)
REPEATED_KEY = ErrorKind(
    "SCAN-06",
    "key given twice",
    "A key stands once in a parameter file.",
    "Remove one of the lines.",
    step="scan",
)
MISSING_KEY = ErrorKind(
    "SCAN-07",
    "key missing in a parameter file",
    "PREFIX must say which frames belong to the scan.",
    "Add the key.",
    step="scan",
)
NO_FRAMES = ErrorKind(
    "SCAN-08",
    "no frames for a distance",
    "Each prefix must be that of at least one frame, PREFIX followed by a number and .tif(f).",
    "Correct the prefix, or say with FOLDER where the frames lie.",
    step="scan",
)
FRAMES_MISSING = ErrorKind(
    "SCAN-09",
    "frames missing",
    "The numbers of the frames should have no gaps.",
    "The scan is reconstructed without them; copy the frames again if they exist elsewhere.",
    step="scan",
    warning=True,
)
BAD_FRAMES = ErrorKind(
    "SCAN-10",
    "frames that cannot be used",
    "All frames should be whole and of one size.",
    "The scan is reconstructed without them; copy the frames again if the originals are whole.",
    step="scan",
    warning=True,
)
TOO_FEW_FRAMES = ErrorKind(
    "SCAN-11",
    "too few usable frames",
    "A scan needs at least three projections, and four of five of those that belong to it.",
    "Copy the missing frames, or set scan.exclude_frames to say that they are meant to be left "
    "out.",
    step="scan",
)
OTHER_SIZE = ErrorKind(
    "SCAN-12",
    "frames of different sizes",
    "Projections, flats and darks of all distances must have the same size.",
    "Check the prefixes, or record the flats with the same region of the detector.",
    step="scan",
)
COUNTS_DIFFER = ErrorKind(
    "SCAN-13",
    "distances with different numbers of frames",
    "Each angle should have a frame at each distance.",
    "Only the angles that all distances have are used.",
    step="scan",
    warning=True,
)
ANGLES_ASSUMED = ErrorKind(
    "SCAN-14",
    "angles assumed",
    "The files do not tell the angles of the projections.",
    "Set scan.step_deg or scan.range_deg, or ANGLE-STEP in the parameter file.",
    step="scan",
    warning=True,
)
ANGLES_DO_NOT_MATCH = ErrorKind(
    "SCAN-15",
    "angles that do not fit the projections",
    "There must be one angle for each projection, or one for each frame, in degrees.",
    "Name the right dataset with scan.angles_path, or set scan.step_deg, or ANGLE-STEP in the "
    "parameter file.",
    step="scan",
)
BAD_REGION = ErrorKind(
    "SCAN-16",
    "region outside the frames",
    "ROI and scan.region are left, top, width, height in pixels, inside the frames.",
    "Correct the region.",
    step="scan",
)
NO_FLATS = ErrorKind(
    "SCAN-17",
    "flats or darks not found",
    "Flats and darks that are named must exist.",
    "Correct the prefix or path, or remove it to go on without them.",
    step="scan",
)
NO_PIXELS = ErrorKind(
    "SCAN-18",
    "no pixel data",
    "A scan's file must hold the frames, or a link to a file that is there.",
    "Put the linked file beside it, or name the dataset of frames with scan.data_path.",
    step="scan",
)
METADATA_UNUSABLE = ErrorKind(
    "SCAN-19",
    "metadata passed over",
    "Values that are not numbers, and links to files that are not there, are passed over.",
    "Nothing needs to be done, or set the parameter of that name.",
    step="scan",
    warning=True,
)
NOT_A_LINE = ErrorKind(
    "SCAN-20",
    "line without a meaning",
    "A line of a parameter file is 'KEY = value'.",
    "Correct the line, or mark it with '#' as a comment.",
    step="scan",
)
SEVERAL_SCANS = ErrorKind(
    "SCAN-21",
    "more than one scan",
    "The input must be one scan.",
    "Give the path of one of them, or the dataset with scan.data_path.",
    step="scan",
)
BAD_IMAGE_KEY = ErrorKind(
    "SCAN-22",
    "image key that does not fit",
    "The image key has one number for each frame: 0 projection, 1 flat, 2 dark, 3 invalid.",
    "Name the right dataset with scan.image_key_path.",
    step="scan",
)
NO_SUCH_FRAME = ErrorKind(
    "SCAN-23",
    "frame to exclude that does not exist",
    "scan.exclude_frames numbers the projections of each distance from 1.",
    "Correct the numbers.",
    step="scan",
)
KEY_PASSED_OVER = ErrorKind(
    "SCAN-24",
    "key that is not used",
    "A parameter file may hold keys that other programs read; those used here are on the page of "
    "formats.",
    "Nothing needs to be done, if the key is not meant for tomoline.",
    step="scan",
    warning=True,
)
TOO_NARROW = ErrorKind(
    "SCAN-25",
    "frames too narrow",
    "Frames must have at least 4 columns, of which a slice is made.",
    "Check ROI, scan.region, and which axis of the dataset is which.",
    step="scan",
)

KINDS = (
    NO_SCAN,
    UNKNOWN_KEY,
    BAD_VALUE,
    WRONG_UNIT,
    LISTS_DIFFER,
    REPEATED_KEY,
    MISSING_KEY,
    NO_FRAMES,
    FRAMES_MISSING,
    BAD_FRAMES,
    TOO_FEW_FRAMES,
    OTHER_SIZE,
    COUNTS_DIFFER,
    ANGLES_ASSUMED,
    ANGLES_DO_NOT_MATCH,
    BAD_REGION,
    NO_FLATS,
    NO_PIXELS,
    METADATA_UNUSABLE,
    NOT_A_LINE,
    SEVERAL_SCANS,
    BAD_IMAGE_KEY,
    NO_SUCH_FRAME,
    KEY_PASSED_OVER,
    TOO_NARROW,
)
