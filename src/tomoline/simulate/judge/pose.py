"""How a specimen lies in a volume: a rotation, one scale, perhaps a mirror, and a shift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoline.simulate.specimen import Floats


@dataclass(frozen=True)
class Pose:
    """Takes specimen coordinates to voxels relative to the volume's centre, both (x, y, z).

    Attributes
    ----------
    matrix : (3, 3) float64
        Rotation times scale, with a negative determinant if the volume is a mirror image.
    shift_px : (3,) float64
        Where the specimen's centre lies, in voxels.

    Examples
    --------
    >>> pose = Pose(np.diag([1.0, 1.0, -1.0]), np.array([0.0, 0.0, 5.0]))
    >>> pose.apply(np.array([[1.0, 2.0, 3.0]]))
    array([[1., 2., 2.]])
    >>> pose.mirrored, pose.scale
    (True, 1.0)
    """

    matrix: Floats
    shift_px: Floats

    @classmethod
    def identity(cls) -> Pose:
        """The specimen lies in the middle of the volume, level, at the volume's pixel size."""
        return cls(np.eye(3), np.zeros(3))

    @property
    def scale(self) -> float:
        """Voxels per pixel of the specimen."""
        return float(np.cbrt(abs(np.linalg.det(self.matrix))))

    @property
    def mirrored(self) -> bool:
        """Whether the volume has the other hand."""
        return bool(np.linalg.det(self.matrix) < 0)

    def apply(self, points_px: Floats) -> Floats:
        """Return where points (..., 3) of the specimen lie in the volume."""
        moved: Floats = points_px @ self.matrix.T + self.shift_px
        return moved

    def invert(self, voxels_px: Floats) -> Floats:
        """Return the points of the specimen at voxels (..., 3) relative to the volume's centre."""
        points: Floats = (voxels_px - self.shift_px) @ np.linalg.inv(self.matrix).T
        return points


def fit_pose(voxels_px: Floats, points_px: Floats, mirrored: bool = False) -> Pose:
    """Fit a pose to points of the specimen and where they were found, by least squares.

    Parameters
    ----------
    voxels_px, points_px : (n, 3) float64
        Corresponding places in the volume and in the specimen, n >= 3.
    mirrored : bool
        Whether the pose shall be a mirror image.

    Notes
    -----
    Umeyama, IEEE Trans. Pattern Anal. Mach. Intell. 13, 376 (1991).
    """
    middle_v, middle_p = voxels_px.mean(axis=0), points_px.mean(axis=0)
    v, p = voxels_px - middle_v, points_px - middle_p
    left, values, right = np.linalg.svd(v.T @ p)
    hand = -1.0 if mirrored else 1.0
    signs = np.array([1.0, 1.0, hand * np.sign(np.linalg.det(left @ right))])
    matrix = (left * signs) @ right * (np.sum(values * signs) / np.sum(p**2))
    return Pose(matrix, middle_v - matrix @ middle_p)
