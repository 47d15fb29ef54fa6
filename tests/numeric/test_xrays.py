"""X-ray removal: planted hits vanish, everything else keeps its bits, gold stays."""

import numpy as np
import pytest

from tomoline.kernels.xrays import XrayOptions, dark_radius_for_gold, erase_xrays, radius_for_gold

NOISE = 10.0
REPAIR_NOISES = 3.5  # how far repaired pixels may lie from the true background, in deviations
FALSE_PER_MEGAPIXEL = 2.0

HITS = [(60, 40, 1), (200, 10, 2), (130, 201, 3), (31, 170, 4), (0, 0, 1), (219, 210, 1)]


def background(seed=0, shape=(220, 240)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    smooth = 1000 + 0.8 * x + 0.5 * y + 60 * np.sin(x / 17) * np.cos(y / 23)
    return smooth, (smooth + rng.normal(0, NOISE, shape)).astype(np.float32)


def bead(image, x, y, radius, depth):
    rows, columns = np.indices(image.shape)
    inside = np.clip(radius + 0.5 - np.hypot(columns - x, rows - y), 0, 1)
    return image - np.float32(depth) * inside.astype(np.float32)


def test_planted_hits_are_replaced_and_nothing_else():
    smooth, image = background()
    hit = image.copy()
    touched = np.zeros(image.shape, bool)
    for x, y, size in HITS:
        for dx, dy in [(0, 0), (1, 0), (0, 1), (1, 1)][:size]:
            hit[y + dy, x + dx] += 900
            touched[y + dy, x + dx] = True
    fixed, report = erase_xrays(hit)
    assert report.patches == len(HITS)
    assert set(report.positions_px) <= {
        (x + dx, y + dy) for x, y, _ in HITS for dx in (0, 1) for dy in (0, 1)
    }
    assert np.abs(fixed - smooth)[touched].max() < REPAIR_NOISES * NOISE
    assert np.array_equal(fixed[~touched], hit[~touched])


def test_dead_pixels_are_replaced():
    smooth, image = background()
    image[50, 60] = image[120, 13] = 0
    fixed, report = erase_xrays(image)
    assert report.patches == 2
    assert abs(fixed[50, 60] - smooth[50, 60]) < REPAIR_NOISES * NOISE


def test_clean_noise_stays_clean():
    rng = np.random.default_rng(2)
    for counts in (1.0, 20.0, 400.0):
        image = rng.poisson(counts, (1000, 1000)).astype(np.float32)
        assert erase_xrays(image)[1].patches <= (8 if counts < 2 else FALSE_PER_MEGAPIXEL)


@pytest.mark.parametrize("diameter", [3.5, 5.0, 8.0, 12.0])
def test_gold_is_kept_with_its_size_known_or_not(diameter):
    _, image = background()
    for place in range(5):
        image = bead(image, 30 + 40 * place, 60 + 17 * place, diameter / 2, 500)
    known = XrayOptions(
        maximum_radius_px=radius_for_gold(diameter), dark_radius_px=dark_radius_for_gold(diameter)
    )
    assert erase_xrays(image, known)[1].patches == 0
    if diameter > 4:
        assert erase_xrays(image)[1].patches == 0


def test_extra_large_hit_is_replaced_but_a_smooth_bright_blob_is_kept():
    smooth, image = background()
    rows, columns = np.indices(image.shape)
    distance = np.hypot(columns - 100, rows - 90)
    burst = image + np.where(distance < 5.5, 4000, 0).astype(np.float32)
    fixed, report = erase_xrays(burst)
    assert report.patches == 1
    assert np.abs(fixed - smooth)[distance < 5].max() < 8 * NOISE
    blob = image + (400 * np.exp(-(distance**2) / 50)).astype(np.float32)
    assert erase_xrays(blob)[1].patches == 0


def test_strong_hit_does_not_hide_a_weak_one():
    _, image = background()
    image[20, 20] += 1e6
    image[40, 45] += 40 * NOISE
    assert erase_xrays(image)[1].patches == 2


def test_pixels_that_are_no_numbers_are_replaced():
    smooth, image = background()
    image[30, 40:43] = [np.nan, np.inf, -np.inf]
    image[100:140, 100:150] = np.nan
    fixed, report = erase_xrays(image)
    assert np.isfinite(fixed).all()
    assert report.not_finite == 3 + 40 * 50
    assert np.abs(fixed - smooth)[30, 40:43].max() < REPAIR_NOISES * NOISE


def test_image_without_numbers_becomes_zero():
    fixed, report = erase_xrays(np.full((12, 9), np.nan, np.float32))
    assert not fixed.any()
    assert report.not_finite == 108


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 3), (101, 99)])
def test_small_and_odd_sizes_work(shape):
    image = np.random.default_rng(1).normal(100, 5, shape).astype(np.float32)
    assert erase_xrays(image)[0].shape == shape


def test_no_bead_of_the_real_series_vanishes(tilt_data):
    from tomoline.files.stack import open_stack

    stack = open_stack(tilt_data / "exosome-gold-series" / "exosome.mrc")
    options = XrayOptions(maximum_radius_px=radius_for_gold(9.0))
    for view in (0, 13, 30):
        image = stack.read(view)
        fixed, _ = erase_xrays(image, options)
        rows, columns = np.nonzero(fixed != image)
        # The padding of these images ends within 40 pixels of the edges; beads lie inside.
        inside = (rows > 45) & (rows < 510) & (columns > 45) & (columns < 720)
        assert inside.sum() <= 4
