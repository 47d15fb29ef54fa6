"""The transforms, against numpy's: libraries have faults at single lengths."""

from __future__ import annotations

import numpy as np
import pytest

from tomoline.kernels import fourier


@pytest.mark.parametrize("columns", [1, 8, 33])
def test_transforms_in_place_are_right_for_every_length(columns: int) -> None:
    rng = np.random.default_rng(1)
    wrong = []
    for length in [*range(1, 400), 540, 1024, 2048, 2450]:
        values = rng.normal(size=(length, columns + 3, 2)).astype(np.float32).view(np.complex64)
        values = values[:, :, 0]
        expected = np.fft.fft(values[:, 1:-2], axis=0)
        part = values.copy()[:, 1:-2]
        fourier.forward_along(part, 0)
        if not np.allclose(part, expected, atol=1e-5 * length):
            wrong.append((length, "forward"))
        fourier.inverse_along(part, 0)
        if not np.allclose(part, values[:, 1:-2], atol=1e-5):
            wrong.append((length, "inverse"))
        row = np.ascontiguousarray(values[:, 1:-2].T)
        fourier.forward_along(row, -1)
        if not np.allclose(row.T, expected, atol=1e-5 * length):
            wrong.append((length, "along rows"))
    assert wrong == []


def test_real_rows_go_there_and_back_for_every_length() -> None:
    rng = np.random.default_rng(2)
    wrong = []
    for length in [*range(2, 400), 2450]:
        rows = rng.normal(size=(5, length)).astype(np.float32)
        spectrum = np.empty((5, length // 2 + 1), np.complex64)
        back = np.empty_like(rows)
        fourier.forward_rows(rows, out=spectrum)
        fourier.inverse_rows(spectrum, length, out=back)
        right = np.allclose(spectrum, np.fft.rfft(rows), atol=1e-4)
        if not right or not np.allclose(back, rows, atol=1e-5):
            wrong.append(length)
    assert wrong == []
