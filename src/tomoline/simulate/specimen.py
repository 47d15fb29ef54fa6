"""An analytic specimen: gold, blobs, filaments and vesicles whose density is known everywhere.

Coordinates are pixels relative to the specimen's centre, (x, y, z), with z along the beam at no
tilt. Densities are attenuations per pixel relative to the ice round them. Every primitive is the
convolution of a simple shape with a 3D Gaussian, so that a further Gaussian blur keeps the form.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Specimen:
    """Primitives of a specimen, one row each, all in pixels.

    Attributes
    ----------
    beads : (bead, 5) float64
        Gold: x, y, z, radius, density.
    vesicles : (vesicle, 7) float64
        Membranes: x, y, z, outer radius, inner radius, sigma of the smoothing, density.
    blobs : (blob, 10) float64
        Gaussians: x, y, z, covariance xx, xy, xz, yy, yz, zz, density at the centre.
    filaments : (segment, 8) float64
        Segments with a Gaussian section: x, y, z of one end, x, y, z of the other, sigma, density
        on the axis. A bent filament is a chain of segments that share their ends.
    thickness_px : float
        Thickness of the slab of ice.
    """

    beads: Floats = field(default_factory=lambda: np.zeros((0, 5)))
    vesicles: Floats = field(default_factory=lambda: np.zeros((0, 7)))
    blobs: Floats = field(default_factory=lambda: np.zeros((0, 10)))
    filaments: Floats = field(default_factory=lambda: np.zeros((0, 8)))
    thickness_px: float = 100.0

    @property
    def balls(self) -> Floats:
        """Beads and vesicles as one table like `vesicles`: beads have no hole, no smoothing."""
        beads = np.zeros((len(self.beads), 7))
        beads[:, :4] = self.beads[:, :4]
        beads[:, 6] = self.beads[:, 4]
        return np.concatenate([beads, self.vesicles])

    def density(self, points_px: Floats, blur_px: float = 0.0, gold: bool = True) -> Floats:
        """Return the density at points (..., 3), after a Gaussian blur of sigma `blur_px`.

        >>> specimen = Specimen(beads=np.array([[0.0, 0.0, 0.0, 5.0, 0.1]]))
        >>> specimen.density(np.array([[0.0, 0.0, 4.9], [0.0, 5.1, 0.0]]))
        array([0.1, 0. ])
        """
        points = np.asarray(points_px, dtype=np.float64)
        total = np.zeros(points.shape[:-1])
        for *centre, outer, inner, sigma, density in self.balls if gold else self.vesicles:
            radius = np.linalg.norm(points - centre, axis=-1)
            width = float(np.hypot(sigma, blur_px))
            total += density * (blurred_ball(radius, outer, width))
            if inner > 0:
                total -= density * blurred_ball(radius, inner, width)
        for row in self.blobs:
            covariance, peak = blurred_blob(row, blur_px)
            offset = points - row[:3]
            squares = np.einsum("...i,ij,...j", offset, np.linalg.inv(covariance), offset)
            total += peak * np.exp(-squares / 2)
        for row in self.filaments:
            sigma, peak = blurred_filament(row[6], row[7], blur_px)
            axis = row[3:6] - row[:3]
            length = float(np.linalg.norm(axis))
            offset = points - row[:3]
            along = offset @ axis / length
            squares = np.sum(offset**2, axis=-1) - along**2
            ends = erf(along / (np.sqrt(2) * sigma)) - erf((along - length) / (np.sqrt(2) * sigma))
            total += peak * np.exp(-squares / (2 * sigma**2)) * ends / 2
        return total

    def turned(self, angle_deg: float, moved_px: tuple[float, float] = (0.0, 0.0)) -> Specimen:
        """Return the specimen turned about z, counter-clockwise, and then moved in x and y.

        >>> specimen = Specimen(beads=np.array([[1.0, 2.0, 3.0, 5.0, 0.1]]))
        >>> specimen.turned(90, (10.0, 0.0)).beads[0, :3].round(6).tolist()
        [8.0, 1.0, 3.0]
        """
        cosine, sine = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
        turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
        move = np.array([*moved_px, 0.0])
        beads, vesicles, blobs, filaments = (
            table.copy() for table in (self.beads, self.vesicles, self.blobs, self.filaments)
        )
        for table in (beads, vesicles, blobs, filaments):
            table[:, :3] = table[:, :3] @ turn.T + move
        filaments[:, 3:6] = filaments[:, 3:6] @ turn.T + move
        xx, xy, xz, yy, yz, zz = blobs[:, 3:9].T
        spread = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=-1).reshape(-1, 3, 3)
        spread = turn @ spread @ turn.T
        blobs[:, 3:9] = spread[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
        return Specimen(beads, vesicles, blobs, filaments, self.thickness_px)

    def to_json(self) -> dict[str, Any]:
        """Return the specimen as numbers and lists."""
        return {
            item.name: value.tolist() if isinstance(value, np.ndarray) else float(value)
            for item in fields(self)
            for value in (getattr(self, item.name),)
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Specimen:
        """Rebuild the specimen that `to_json` described."""
        columns = {"beads": 5, "vesicles": 7, "blobs": 10, "filaments": 8}
        tables = {
            name: np.array(record[name], dtype=np.float64).reshape(-1, count)
            for name, count in columns.items()
        }
        return cls(thickness_px=float(record["thickness_px"]), **tables)


def blurred_ball(radius_px: Floats, ball_px: float, sigma_px: float) -> Floats:
    """Density at a distance from the centre of a unit ball blurred by a 3D Gaussian.

    Parameters
    ----------
    radius_px : (...) float64
        Distances from the centre.
    ball_px : float
        Radius of the ball.
    sigma_px : float
        Sigma of the Gaussian; 0 leaves the edge sharp.
    """
    if sigma_px == 0:
        return (radius_px <= ball_px).astype(np.float64)
    r = np.maximum(radius_px, 1e-6 * sigma_px)
    width = np.sqrt(2) * sigma_px
    inside = (erf((ball_px + r) / width) + erf((ball_px - r) / width)) / 2
    rim = np.exp(-(((ball_px - r) / width) ** 2)) - np.exp(-(((ball_px + r) / width) ** 2))
    blurred: Floats = inside - sigma_px / (np.sqrt(2 * np.pi) * r) * rim
    return blurred


def blurred_blob(blob: Floats, blur_px: float) -> tuple[Floats, float]:
    """Return the 3 x 3 covariance and peak of a row of `Specimen.blobs` after a further blur."""
    xx, xy, xz, yy, yz, zz, peak = blob[3:]
    covariance = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    wider = covariance + blur_px**2 * np.eye(3)
    return wider, float(peak * np.sqrt(np.linalg.det(covariance) / np.linalg.det(wider)))


def blurred_filament(sigma_px: float, peak: float, blur_px: float) -> tuple[float, float]:
    """Return sigma and density on the axis of a filament after a further blur."""
    variance = sigma_px**2 + blur_px**2
    return float(np.sqrt(variance)), float(peak * sigma_px**2 / variance)
