"""Drawing the truth of a simulated scan from its settings; nothing is projected yet."""

from __future__ import annotations

import math

import numpy as np

from tomoline import geometry
from tomoline.simulate.ellipsoids import Floats, draw_ellipsoids, project
from tomoline.simulate.scan_settings import ScanSimulation
from tomoline.simulate.scan_truth import BadFrame, Damage, ScanTruth

_FILLS = 0.86
"""Radius of the specimen relative to the field's, so that there is air beside it."""


def plan_scan(settings: ScanSimulation) -> ScanTruth:
    """Draw specimen, axis, shifts and faults of a scan."""
    rng = np.random.default_rng([settings.seed, 0])
    width, height = settings.width_px, settings.height_px
    axis = _axis(settings, rng)
    sides = (axis + 0.5, width - 0.5 - axis)
    # A full turn sees on one side what it misses on the other.
    beside = settings.range_deg >= 360 and min(sides) < 0.35 * width
    field = max(sides) if beside else min(sides)
    radius = _FILLS * field
    place = rng.uniform(0, 2 * math.pi)
    middle = 0.04 * radius * np.array([math.cos(place), math.sin(place)])
    inner = 0.93 * radius
    table = draw_ellipsoids(rng, inner, height, settings.ellipsoids)
    table[:, :2] += middle
    cylinder = np.array([*middle, 0.95 * radius, settings.matrix_share])
    strength = settings.phase_rad / _thickest(table, cylinder, height, radius)
    table[:, 9] *= strength
    cylinder[3] *= strength
    magnification = np.array([magnified(settings, z) for z in settings.distances_m])
    return ScanTruth(
        ellipsoids=table,
        cylinder=cylinder,
        angles_deg=np.arange(settings.angles, dtype=np.float64) * settings.step_deg,
        axis_px=axis,
        axis_tilt_deg=settings.axis_tilt_deg,
        field_radius_px=field,
        shifts_px=_shifts(settings, np.random.default_rng([settings.seed, 1])),
        magnification=magnification / magnification[0],
        pixel_size_um=settings.pixel_size_um / float(magnification[0]),
        bad_frames=_bad_frames(settings, np.random.default_rng([settings.seed, 2])),
        settings=settings.model_dump(mode="json"),
    )


def magnified(settings: ScanSimulation, distance_m: float) -> float:
    """Return the magnification that a cone makes at a distance; 1 for a parallel beam."""
    source = settings.source_distance_m
    return 1.0 if source is None else (source + distance_m) / source


def _axis(settings: ScanSimulation, rng: np.random.Generator) -> float:
    middle = geometry.centre(settings.width_px)
    drawn = round(float(rng.uniform(-1, 1)) * 0.012 * settings.width_px, 3)
    if settings.axis_px is not None:
        return settings.axis_px
    if settings.overlap_px is not None:
        right = settings.width_px - 0.5 - settings.overlap_px / 2
        return right if settings.axis_side == "right" else 2 * middle - right
    return middle + (drawn if settings.axis_offset_px is None else settings.axis_offset_px)


def _thickest(table: Floats, cylinder: Floats, height: int, radius: float) -> float:
    """Return the largest of the projections' values, on a coarse grid."""
    step = max(1.0, radius / 60)
    shape = (max(1, round(height / step)), 2 * round(radius / step) + 1)
    corner = (-step * (shape[0] - 1) / 2, -step * (shape[1] - 1) / 2)
    largest = [
        float(project(table, cylinder, angle, shape, corner, step).max())
        for angle in np.arange(6) * math.pi / 6
    ]
    return max(*largest, 1e-9)


def _shifts(settings: ScanSimulation, rng: np.random.Generator) -> Floats:
    """Offsets, a slow drift and the stage's run-out: (angle, distance, 2) of (dy, dx) pixels."""
    count, angles = len(settings.distances_m), settings.angles
    time = np.linspace(-1, 1, angles)[:, None, None] if angles > 1 else np.zeros((1, 1, 1))
    turn = np.radians(np.arange(angles) * settings.step_deg)[:, None, None]
    scale = settings.shift_px
    offset = rng.uniform(0.3, 0.8, (count, 2)) * rng.choice([-1, 1], (count, 2)) * scale
    drift = rng.uniform(-0.1, 0.1, (2, count, 2)) * scale
    run_out = rng.uniform(0.02, 0.06, (count, 2)) * scale
    phase = rng.uniform(0, 2 * math.pi, (count, 2))
    shifts = offset + drift[0] * time + drift[1] * (time**2 - 1 / 3)
    shifts = shifts + run_out * np.sin(turn + phase)
    shifts[:, 0] = 0.0
    rounded: Floats = np.round(np.clip(shifts, -scale, scale), 5)
    return rounded


def _bad_frames(settings: ScanSimulation, rng: np.random.Generator) -> tuple[BadFrame, ...]:
    """Draw which projections are bad, each at another angle, the first of a distance never."""
    damages: list[Damage] = [
        *["blank"] * settings.blank_frames,  # type: ignore[list-item]
        *["truncated"] * settings.truncated_frames,  # type: ignore[list-item]
        *["missing"] * settings.missing_frames,  # type: ignore[list-item]
    ]
    # Without the last frame nobody could tell that it is missing.
    angles = rng.permutation(np.arange(1, max(settings.angles - 1, 1)))
    return tuple(
        BadFrame(int(rng.integers(0, len(settings.distances_m))), int(angle), damage)
        for angle, damage in zip(angles, damages, strict=False)
    )
