"""Removal of rings: stripes of known strength in the sinogram of known discs."""

import warnings

import h5py
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from tomoline.kernels import rings_fast, rings_sorting, rings_vo, rings_wavelet
from tomoline.kernels.gridding import GriddingPlan

METHODS = {
    "fast": rings_fast.remove_rings,
    "sorting": rings_sorting.remove_rings,
    "vo": rings_vo.remove_rings,
    "wavelet": rings_wavelet.remove_rings,
}
# Part of narrow stripes that may stay, root mean square over the columns.
REMAINS = {"fast": 0.15, "sorting": 0.5, "vo": 0.7, "wavelet": 0.4}
# Change of a sinogram without stripes, as a part of the stripes that the others are tested with.
# The specimen's largest disc is about the axis, so its edges are stripes but for being edges.
HARM = {"fast": 0.05, "sorting": 1.0, "vo": 3.0, "wavelet": 1.1}
STRIPES = 0.05
ANGLES, WIDE = 240, 256


def discs(noise=0.005):
    angles = np.arange(ANGLES) * np.pi / ANGLES
    u = np.arange(WIDE) - 127.0
    sinogram = np.zeros((ANGLES, WIDE))
    for x, y, radius, density in ((0, 5, 90, 0.01), (40, 10, 20, 0.01), (-30, -45, 12, 0.02)):
        middle = x * np.cos(angles) + y * np.sin(angles)
        sinogram += density * 2 * np.sqrt(np.maximum(radius**2 - (u - middle[:, None]) ** 2, 0))
    rng = np.random.default_rng(1)
    return (sinogram + noise * rng.normal(size=sinogram.shape)).astype(np.float32)


def stripes():
    """Errors of single columns, an eighth of all."""
    rng = np.random.default_rng(2)
    profile = np.zeros(WIDE, np.float32)
    where = rng.choice(np.arange(8, WIDE - 8), WIDE // 8, replace=False)
    profile[where] = STRIPES * rng.normal(size=len(where))
    return profile


@pytest.mark.parametrize("name", METHODS)
def test_stripes_go_and_the_rest_stays(name):
    clean, profile = discs(), stripes()
    cleaned = METHODS[name](clean + profile)
    assert cleaned.dtype == np.float32
    assert cleaned.shape == clean.shape
    # Beside what the method does to a sinogram without stripes.
    left = (cleaned - METHODS[name](clean)).mean(axis=0)
    assert np.sqrt(np.mean(left**2)) < REMAINS[name] * np.sqrt(np.mean(profile**2))


@pytest.mark.parametrize("name", METHODS)
def test_a_sinogram_without_stripes_hardly_changes(name):
    clean = discs()
    change = METHODS[name](clean.copy()) - clean
    assert np.sqrt(np.mean(change**2)) < HARM[name] * np.sqrt(np.mean(stripes() ** 2))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(60, 64), (31, 45), (9, 40)])
def test_constants_and_odd_shapes_are_no_fault(name, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for level in (0.0, 1.5):
            flat = np.full(shape, level, np.float32)
            assert METHODS[name](flat) == pytest.approx(flat, abs=1e-5)
        METHODS[name](np.random.default_rng(0).normal(size=shape).astype(np.float32))


def test_the_input_is_not_changed():
    striped = discs() + stripes()
    for method in METHODS.values():
        before = striped.copy()
        method(striped)
        assert np.array_equal(before, striped)


def test_sorting_is_that_of_numpy():
    sinogram = discs()[:50]
    sinogram[3] = -sinogram[3] - 0.1
    ordered, places = rings_sorting.sort_columns(sinogram)
    assert np.array_equal(ordered, np.sort(sinogram, axis=0).T)
    assert np.array_equal(rings_sorting.unsort_columns(ordered, places), sinogram)
    median = rings_sorting.median_of_columns(ordered, 7)
    wide = np.pad(ordered, ((3, 3), (0, 0)), mode="reflect")
    wanted = np.median(np.lib.stride_tricks.sliding_window_view(wide, 7, axis=0), axis=2)
    assert np.array_equal(median, wanted)


@pytest.mark.parametrize("width", [3, 5, 9, 21, 31, 61])
def test_the_median_is_the_median(width):
    values = np.random.default_rng(width).normal(size=(70, 80)).astype(np.float32)
    half = width // 2
    wide = np.pad(values, ((half, half), (0, 0)), mode="reflect")
    wanted = np.median(np.lib.stride_tricks.sliding_window_view(wide, width, axis=0), axis=2)
    assert np.array_equal(rings_sorting.median_of_columns(values, width), wanted)


def test_a_dead_and_a_large_stripe_go_with_the_whole_set():
    clean = discs()
    striped = clean.copy()
    striped[:, 100] = 0.3
    striped[:, 130:138] += 0.2
    rng = np.random.default_rng(5)
    striped[:, 60] += 0.5 * rng.normal(size=ANGLES).astype(np.float32)
    cleaned = rings_vo.remove_rings(striped)
    for columns in (slice(99, 102), slice(130, 138), slice(59, 62)):
        before = np.sqrt(np.mean((striped - clean)[:, columns] ** 2))
        after = np.sqrt(np.mean((cleaned - clean)[:, columns] ** 2))
        assert after < 0.25 * before


def test_the_rings_of_a_real_scan_go_and_its_densities_stay(scan_data):
    with h5py.File(scan_data / "tooth-aps2bm" / "tooth.h5") as file:
        dark = file["exchange/data_dark"][:].astype(np.float32).mean(axis=0)
        flat = file["exchange/data_white"][:].astype(np.float32).mean(axis=0) - dark
        angles = np.radians(file["exchange/theta"][:])
        frames = file["exchange/data"][:].astype(np.float32)
    rows = -np.log(np.maximum(frames - dark, 1) / flat).swapaxes(0, 1).astype(np.float32)
    plan = GriddingPlan(angles, rows.shape[2], 295.95, filter_name="shepp-logan", size=400)
    before = plan.reconstruct(rows, 295.95)[0]
    rings = {"before": ring_strength(before)}
    for name, method in METHODS.items():
        after = plan.reconstruct(np.stack([method(row) for row in rows]), 295.95)[0]
        rings[name] = ring_strength(after)
        tooth = before > 0.6 * np.percentile(before, 99)
        assert after[tooth].mean() == pytest.approx(float(before[tooth].mean()), rel=0.012)
    assert max(rings[name] for name in METHODS) < 0.65 * rings["before"]


def ring_strength(image):
    """Standard deviation of what is narrow in the median along circles, relative to the image."""
    middle = (len(image) - 1) / 2
    radius, angle = np.arange(5, 190)[:, None], np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    y, x = (middle + radius * part for part in (np.sin(angle), np.cos(angle)))
    polar = map_coordinates(image, [y, x], order=1)
    profile = np.median(polar, axis=1).astype(float)
    return np.std(profile - rings_fast.running_median(profile, 9)) / np.std(image)
