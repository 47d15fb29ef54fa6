"""The specimen's slope and limits: from made-up energies, and from a simulated series."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline.engine import ThreadsEngine
from tomoline.files import angles, transforms
from tomoline.kernels.find_section import find_section
from tomoline.simulate.tilt import simulate_tilt
from tomoline.simulate.truth import Truth
from tomoline.steps.acquisition import Acquisition, View
from tomoline.steps.position import POSITION

Floats = NDArray[np.float64]

SLOPE_DEG = 0.3
LIMIT_PX = 2.0
"""Errors allowed on a made-up slab with noise as strong as its energy."""
SERIES_DEG = 1.5
SERIES_LIMIT_PX = 12.0
"""Errors allowed on a simulated series of 256 pixels with shot noise, in raw pixels."""

BOX = 16.0


def _slab(slope_x: float, slope_y: float, low: float, high: float, noise: float) -> Floats:
    rng = np.random.default_rng(0)
    places = (np.arange(16) - 7.5) * BOX
    z = np.arange(120) - 59.5
    middle = slope_y * places[:, None, None] + slope_x * places[None, None, :]
    height = z[None, :, None] - middle
    inside = (height > low) & (height < high)
    return inside + noise * rng.standard_normal(inside.shape)


@pytest.mark.parametrize(("x_deg", "y_deg"), [(0, 0), (4, 0), (0, -6), (-3, 5)])
def test_slab(x_deg: float, y_deg: float) -> None:
    slopes = math.tan(math.radians(x_deg)), math.tan(math.radians(y_deg))
    found = find_section(_slab(*slopes, -22.0, 31.0, 1.0), BOX)
    assert found is not None
    assert math.degrees(math.atan(found.slope_x)) == pytest.approx(x_deg, abs=SLOPE_DEG)
    assert math.degrees(math.atan(found.slope_y)) == pytest.approx(y_deg, abs=SLOPE_DEG)
    assert found.low_px == pytest.approx(-22, abs=LIMIT_PX)
    assert found.high_px == pytest.approx(31, abs=LIMIT_PX)


def test_errors_of_the_slopes_are_told() -> None:
    sharp = find_section(_slab(0.03, -0.05, -22.0, 31.0, 0.3), BOX)
    vague = find_section(_slab(0.03, -0.05, -22.0, 31.0, 3.0)[:4, :, :4], BOX)
    assert sharp is not None
    assert max(sharp.slope_x_sd, sharp.slope_y_sd) < 0.01
    assert vague is None or max(vague.slope_x_sd, vague.slope_y_sd) > 0.01


def test_known_slopes_are_kept() -> None:
    found = find_section(_slab(0.05, 0.0, -20.0, 20.0, 0.5), BOX, slopes=(0.05, 0.0))
    assert found is not None
    assert (found.slope_x, found.slope_y) == (0.05, 0.0)


def test_samples_of_rows_are_enough() -> None:
    rows_px = (np.arange(16) - 7.5) * BOX
    some = [1, 2, 7, 8, 13, 14]
    energy = _slab(0.02, -0.07, -22.0, 31.0, 0.5)[some]
    found = find_section(energy, BOX, rows_px[some])
    assert found is not None
    assert found.slope_y == pytest.approx(-0.07, abs=0.01)
    assert found.high_px == pytest.approx(31, abs=LIMIT_PX)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_found_in_noise(seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal((8, 120, 8))
    assert find_section(noise, BOX) is None


@pytest.mark.parametrize("energy", [np.zeros((4, 60, 4)), np.full((4, 60, 4), np.nan)])
def test_empty_tomograms_are_refused(energy: Floats) -> None:
    assert find_section(energy, BOX) is None


class Context:
    """A step's context on a folder, with the truth as alignment."""

    def __init__(self, folder: Path, stack: Path) -> None:
        self.root = "ts"
        self.folder = folder
        self.engine = ThreadsEngine(1, 1 << 30)
        self.codes: list[str] = []
        self.stack = stack

    def path(self, artifact: str) -> Path:
        return self.stack if artifact == "fixed_stack" else self.folder / artifact

    def has(self, artifact: str) -> bool:
        return self.path(artifact).exists()

    input = path

    def writing(self, artifact: str):  # type: ignore[no-untyped-def]
        from contextlib import nullcontext

        return nullcontext(self.path(artifact))

    def warn(self, notice) -> None:  # type: ignore[no-untyped-def]
        self.codes.append(notice.code)

    def log(self, message: str) -> None:
        pass


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> tuple[Context, Truth]:
    folder = tmp_path_factory.mktemp("series")
    stack = simulate_tilt(
        folder, "ts", seed=4, width=256, height=256, views=31, thickness_nm=60.0, gold=False,
        tilt_offset_deg=2.5, pitch_deg=-3.0, spikes=0, hot_pixels=0,
    )  # fmt: skip
    truth = Truth.read(folder / "ts_truth.json")
    context = Context(folder, stack)
    transforms.write(context.path("transforms"), truth.transforms)
    angles.write(context.path("tilt_angles"), truth.nominal_tilt_deg)
    Acquisition(
        root="ts",
        views=tuple(View(number=n + 1, tilt_deg=t) for n, t in enumerate(truth.nominal_tilt_deg)),
        height_px=256,
        width_px=256,
    ).write(context.path("views"))
    return context, truth


def test_series_without_points(series: tuple[Context, Truth]) -> None:
    context, truth = series
    values = POSITION.run(POSITION.params(), context)
    told = json.loads(context.path("position").read_text())
    assert told["tilt_offset_deg"] == pytest.approx(truth.tilt_offset_deg, abs=SERIES_DEG)
    assert told["x_axis_tilt_deg"] == pytest.approx(truth.pitch_deg, abs=SERIES_DEG)
    room = 2 * POSITION.params().border_px
    assert told["thickness_px"] - room == pytest.approx(60, abs=SERIES_LIMIT_PX)
    assert told["z_shift_px"] == pytest.approx(0, abs=SERIES_LIMIT_PX / 2)
    assert told["thickness_source"] == "density"
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert not context.codes


def test_samples_tell_the_same(series: tuple[Context, Truth]) -> None:
    context, truth = series
    POSITION.run(POSITION.params(whole_tomogram=False, binning=2), context)
    told = json.loads(context.path("position").read_text())
    assert told["tilt_offset_deg"] == pytest.approx(truth.tilt_offset_deg, abs=2 * SERIES_DEG)


def test_nothing_is_asked(series: tuple[Context, Truth]) -> None:
    context, _ = series
    values = POSITION.run(POSITION.params(method="none"), context)
    assert values["thickness_px"] is None
    assert values["z_shift_px"] == 0
    assert not context.codes
