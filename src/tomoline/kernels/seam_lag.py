"""How many frames half a turn takes, from frames at its begin and mirrored ones at its end.

The mean square of the difference between two frames grows with the angle between them, in the same
way on both sides of the seam where half a turn closes. Neighbours tell how it grows (a structure
function); the differences between frames and mirrored ones, read on that curve, tell the angles
between those. Beside noise only one thing has to be allowed for: what stays on the detector is
mirrored too, which adds a constant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from tomoline.kernels.fourier import forward_rows, good_size, inverse_rows
from tomoline.kernels.scan_angles import FoundStep, candidate_steps, choose_step

Floats = NDArray[np.float64]
Images = NDArray[np.float32]
Places = NDArray[np.int64]

# Frames in a group, and how far a point at the edge moves from one to the next, in pixels: over a
# few pixels the curve is smooth, and stands out of the noise.
_GROUP_FRAMES = 9
_STEP_PX = 1.5
# Pixels that fine detail is smoothed by, and, as a multiple, beyond which all is taken away.
_SMOOTH_PX, _BROAD = 2.0, 7.5
# Differences that are read, and where half a turn is looked for, in spacings of a group.
_READ, _SEARCH, _FINE = 5.0, 2.5, 0.02
_LEAST_OVERLAP = 0.15
# How far the specimen may move as a whole within a group, and the step of trials.
_MOVES_PX, _MOVE_PX = 4.0, 0.5

# Error of half a turn as one seam shows it, and what is left of the confidence where no step that
# anybody would choose fits it.
_ERROR_FRAMES, _UNSURE = 0.2, 0.5


def groups(width_px: int, lag_frames: float, count: int) -> tuple[Places, Places]:
    """Return the places of frames at the begin, and of those about half a turn later.

    >>> [places.tolist() for places in groups(2048, 1800.0, 1801)][1][-3:]
    [1798, 1799, 1800]
    """
    per_frame_px = math.pi / lag_frames * width_px / 2
    spacing = max(1, round(_STEP_PX / per_frame_px))
    reach = spacing * (_GROUP_FRAMES - 1)
    first = np.arange(0, min(reach, count - 1) + 1, spacing)
    last = min(round(lag_frames) + reach, count - 1)
    second = np.arange(last, max(last - 2 * reach, 0) - 1, -spacing)[::-1]
    if last - round(lag_frames) < reach / 2:
        second = second[-_GROUP_FRAMES:]
    return first.astype(np.int64), second.astype(np.int64)


def seam_lag(
    first: Images,
    first_places: Places,
    second: Images,
    second_places: Places,
    lag_frames: float,
    shift_px: float,
    search_px: float,
    *,
    mirrored: bool = True,
) -> float | None:
    """Measure how many frames half a turn takes; or, without the mirror, a whole one.

    Parameters
    ----------
    first, second : (frame, rows, columns) float32
        Images of the specimen with flats divided out.
    first_places, second_places : (frame,) int64
        Which projections they are, as `groups` gives them.
    lag_frames : float
        Frames in half a turn, to two spacings of the groups.
    shift_px : float
        What moves the mirrored frames to the right onto the first, to `search_px`.
    search_px : float
    mirrored : bool
        Whether `second` shows the specimen from behind.

    Returns
    -------
    float or None
        None where too little of the frames overlaps, or frames do not differ.
    """
    columns = first.shape[2]
    if len(first_places) < 5 or len(second_places) < 5:
        return None
    spacing = float(np.diff(first_places).min())
    smooth_px = max(_SMOOTH_PX, 0.8 * math.pi / lag_frames * columns / 2 * spacing)
    begin = math.ceil(max(shift_px + search_px, 0.0))
    end = columns + math.floor(min(shift_px - search_px, 0.0))
    if end - begin < _LEAST_OVERLAP * columns:
        return None
    part = slice(begin, end)
    own = slice(columns - end, columns - begin) if mirrored else part
    one, two = _filtered(first, smooth_px), _filtered(second, smooth_px)
    ahead = _Moving(one, first_places)
    behind = _Moving(two, second_places)
    turned = _Moving(two[:, :, ::-1] if mirrored else two, second_places)
    fixed = ahead.at(0.0, part)
    # Where the axis is, as far as that matters here.
    trials = shift_px + np.arange(-search_px, search_px + 0.5)
    totals = [fixed.total(turned.at(float(one), part), lag_frames, spacing) for one in trials]
    centre = float(trials[int(np.argmin(totals))])
    near = _merged(
        ahead.least_differences(fixed, 0.0, part),
        behind.least_differences(behind.at(0.0, own), 0.0, own),
    )
    return _read(near, turned.least_differences(fixed, centre, part), lag_frames, spacing)


def settle_step(found: FoundStep, seams: Sequence[float], count: int) -> FoundStep:
    """Choose the step anew by where seams put the end of half a turn.

    Parameters
    ----------
    found : FoundStep
        Of `find_step`.
    seams : sequence of float
        Frames in half a turn, as `seam_lag` measures them, one of each distance.
    count : int
        Number of projections of the scan.
    """
    if not len(seams):
        return found
    middle = float(np.median(seams))
    spread = 1.4826 * float(np.median(np.abs(np.array(seams) - middle))) if len(seams) > 2 else 0.2
    error_deg = (_ERROR_FRAMES + 0.5 * spread) * found.step_deg
    # A turn of another kind was ruled out before.
    near = [step for step in candidate_steps(count) if abs(180 / step - middle) < 0.05 * middle]
    if min([abs(180 / step - middle) * found.step_deg for step in near], default=4) > 4 * error_deg:
        # Nobody's choice of numbers, then.
        return FoundStep(
            180 / middle, _UNSURE * found.certain, middle, found.shift_px, found.certain
        )
    return choose_step(near, middle, error_deg, found.certain, found.shift_px)


class _Moving:
    """Frames that can be moved along their rows."""

    def __init__(self, images: Images, places: Places) -> None:
        self._places, self._columns = places, images.shape[2]
        self._size = good_size(self._columns + 64)
        padded = np.zeros((*images.shape[:2], self._size), np.float32)
        padded[:, :, : self._columns] = images
        self._spectra = forward_rows(padded)
        frequency = np.arange(self._spectra.shape[2]) / self._size
        self._turn = (-2j * np.pi * frequency).astype(np.complex64)

    def at(self, shift_px: float, part: slice) -> _Frames:
        """Return the frames, moved to the right, in some columns."""
        moved = self._spectra * np.exp(self._turn * np.float32(shift_px))
        return _Frames(inverse_rows(moved, self._size)[:, :, part], self._places)

    def least_differences(
        self, other: _Frames, shift_px: float, part: slice
    ) -> dict[int, tuple[float, int]]:
        """Return the differences of `_Frames`, each at the shift that makes it least.

        A specimen off the axis moves as a whole. As the axis is not known, and the range may end
        on one side of half a turn, that motion must not count on either side of the seam.
        """
        shifts = shift_px + np.arange(-_MOVES_PX, _MOVES_PX + _MOVE_PX / 2, _MOVE_PX)
        all_ = [other.differences(self.at(float(one), part)) for one in shifts]
        found = {}
        for lag, (_, count) in all_[0].items():
            values = [one[lag][0] for one in all_]
            best = min(max(int(np.argmin(values)), 1), len(values) - 2)
            before, at, after = values[best - 1 : best + 2]
            bend = before - 2 * at + after
            gain = (after - before) ** 2 / (8 * bend) if bend > 0 else 0.0
            found[lag] = max(at - gain, 0.0), count
        return found


class _Frames:
    """Frames whose mean square differences are wanted."""

    def __init__(self, images: Images, places: Places) -> None:
        self._rows = np.ascontiguousarray(images.reshape(len(images), -1))
        self._places = places
        self._squares = np.einsum("ij,ij->i", self._rows, self._rows, dtype=np.float64)

    def _table(self, other: _Frames) -> Floats:
        product = (self._rows @ other._rows.T).astype(np.float64)
        table: Floats = self._squares[:, None] + other._squares[None, :] - 2 * product
        table /= self._rows.shape[1]
        return table

    def differences(self, other: _Frames) -> dict[int, tuple[float, int]]:
        """Return for each positive lag the mean of the differences, and of how many."""
        table = self._table(other)
        lags = other._places[None, :] - self._places[:, None]
        found: dict[int, tuple[float, int]] = {}
        for lag in np.unique(lags[lags > 0]).tolist():
            chosen = table[lags == lag]
            found[lag] = float(chosen.mean()), len(chosen)
        return found

    def total(self, other: _Frames, lag_frames: float, spacing: float) -> float:
        """Return the sum of the differences between frames that are about a lag apart."""
        lags = other._places[None, :] - self._places[:, None]
        return float(self._table(other)[np.abs(lags - lag_frames) <= 3 * spacing].sum())


def _merged(
    one: dict[int, tuple[float, int]], other: dict[int, tuple[float, int]]
) -> dict[int, float]:
    result = {}
    for lag in sorted({*one, *other}):
        (a, m), (b, n) = one.get(lag, (0.0, 0)), other.get(lag, (0.0, 0))
        result[lag] = (a * m + b * n) / (m + n)
    return result


def _read(
    near: dict[int, float], seam: dict[int, tuple[float, int]], lag_frames: float, spacing: float
) -> float | None:
    """Return the half turn at which the differences across the seam lie on the curve."""
    chosen = sorted(near)[: _GROUP_FRAMES - 1]
    if len(chosen) < 4:
        return None
    lags, values = np.array(chosen) / spacing, np.array([near[lag] for lag in chosen])
    # Without its noise a frame does not differ from itself: that value comes from an even curve.
    powers = np.stack([lags[:3] ** 0, lags[:3] ** 2, lags[:3] ** 4], axis=1)
    zero = np.linalg.solve(powers, values[:3])[0]
    curve = CubicSpline(
        np.concatenate([-lags[::-1], [0.0], lags]), np.concatenate([values[::-1], [zero], values])
    )
    read = [lag for lag in seam if abs(lag - lag_frames) <= _READ * spacing]
    if len(read) < 3 or values[3] <= values[0]:
        return None
    found = np.array([seam[lag][0] for lag in read])
    # Large differences vary more.
    weights = np.array([seam[lag][1] for lag in read]) / found**2
    trials = lag_frames + spacing * np.arange(-_SEARCH, _SEARCH + _FINE / 2, _FINE)
    costs = []
    for trial in trials:
        left = found - curve((np.array(read) - trial) / spacing)
        # What stays on the detector only adds.
        left -= max(float(np.average(left, weights=weights)), 0.0)
        costs.append(float(np.average(left**2, weights=weights)))
    best = int(np.argmin(costs))
    return None if best in (0, len(trials) - 1) else float(trials[best])


def _filtered(images: Images, smooth_px: float) -> Images:
    """Return what varies along rows over a few pixels."""
    from scipy.ndimage import gaussian_filter1d

    result = images - images.mean(axis=2, keepdims=True)
    result = gaussian_filter1d(result, smooth_px, axis=2, mode="nearest")
    filtered: Images = result - gaussian_filter1d(
        result, _BROAD * smooth_px, axis=2, mode="nearest"
    )
    return filtered
