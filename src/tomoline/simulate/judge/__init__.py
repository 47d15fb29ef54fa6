"""The judge: compares transforms, beads and densities of a result with the truth."""

from tomoline.simulate.judge.beads import BeadMatch, find_beads, match_beads
from tomoline.simulate.judge.centres import (
    CentreErrors,
    axis_error_deg,
    centre_errors,
    tilt_errors_deg,
    truth_in_frame_of,
)
from tomoline.simulate.judge.density import density_correlation
from tomoline.simulate.judge.pose import Pose, fit_pose
from tomoline.simulate.judge.registration import find_pose, fit_density
from tomoline.simulate.judge.sampling import sample_density

__all__ = [
    "BeadMatch",
    "CentreErrors",
    "Pose",
    "axis_error_deg",
    "centre_errors",
    "density_correlation",
    "find_beads",
    "fit_density",
    "find_pose",
    "fit_pose",
    "match_beads",
    "sample_density",
    "tilt_errors_deg",
    "truth_in_frame_of",
]
