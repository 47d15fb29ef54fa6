"""Random specimens that look like frozen cells and vesicles with gold on the ice's surfaces."""

from __future__ import annotations

import math

import numpy as np

from tomoline.simulate.specimen import Floats, Specimen

# Attenuations per nanometre relative to ice: what makes cryo views look as they do at 300 kV.
GOLD_PER_NM = 0.10
STRUCTURE_PER_NM = 0.006
MEMBRANE_PER_NM = 0.008

_DECIMALS = 4


def random_specimen(
    rng: np.random.Generator,
    *,
    field_px: tuple[float, float],
    extent_px: tuple[float, float],
    thickness_px: float,
    pixel_size_nm: float = 1.0,
    beads: int = 24,
    surfaces: int = 2,
    gold_diameter_px: float = 10.0,
    blobs: int = 300,
    filaments: int = 6,
    vesicles: int = 3,
) -> Specimen:
    """Draw a slab of ice with structure in it and gold on its surfaces.

    The counts are for the field; the same number per area lies in the rest of the extent.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all that is random.
    field_px, extent_px : (float, float)
        Width (x) and height (y) of the field that counts, and of the whole slab.
    thickness_px : float
        Thickness of the ice.
    pixel_size_nm : float
        Scale of structures and densities.
    beads, surfaces, gold_diameter_px
        How many gold particles, on one surface or two, and their mean diameter.
    blobs, filaments, vesicles : int
        How many protein-like blobs, bent filaments and membrane vesicles.
    """
    share = extent_px[0] * extent_px[1] / (field_px[0] * field_px[1])
    gold = _beads(
        rng, beads, field_px, extent_px, thickness_px, surfaces, gold_diameter_px, pixel_size_nm
    )
    wide = np.array([*extent_px, 0.8 * thickness_px])
    return Specimen(
        beads=gold,
        vesicles=_vesicles(rng, round(vesicles * share), wide, pixel_size_nm),
        blobs=_blobs(rng, round(blobs * share), wide, pixel_size_nm),
        filaments=_filaments(rng, round(filaments * share), wide, pixel_size_nm),
        thickness_px=thickness_px,
    )


def _beads(
    rng: np.random.Generator,
    count: int,
    field_px: tuple[float, float],
    extent_px: tuple[float, float],
    thickness_px: float,
    surfaces: int,
    diameter_px: float,
    pixel_size_nm: float,
) -> Floats:
    """Gold that keeps apart: exactly `count` in the field, and the same density outside it."""
    field, extent = np.array(field_px), np.array(extent_px)
    outside = round(count * (extent.prod() / field.prod() - 1))
    # Beads may pass over each other when tilted, but do not touch; a crowded field comes closer.
    apart = min(3.5 * diameter_px, 0.5 * math.sqrt(field.prod() / max(count, 1)))
    placed = np.zeros((0, 2))
    rows: list[tuple[float, ...]] = []
    tries = 0
    while len(rows) < count + outside and tries < 200 * (count + outside):
        tries += 1
        inner = len(rows) < count
        place = (rng.random(2) - 0.5) * (0.96 * field if inner else extent)
        if not inner and np.all(np.abs(place) <= field / 2):
            continue
        if len(placed) and np.min(np.sum((placed - place) ** 2, axis=1)) < apart**2:
            continue
        placed = np.vstack([placed, place])
        side = -1.0 if surfaces == 1 else float(1 - 2 * (len(rows) % 2))
        height = side * thickness_px / 2 + rng.normal(0, 0.02 * thickness_px)
        radius = diameter_px / 2 * (1 + rng.normal(0, 0.04))
        rows.append((*place, height, radius, GOLD_PER_NM * pixel_size_nm))
    return np.round(np.array(rows).reshape(-1, 5), _DECIMALS)


def _blobs(rng: np.random.Generator, count: int, box: Floats, pixel_size_nm: float) -> Floats:
    centres = (rng.random((count, 3)) - 0.5) * box
    sigmas = rng.uniform(2.0, 7.0, (count, 1)) * rng.uniform(0.7, 1.4, (count, 3)) / pixel_size_nm
    turns, _ = np.linalg.qr(rng.normal(size=(count, 3, 3)))
    covariance = turns * sigmas[:, None, :] ** 2 @ np.swapaxes(turns, 1, 2)
    upper = covariance[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
    peaks = STRUCTURE_PER_NM * pixel_size_nm * rng.uniform(0.4, 1.6, (count, 1))
    return np.concatenate(
        [np.round(np.hstack([centres, upper]), _DECIMALS), np.round(peaks, 7)], axis=1
    )


def _filaments(rng: np.random.Generator, count: int, box: Floats, pixel_size_nm: float) -> Floats:
    """Chains of segments that bend slowly and stay in the ice."""
    rows: list[Floats] = []
    for _ in range(count):
        place = (rng.random(3) - 0.5) * box
        heading = rng.uniform(0, 2 * math.pi)
        climb = rng.normal(0, 0.12)
        sigma = rng.uniform(2.0, 4.0) / pixel_size_nm
        peak = STRUCTURE_PER_NM * pixel_size_nm * rng.uniform(0.8, 1.6)
        for _ in range(rng.integers(4, 12)):
            heading += rng.normal(0, 0.15)
            if abs(place[2]) > 0.5 * box[2]:
                climb = -abs(climb) * np.sign(place[2])
            length = rng.uniform(25, 45) / pixel_size_nm
            step = np.array([math.cos(heading), math.sin(heading), climb]) * length
            rows.append(np.array([*place, *(place + step), sigma, peak]))
            place = place + step
    table = np.array(rows).reshape(-1, 8)
    table[:, :7] = np.round(table[:, :7], _DECIMALS)
    table[:, 7] = np.round(table[:, 7], 7)
    return table


def _vesicles(rng: np.random.Generator, count: int, box: Floats, pixel_size_nm: float) -> Floats:
    """Membranes 4.5 nm thick, of radii that fit into the ice."""
    largest = max(0.45 * box[2], 12 / pixel_size_nm)
    outer = rng.uniform(0.45, 1.0, count) * largest
    inner = np.maximum(outer - 4.5 / pixel_size_nm, 0.5 * outer)
    centres = (rng.random((count, 3)) - 0.5) * box
    centres[:, 2] *= np.maximum(0, 1 - 2 * outer / box[2])
    sigma = np.full(count, 0.8 / pixel_size_nm)
    density = np.full(count, MEMBRANE_PER_NM * pixel_size_nm)
    table = np.column_stack([centres, outer, inner, sigma, density])
    table[:, :6] = np.round(table[:, :6], _DECIMALS)
    return table
