"""The files of a data set that steps read and write, by name, with IMOD's file names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Artifact:
    """A named file of a data set.

    Attributes
    ----------
    name : str
        How steps and ``tomoline show --json`` name it.
    pattern : str
        File name in the data set's folder, with ``{root}``; ``{axis}`` where the two axes of a set,
        which share a folder, would have the same.
    title : str
        What it is, for readers.
    volatile : bool
        Held in memory, or in a scratch file, only as long as a run needs it; made again when a
        later step has to run.
    """

    name: str
    pattern: str
    title: str
    volatile: bool = False

    @property
    def has_axis(self) -> bool:
        """Whether its name tells the axis, but not the root."""
        return "{axis}" in self.pattern

    def file_name(self, root: str, suffix: str = "", axis: str = "") -> str:
        """Return the file's name for the data set `root`.

        Parameters
        ----------
        root, suffix, axis : str
            Root name; the ending, where it has several formats; ``a`` or ``b`` of a dual-axis set.

        >>> ARTIFACTS["tilt_com"].file_name("TSb", axis="b")
        'tiltb.com'
        """
        return self.pattern.format(root=root, suffix=suffix, axis=axis)


_TABLE = (
    ("raw_stack", "{root}.mrc", "raw tilt series, never changed"),
    ("raw_tilt_angles", "{root}.rawtlt", "tilt angle of each view as recorded, degrees"),
    ("boundary", "{root}_rawbound.mod", "contours round the area to use, carried over from axis a"),
    ("acquisition", "{root}_acquisition.json", "what is known of the recording and of each view"),
    ("views", "{root}_views.json", "which views take part, and why others do not"),
    ("fixed_stack", "{root}_fixed.mrc", "tilt series without X-rays and hot pixels"),
    ("coarse_shifts", "{root}.prexf", "shift of each view to its neighbour"),
    ("coarse_transforms", "{root}.prexg", "transform of each view to the prealigned stack"),
    ("coarse", "{root}_coarse.json", "tilt axis angle and how sure it is"),
    ("prealigned_stack", "{root}_preali.mrc", "coarsely aligned tilt series"),
    ("seeds", "{root}.seed", "beads chosen for tracking, on one or a few views"),
    ("fiducials", "{root}_fiducials.json", "whether beads or patches are tracked; beads' size"),
    ("tracks", "{root}.fid", "beads or patches tracked through the views"),
    ("track_info", "{root}_tracks.json", "what was tracked, and how well each view is covered"),
    ("fiducial_transforms", "{root}.tltxf", "transforms from the prealigned to the aligned stack"),
    ("fiducials_3d", "{root}.3dmod", "solved positions of beads or patches"),
    ("fiducial_points", "{root}fid.xyz", "solved positions as text"),
    ("residuals", "{root}.resid", "residual vector of each tracked point"),
    ("transforms", "{root}.xf", "transform of each view from the raw to the aligned stack"),
    ("tilt_angles", "{root}.tlt", "solved tilt angle of each view, degrees"),
    ("x_tilts", "{root}.xtilt", "rotation about the x axis of each view, degrees"),
    ("position", "{root}_position.json", "tilt offset, pitch, Z shift and thickness"),
    ("aligned_stack", "{root}_ali.mrc", "aligned tilt series, tilt axis vertical"),
    ("newst_com", "newst{axis}.com", "IMOD's command file for the aligned stack"),
    ("filtered_stack", "{root}_filt_ali.mrc", "aligned tilt series after the low-pass filter"),
    ("full_tomogram", "{root}_full_rec.mrc", "whole tomogram, slices perpendicular to the axis"),
    ("tilt_com", "tilt{axis}.com", "IMOD's command file for the whole tomogram"),
    ("sirt_tomogram", "{root}_sirt_rec.mrc", "whole tomogram after the last SIRT iteration"),
    ("tomogram", "{root}_rec.mrc", "trimmed tomogram"),
    ("scan_layout", "{root}_scan.json", "frames, angles and geometry of the scan"),
    ("flat_fields", "{root}_flats.npz", "darks, flats and how frames are matched to them"),
    ("shifts", "{root}_shifts.json", "shifts between the distances, for each angle"),
    ("flat_choice", "{root}_flats_chosen.npz", "flats chosen for each frame, with their scores"),
    ("retrieval", "{root}_retrieval.json", "unit and state of the retrieved projections"),
    ("corrected_frames", "{root}_corrected", "flat-corrected frames, a folder of TIFF files"),
    ("rotation_axis", "{root}_axis.json", "rotation axis, its tilt, and how sure they are"),
    ("axis_sweep", "{root}_axis_sweep.png", "a slice for each of several positions of the axis"),
    ("stitching", "{root}_stitching.json", "how the halves of a full turn join"),
    ("reconstruction", "{root}_reconstruction.json", "how slices are reconstructed, and limits"),
    ("preview", "{root}_preview.tif", "a few reconstructed slices"),
    ("volume", "{root}_volume{suffix}", "reconstructed volume"),
)

ARTIFACTS: dict[str, Artifact] = {row[0]: Artifact(*row) for row in _TABLE} | {
    "projections": Artifact(
        "projections", ".{root}_projections.scratch", "retrieved projections", volatile=True
    )
}
