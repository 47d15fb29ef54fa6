"""Finding and centring beads, against images whose beads are known exactly."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline.kernels.bead_model import (
    STEP_PX,
    average_profile,
    gather_profile,
    make_profile,
    rescale,
    sphere_profile,
)
from tomoline.kernels.centre_beads import refine_centres
from tomoline.kernels.find_beads import BeadFilter, find_beads, score_threshold
from tomoline.kernels.gradient import gradient_filter

PERFECT_PX = 0.002
"""Error of a centre where image and profile are exact."""
MEASURED_PROFILE_PX = 0.01
"""Error where the profile is averaged from the image itself, without noise."""
NOISE_EXCESS = 1.3
"""Largest error in units of what noise allows at best (Cramér and Rao)."""
NEIGHBOUR_PX = 0.05
"""Error where another bead is 3 sigma away."""
FOUND_PX = 1.0
"""Error of a detection with a profile that is only about right."""
DIAMETER_SHARE = 0.05
"""Relative error of a measured diameter."""

SIGMA_PX = 2.5


def gaussian_profile() -> NDArray[np.float64]:
    radii = np.arange(int(5 * SIGMA_PX / STEP_PX)) * STEP_PX
    return np.exp(-0.5 * (radii / SIGMA_PX) ** 2)


def image_of(
    centres: NDArray[np.float64], shape: tuple[int, int] = (200, 220), height: float = -100.0
) -> NDArray[np.float32]:
    """Gaussian beads at (x, y) from the centre, on a sloping background."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    x -= (shape[1] - 1) / 2
    y -= (shape[0] - 1) / 2
    image = 1000 + 0.4 * x - 0.2 * y
    for cx, cy in centres:
        image += height * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / SIGMA_PX**2)
    return image.astype(np.float32)


def grid_of_beads(rng: np.random.Generator) -> NDArray[np.float64]:
    """Isolated beads at places that have nothing to do with pixels."""
    spots = np.stack(np.meshgrid(np.arange(-80, 81, 32), np.arange(-70, 71, 28)), axis=-1)
    return spots.reshape(-1, 2) + rng.uniform(-3, 3, (spots.size // 2, 2))


@pytest.mark.parametrize("light", [False, True])
def test_centres_are_exact_without_noise(light: bool) -> None:
    rng = np.random.default_rng(1)
    centres = grid_of_beads(rng)
    image = image_of(centres, height=100.0 if light else -100.0)
    fits = refine_centres(
        image,
        centres + rng.uniform(-1, 1, centres.shape),
        make_profile(gaussian_profile()),
        max_move_px=3.0,
        light=light,
    )
    assert np.abs(fits.centres_px - centres).max() < PERFECT_PX
    assert np.allclose(np.abs(fits.amplitude), 100, rtol=0.01)
    assert fits.correlation.min() > 0.999


def test_noise_costs_no_more_than_it_must() -> None:
    rng = np.random.default_rng(2)
    centres = grid_of_beads(rng)
    noise, height = 20.0, 100.0
    errors = []
    for _ in range(8):
        image = image_of(centres) + rng.normal(0, noise, (200, 220)).astype(np.float32)
        profile = make_profile(gaussian_profile())
        fits = refine_centres(image, centres, profile, max_move_px=3.0, window=2.2)
        errors.append(fits.centres_px - centres)
    found = np.sqrt(np.mean(np.square(errors)))
    # Sum of squared slopes of a Gaussian of height h along one axis: pi h^2 / 2.
    best = noise / (height * np.sqrt(np.pi / 2))
    assert found < NOISE_EXCESS * best


def test_average_of_beads_serves_as_profile() -> None:
    rng = np.random.default_rng(3)
    centres = grid_of_beads(rng)
    image = image_of(centres)
    rough = sphere_profile(6.0)
    fits = refine_centres(image, centres + 0.4, rough, max_move_px=3.0)
    averaged = average_profile([gather_profile(image, fits.centres_px, 6.0)], 6.0)
    assert averaged is not None
    half_height = 2 * SIGMA_PX * np.sqrt(2 * np.log(2))
    assert averaged.diameter_px == pytest.approx(half_height, rel=DIAMETER_SHARE)
    again = refine_centres(image, centres + 0.4, averaged, max_move_px=3.0)
    assert np.abs(again.centres_px - centres).max() < MEASURED_PROFILE_PX


def test_neighbour_does_not_pull() -> None:
    centres = np.array([[0.3, 0.2], [7.8, 0.2]])
    image = image_of(centres)
    profile = make_profile(gaussian_profile())
    fits = refine_centres(image, centres, profile, max_move_px=3.0)
    assert np.abs(fits.centres_px - centres).max() < NEIGHBOUR_PX


def test_nothing_is_found_at_edges_and_in_flat_images() -> None:
    profile = make_profile(gaussian_profile())
    flat = np.full((60, 60), 7.0, np.float32)
    places = np.array([[0.0, 0.0], [29.0, 0.0], [500.0, 0.0], [-1e9, -1e9]])
    fits = refine_centres(flat, places, profile, max_move_px=2.0)
    assert np.isnan(fits.centres_px[1:]).all()
    assert not np.nan_to_num(fits.correlation[0]) > 0.1
    assert len(find_beads(flat, BeadFilter.make(profile, flat.shape)).score) == 0


def test_beads_are_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(4)
    centres = grid_of_beads(rng)
    image = image_of(centres) + rng.normal(0, 15, (200, 220)).astype(np.float32)
    found = find_beads(image, BeadFilter.make(sphere_profile(6.5), image.shape))
    threshold = score_threshold(found.score)
    kept = found.centres_px[found.score >= threshold]
    assert len(kept) == len(centres)
    distance = np.hypot(*(kept[:, None] - centres[None]).transpose(2, 0, 1))
    assert distance.min(axis=0).max() < FOUND_PX
    assert len(set(distance.argmin(axis=0))) == len(centres)


def test_profiles_scale() -> None:
    profile = sphere_profile(12.0)
    assert rescale(profile, 2.0).diameter_px == pytest.approx(profile.diameter_px / 2, rel=0.03)
    assert sphere_profile(9.0).diameter_px < sphere_profile(10.0).diameter_px
    assert average_profile([], 6.0) is None


def test_gradient_filter_keeps_centres() -> None:
    centres = grid_of_beads(np.random.default_rng(5))
    image = gradient_filter(image_of(centres), 0.8)
    rough = refine_centres(image, centres, sphere_profile(6.0), max_move_px=2.0)
    averaged = average_profile([gather_profile(image, rough.centres_px, 6.0)], 6.0)
    assert averaged is not None
    fits = refine_centres(image, centres + 0.3, averaged, max_move_px=2.0)
    assert np.abs(fits.centres_px - centres).max() < 0.05
