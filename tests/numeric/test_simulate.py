"""The simulator against itself: projections are integrals of the density that it claims."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tomoline import geometry
from tomoline.simulate.phantom import random_specimen
from tomoline.simulate.projection import (
    BLUR_PX,
    ball_profiles,
    ball_projection,
    project_view,
    rotation,
)
from tomoline.simulate.specimen import Specimen, blurred_ball

# Trapezoid sums over smooth densities are exact; what is left is the tables' linear interpolation
# and the cut of the Gaussians, relative to the largest line integral.
PROJECTION_TOLERANCE = 2e-4
# Footprints are cut at 5 sigma, which loses 4e-6 of a Gaussian.
MASS_TOLERANCE = 1e-4
QUADRATURE_TOLERANCE = 1e-7

SHAPE = (60, 70)
BEADS = np.array([[3.3, -4.1, 6.0, 5.0, 0.1], [-12.0, 8.0, -5.0, 4.3, 0.08]])
VESICLES = np.array([[-5.0, -6.0, 2.0, 12.0, 8.0, 0.8, 0.05]])
BLOBS = np.array([[8.0, 9.0, -3.0, 9.0, 2.0, -1.0, 5.0, 1.5, 7.0, 0.04]])
FILAMENTS = np.array(
    [[-15.0, -12.0, 4.0, 10.0, -3.0, -6.0, 2.0, 0.03], [0, 0, 9, 0, 0, -9, 2, 0.1]]
)
EVERYTHING = Specimen(BEADS, VESICLES, BLOBS, FILAMENTS, 30.0)
PRIMITIVES = {
    "beads": Specimen(beads=BEADS),
    "vesicles": Specimen(vesicles=VESICLES),
    "blobs": Specimen(blobs=BLOBS),
    "filaments": Specimen(filaments=FILAMENTS),
}
TRANSFORM = np.eye(2, 3)


def transform(axis_deg: float, magnification: float, offset: tuple[float, float]) -> np.ndarray:
    matrix = geometry.axis_to_vertical(axis_deg) / magnification
    return np.column_stack([matrix, -matrix @ offset])


def project(specimen: Specimen, tilt_deg: float, pitch_deg: float, view: np.ndarray) -> np.ndarray:
    tilt, pitch = math.radians(tilt_deg), math.radians(pitch_deg)
    return project_view(specimen, ball_profiles(specimen.balls), tilt, pitch, view, SHAPE)


def integrate(
    specimen: Specimen, tilt_deg: float, pitch_deg: float, view: np.ndarray
) -> np.ndarray:
    """Line integrals by summing the density along the rays of every third raw pixel."""
    y, x = np.mgrid[0 : SHAPE[0] : 3, 0 : SHAPE[1] : 3].astype(float)
    raw = np.stack([x - geometry.centre(SHAPE[1]), y - geometry.centre(SHAPE[0])], axis=-1)
    aligned = geometry.apply(view, raw)
    step = 0.4
    along = np.arange(-45, 45, step)
    rays = np.concatenate(
        [
            np.broadcast_to(aligned[:, :, None], (*aligned.shape[:2], len(along), 2)),
            np.broadcast_to(along[:, None], (*aligned.shape[:2], len(along), 1)),
        ],
        axis=-1,
    )
    points = rays @ rotation(math.radians(tilt_deg), math.radians(pitch_deg))
    return step * specimen.density(points, blur_px=BLUR_PX).sum(axis=-1)


@pytest.mark.parametrize("name", PRIMITIVES)
@pytest.mark.parametrize(("tilt_deg", "pitch_deg"), [(0.0, 0.0), (37.0, -4.0), (-61.0, 5.0)])
def test_projection_is_the_integral_of_the_density(
    name: str, tilt_deg: float, pitch_deg: float
) -> None:
    view = transform(-12.6, 1.01, (3.4, -2.2))
    expected = integrate(PRIMITIVES[name], tilt_deg, pitch_deg, view)
    found = project(PRIMITIVES[name], tilt_deg, pitch_deg, view)[::3, ::3]
    assert expected.max() > 0.1
    assert np.abs(found - expected).max() < PROJECTION_TOLERANCE * expected.max()


def test_primitives_add_up() -> None:
    view = transform(85.0, 1.0, (0.0, 1.0))
    total = sum(project(specimen, 20.0, 3.0, view) for specimen in PRIMITIVES.values())
    np.testing.assert_allclose(project(EVERYTHING, 20.0, 3.0, view), total, atol=1e-12)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_mass_is_the_same_at_every_tilt(name: str) -> None:
    masses = [
        project(PRIMITIVES[name], tilt, pitch, transform(30.0, 1.0, (1.3, -0.4))).sum()
        for tilt, pitch in ((0, 0), (25, 2), (-50, -3), (60, 5))
    ]
    np.testing.assert_allclose(masses, masses[0], rtol=MASS_TOLERANCE)


def test_mass_of_a_ball_is_its_volume() -> None:
    specimen = Specimen(beads=np.array([[0, 0, 0, 6.0, 0.5]]))
    mass = project(specimen, 10.0, 0.0, TRANSFORM).sum()
    assert mass == pytest.approx(0.5 * 4 / 3 * math.pi * 6**3, rel=MASS_TOLERANCE)


def test_little_blur_gives_the_chords_of_a_ball() -> None:
    distance = np.array([0.0, 2.0, 4.0, 7.0])
    chords = 2 * np.sqrt(np.maximum(25 - distance**2, 0))
    np.testing.assert_allclose(ball_projection(distance, 5.0, 0.01), chords, atol=2e-4)


def test_blurred_ball_is_the_convolution() -> None:
    ball, sigma, radius = 4.0, 0.9, 3.7
    # In spherical shells round the point, the share of each shell that lies in the ball is known.
    shells = np.linspace(0, 8 * sigma, 200001)[1:]
    cosine = np.clip((radius**2 + shells**2 - ball**2) / (2 * radius * shells), -1, 1)
    weight = shells**2 * np.exp(-(shells**2) / (2 * sigma**2)) * math.sqrt(2 / math.pi) / sigma**3
    expected = np.trapezoid(weight * (1 - cosine) / 2, shells)
    found = blurred_ball(np.array([radius]), ball, sigma)[0]
    assert found == pytest.approx(expected, abs=QUADRATURE_TOLERANCE)


def test_blobs_and_filaments_lose_no_mass_by_blur() -> None:
    axis = np.arange(-40.0, 40.0)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    specimen = Specimen(blobs=BLOBS, filaments=FILAMENTS[:1])
    sharp, soft = specimen.density(grid).sum(), specimen.density(grid, blur_px=2.0).sum()
    assert soft == pytest.approx(sharp, rel=1e-9)


def test_a_bead_lies_where_geometry_projects_it() -> None:
    view = transform(85.0, 0.999, (5.0, -4.0))
    specimen = Specimen(beads=BEADS[:1])
    image = project(specimen, 33.0, 4.0, view)
    y, x = np.indices(SHAPE)
    found = np.array([(x * image).sum(), (y * image).sum()]) / image.sum()
    seen = geometry.project(BEADS[:1, :3], np.radians([33.0]), math.radians(4.0))[0, 0]
    expected = geometry.apply(geometry.invert(view[None])[0], seen)
    middle = (geometry.centre(SHAPE[1]), geometry.centre(SHAPE[0]))
    np.testing.assert_allclose(found - middle, expected, atol=1e-3)


def test_random_specimen_counts_and_places() -> None:
    specimen = random_specimen(
        np.random.default_rng(3),
        field_px=(256.0, 256.0),
        extent_px=(600.0, 300.0),
        thickness_px=80.0,
        beads=12,
        surfaces=2,
    )
    inside = np.all(np.abs(specimen.beads[:, :2]) < 128, axis=1)
    assert inside.sum() == 12
    assert (~inside).sum() > 10
    heights = specimen.beads[:, 2]
    assert np.all(np.abs(np.abs(heights) - 40) < 10)
    assert 0.4 < np.mean(heights > 0) < 0.6


def test_one_surface() -> None:
    specimen = random_specimen(
        np.random.default_rng(3),
        field_px=(256.0, 256.0),
        extent_px=(300.0, 300.0),
        thickness_px=80.0,
        surfaces=1,
    )
    assert np.all(specimen.beads[:, 2] < 0)


def test_specimen_survives_json() -> None:
    again = Specimen.from_json(EVERYTHING.to_json())
    for name in ("beads", "vesicles", "blobs", "filaments"):
        np.testing.assert_array_equal(getattr(again, name), getattr(EVERYTHING, name))
    empty = Specimen.from_json(replace(EVERYTHING, beads=np.zeros((0, 5))).to_json())
    assert empty.beads.shape == (0, 5)
