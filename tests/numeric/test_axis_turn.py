"""The turn between the axes of a dual-axis set: on discs, and on simulated series."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.files.stack import open_stack
from tomoline.kernels.axis_turn import SURE, AxisTurn, find_turn
from tomoline.simulate.tilt import simulate_dual
from tomoline.simulate.truth import Truth

# Of the image's width; beads on both surfaces of a slab that leans otherwise move by more.
DISC_TOLERANCE = 0.002
SERIES_TOLERANCE = 0.02
Floats = NDArray[np.float64]


def discs(
    shape: tuple[int, int], centres: Floats, noise: float, seed: int, scale: float = 1.0
) -> NDArray[np.float32]:
    """Draw smooth dark discs of radii 3 to 8 at (x, y) about the centre, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    image = np.full(shape, 100.0)
    for number, (u, v) in enumerate(centres):
        far = np.hypot(x - geometry.centre(shape[1]) - u, y - geometry.centre(shape[0]) - v)
        image -= 15 * (1 - np.tanh((far - scale * (3 + number % 6)) / 1.4))
    return (image + rng.normal(0, noise, shape)).astype(np.float32)


def turned(points: Floats, angle_deg: float, shift: tuple[float, float]) -> Floats:
    angle = math.radians(angle_deg)
    matrix = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return points @ matrix.T + shift


def largest_error(turn: AxisTurn, points: Floats, there: Floats) -> float:
    return float(np.max(np.linalg.norm(geometry.apply(turn.transform, points) - there, axis=1)))


@pytest.mark.parametrize(
    ("angle_deg", "shift", "first", "second"),
    [
        (90.0, (0.0, 0.0), (256, 256), (256, 256)),
        (-93.7, (14.0, -21.0), (240, 320), (256, 300)),
        (87.2, (-30.0, 11.0), (300, 300), (200, 260)),
        (31.0, (9.0, 9.0), (256, 256), (256, 256)),
        (178.0, (0.0, 25.0), (256, 320), (256, 320)),
    ],
)
def test_discs_turned_and_moved(
    angle_deg: float, shift: tuple[float, float], first: tuple[int, int], second: tuple[int, int]
) -> None:
    rng = np.random.default_rng(5)
    centres = rng.uniform(-190, 190, (40, 2))
    turn = find_turn(
        discs(first, centres, 8.0, 1), discs(second, turned(centres, angle_deg, shift), 8.0, 2)
    )
    assert turn is not None
    assert turn.confidence > SURE
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.4 * first[0]
    error = largest_error(turn, corners, turned(corners, angle_deg, shift))
    assert error <= DISC_TOLERANCE * first[1] + 0.25
    assert turn.turn_deg == pytest.approx(angle_deg, abs=0.4)


def test_foreshortening_and_other_pixels() -> None:
    """A view at 25 degrees, and one whose pixels are half as large."""
    rng = np.random.default_rng(6)
    centres = rng.uniform(-150, 150, (40, 2))
    squeeze, grow = np.diag([math.cos(math.radians(25)), 1.0]), 2.0 * np.eye(2)
    first = discs((256, 256), centres @ squeeze.T, 5.0, 1)
    second = discs((500, 512), turned(centres, 91.0, (8.0, 5.0)) @ grow.T, 5.0, 2, 2.0)
    turn = find_turn(first, second, squeeze, grow)
    assert turn is not None
    assert turn.confidence > SURE
    corners = np.array([[-90.0, -90.0], [90, -90], [90, 90], [-90, 90]])
    there = 2 * turned(corners, 91.0, (8.0, 5.0))
    assert largest_error(turn, corners @ squeeze.T, there) < 2.5


@pytest.mark.parametrize("seed", range(4))
def test_views_of_different_specimens_are_not_believed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.uniform(-190, 190, (2, 40, 2))
    turn = find_turn(discs((256, 256), one, 8.0, 1), discs((256, 256), other, 8.0, 2))
    assert turn is None or turn.confidence < SURE


def test_blank_views_give_nothing_to_believe() -> None:
    blank = np.full((128, 128), 7.0, np.float32)
    turn = find_turn(blank, blank)
    assert turn is None or turn.confidence < SURE


@pytest.mark.parametrize(("seed", "gold"), [(1, True), (2, True), (3, False), (4, False)])
def test_simulated_axes(tmp_path: Path, seed: int, gold: bool) -> None:
    stacks = simulate_dual(
        tmp_path, "ts", seed=seed, width=384, height=320, views=3, beads=30, gold=gold
    )
    truths = [Truth.read(path.with_name(f"{path.stem}_truth.json")) for path in stacks]
    images = [open_stack(path).read(1) for path in stacks]
    turn = find_turn(*images)
    assert turn is not None
    assert turn.confidence > SURE
    grid = np.linspace(-0.4, 0.4, 5)
    plane = np.array([[x * 384, y * 320, 0.0] for x in grid for y in grid])
    moved = np.column_stack(
        [turned(plane[:, :2], truths[1].turned_deg, truths[1].moved_px), plane[:, 2]]
    )
    here, there = truths[0].bead_positions(plane)[1], truths[1].bead_positions(moved)[1]
    assert largest_error(turn, here, there) < SERIES_TOLERANCE * 384


def test_a_real_series_turned_by_a_quarter(tilt_data: Path) -> None:
    """Two views of a cryo series, 12 degrees apart, the second turned: a specimen of vesicles."""
    stack = open_stack(tilt_data / "exosome-gold-series" / "exosome.mrc")
    middle = stack.shape[0] // 2
    other = np.ascontiguousarray(np.rot90(stack.read(middle + 4)))  # clockwise as y points up
    turn = find_turn(stack.read(middle), other)
    assert turn is not None
    assert turn.confidence > SURE
    assert turn.turn_deg == pytest.approx(-90, abs=1.0)
