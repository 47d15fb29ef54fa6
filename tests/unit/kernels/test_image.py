"""Small image operations of coarse alignment."""

import numpy as np
import pytest

from tomoline.kernels._image import bin_mean, bin_offset, level, move, taper


def test_bin_mean_of_a_ramp_keeps_the_centre():
    image = np.add.outer(np.arange(11.0), 10 * np.arange(14.0)).astype(np.float32)
    binned = bin_mean(image, 3)
    assert binned.shape == (3, 4)
    x_offset, y_offset = bin_offset(14, 3), bin_offset(11, 3)
    centre = 5 + y_offset + 10 * (6.5 + x_offset)
    assert binned.mean() == pytest.approx(centre)


def test_bin_mean_reads_integers():
    image = np.arange(16, dtype=np.int16).reshape(4, 4)
    assert bin_mean(image, 2).tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_level_ignores_gradient_scale_and_fill():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(96, 96)).astype(np.float32)
    slope = np.linspace(0, 50, 96, dtype=np.float32)
    changed = noise * 7 + slope + 300
    changed[:12, :20] = 255.0
    plain, levelled = level(noise, 12), level(changed, 12)
    assert np.all(levelled[:12, :20] == 0)
    assert np.corrcoef(plain[30:66, 30:66].ravel(), levelled[30:66, 30:66].ravel())[0, 1] > 0.98


def test_level_of_a_constant_image_is_zero():
    assert not level(np.full((20, 30), 7, np.float32), 5).any()


def test_move_shifts_by_whole_pixels():
    image = np.zeros((9, 11), np.float32)
    image[4, 5] = 1
    moved = move(image, np.eye(2), np.array([2.0, -1.0]), (9, 11))
    assert moved[3, 7] == 1
    assert moved.sum() == 1


def test_move_stretches_about_the_centre():
    image = np.zeros((21, 21), np.float32)
    image[10, 14] = 1
    moved = move(image, np.diag([2.0, 1.0]), np.zeros(2), (21, 21))
    assert moved[10].argmax() == 18


def test_taper_is_flat_inside():
    window = taper((40, 50), 0.1)
    assert window[10:30, 10:40].min() == 1
    assert window[0, 0] < 0.01
