"""A scan without noise, of discs whose projections are known exactly, through the whole recipe."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from command import shown, succeed, values

SIZE, ANGLES, ROWS, AXIS_PX = 128, 180, 9, 66.8
DISCS = ((16.0, 9.0, 20.0, 0.01), (-24.0, -8.0, 12.0, 0.02), (5.0, -32.0, 6.0, 0.015))


def line_integrals(angles_rad: np.ndarray) -> np.ndarray:
    """Return the projections (angle, column) of the discs: u = axis + x cos + y sin."""
    column = np.arange(SIZE) - AXIS_PX
    total = np.zeros((len(angles_rad), SIZE))
    for x, y, radius, density in DISCS:
        u = column - (x * np.cos(angles_rad) + y * np.sin(angles_rad))[:, None]
        total += 2 * density * np.sqrt(np.maximum(radius**2 - u**2, 0))
    return total


@pytest.mark.parametrize(
    ("dtype", "level", "flats"), [("float32", 1.0, 2), ("uint16", 60000, 2), ("uint16", 60000, 12)]
)
def test_density_axis_and_orientation(tmp_path: Path, dtype: str, level: float, flats: int) -> None:
    angles = np.arange(ANGLES) * np.pi / ANGLES
    frames = level * np.exp(-line_integrals(angles))[:, None, :]
    with h5py.File(tmp_path / "ideal.h5", "w") as file:
        file["exchange/data"] = np.repeat(frames, ROWS, axis=1).astype(dtype)
        file["exchange/data_white"] = np.full((flats, ROWS, SIZE), level, dtype)
        file["exchange/data_dark"] = np.zeros((2, ROWS, SIZE), dtype)
        file["exchange/theta"] = np.degrees(angles)
    succeed("run", tmp_path / "ideal.h5", "--set", "slices.rings=none")
    document = shown(tmp_path / "ideal")
    assert not values(document, "retrieve")["excluded"]
    assert abs(values(document, "axis")["rotation_axis_px"] - AXIS_PX) < 0.1
    volume = np.asarray(zarr.open_group(document["artifacts"]["volume"], mode="r")["0"])
    assert volume.shape == (ROWS, SIZE, SIZE)
    place = np.arange(SIZE) - (SIZE - 1) / 2
    for x, y, radius, density in DISCS:
        inside = np.hypot(place[None, :] - x, place[:, None] - y) < radius - 2.5
        assert volume[4][inside].mean() == pytest.approx(density, rel=0.01)
    outside = np.hypot(place[None, :], place[:, None]) < SIZE * 0.45
    for x, y, radius, _ in DISCS:
        outside &= np.hypot(place[None, :] - x, place[:, None] - y) > radius + 2.5
    assert abs(volume[4][outside].mean()) < 2e-4
