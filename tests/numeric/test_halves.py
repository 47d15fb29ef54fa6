"""The halves of a full turn: overlap, joining, pairs, and the step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from tomoline.engine.threads import ThreadsEngine
from tomoline.errors import Notice, TomolineError
from tomoline.files.sinograms import MemorySinograms
from tomoline.kernels.halves import find_overlap
from tomoline.kernels.join_halves import Pairs, join
from tomoline.steps._axis import RotationAxis, Side
from tomoline.steps._half_turn import find_partners
from tomoline.steps._retrieval import Retrieval
from tomoline.steps._stitching import Stitching
from tomoline.steps.scan_layout import ScanHints, ScanLayout
from tomoline.steps.stitch import StitchParams, run

Real = NDArray[np.float32]
WIDTH = 160


def glue(
    sinogram: Real, axis_px: float, *, mask_px: int = 0, match_levels: bool = True
) -> tuple[Real, float]:
    """Join the halves of one sinogram of a full turn in even steps, its end excluded."""
    angles, width = sinogram.shape
    half = angles // 2
    left = axis_px < (width - 1) / 2
    overlap = 2 * axis_px + 1 if left else 2 * (width - 1 - axis_px) + 1
    wide = 2 * width - round(overlap)
    offset = wide - width if left else 0
    places = np.arange(half)
    pairs = Pairs(
        places, np.stack([places + half] * 2, axis=1), np.zeros(half), np.zeros((half, 2))
    )
    joined = join(
        sinogram[None],
        0,
        np.array([axis_px]),
        pairs,
        wide,
        offset,
        mask_px=mask_px,
        match_levels=match_levels,
    )
    return joined[0], axis_px + offset


def balls(seed: int = 0, reach: float = 110.0, rows: int = 1) -> NDArray[np.float64]:
    """Balls as rows (x, y, z, radius, density), within `reach` of the axis."""
    rng = np.random.default_rng(seed)
    count = 60
    angle, distance = rng.uniform(0, 2 * np.pi, count), reach * np.sqrt(rng.random(count))
    place = distance * np.cos(angle), distance * np.sin(angle), rng.uniform(-6, rows + 6, count)
    return np.stack([*place, rng.uniform(4, 14, count), rng.uniform(0.3, 1.0, count)], axis=1)


def project(
    specimen: NDArray[np.float64],
    angles_deg: NDArray[np.float64],
    axis: float,
    width: int = WIDTH,
    rows: int = 1,
    drift: NDArray[np.float64] | None = None,
) -> Real:
    """Exact projections (row, angle, column); `drift` is (angle, 2): dy, dx of the specimen."""
    u = np.arange(width)[None, None, :]
    v = np.arange(rows)[:, None, None]
    moved = np.zeros((len(angles_deg), 2)) if drift is None else drift
    theta = np.radians(angles_deg)
    result = np.zeros((rows, len(angles_deg), width))
    for x, y, z, radius, density in specimen:
        centre = axis + x * np.cos(theta) + y * np.sin(theta) + moved[:, 1]
        square = (u - centre[None, :, None]) ** 2 + (v - z - moved[None, :, :1]) ** 2
        result += density * 2 * np.sqrt(np.maximum(radius**2 - square, 0))
    return result.astype(np.float32)


def steps(count: int, turn: float = 360.0) -> NDArray[np.float64]:
    return np.arange(count) * turn / count


@pytest.mark.parametrize(
    ("axis", "side"),
    [(12.3, "left"), (30.0, "left"), (75.6, "left"), (84.2, "right"), (145.25, "right")],
)
def test_overlap_is_found_on_both_sides(axis: float, side: str) -> None:
    full = project(balls(), steps(240), axis)[0]
    rng = np.random.default_rng(1)
    full += rng.normal(0, 0.05 * full.std(), full.shape).astype(np.float32)
    # What stays in place makes rings, and must not count.
    full += rng.normal(0, 0.2 * full.std(), WIDTH).astype(np.float32)
    found = find_overlap(full[:120], full[120:])
    assert found.side == side
    assert abs(found.axis_px - axis) < 0.1
    overlap = 2 * axis + 1 if side == "left" else 2 * (WIDTH - 1 - axis) + 1
    assert abs(found.overlap_px - overlap) < 0.2
    assert found.confidence > 0.4


def test_rows_may_be_given_together() -> None:
    full = project(balls(rows=3), steps(120), 25.4, rows=3).transpose(1, 0, 2)
    found = find_overlap(full[:60], full[60:])
    assert abs(found.axis_px - 25.4) < 0.1


def test_halves_of_noise_are_not_trusted() -> None:
    noise = np.random.default_rng(2).normal(size=(240, WIDTH)).astype(np.float32)
    assert find_overlap(noise[:120], noise[120:]).confidence < 0.1
    assert find_overlap(noise[:120] * 0, noise[120:] * 0).confidence == 0.0


@pytest.mark.parametrize(
    ("name", "first_column"), [("sinogram_360_neutron_image", 0), ("half_acq_cols215_end", 215)]
)
def test_a_real_turn(scan_data: Path, name: str, first_column: int) -> None:
    counts = tifffile.imread(scan_data / "neutron-360-sarepy" / f"{name}.tif").astype(np.float32)
    half = (len(counts) - 1) // 2
    rows = -np.log(np.maximum(counts, 1) / counts.max())
    found = find_overlap(rows[:half], rows[half : 2 * half])
    assert found.side == "left"
    assert abs(found.axis_px + first_column - 245.3) < 0.3
    assert found.confidence > 0.4


@pytest.mark.parametrize("axis", [20.0, 30.3, 131.55])
def test_glued_halves_are_the_wide_sinogram(axis: float) -> None:
    specimen = balls(3)
    angles = steps(90)
    wide, wide_axis = glue(project(specimen, angles, axis)[0], axis)
    assert wide.shape[0] == 45
    truth = project(specimen, angles[:45], wide_axis, wide.shape[1])[0]
    # Balls' edges are sharp, so that parts of a pixel cannot be exact.
    assert np.sqrt(np.mean((wide - truth) ** 2)) < 0.025 * truth.std()


def test_a_step_between_the_halves_is_shared() -> None:
    specimen = balls(4)
    angles = steps(60)
    full = project(specimen, angles, 30.0)[0]
    full[30:] += 5.0
    plain, axis = glue(full, 30.0, match_levels=False)
    matched, _ = glue(full, 30.0)
    truth = project(specimen, angles[:30], axis, plain.shape[1])[0]
    # Blending alone leaves a slope of 5 over the overlap; shared, both are 2.5 too high.
    assert np.ptp((plain - truth).mean(axis=0)) > 4.5
    assert np.ptp((matched - truth).mean(axis=0)) < 0.5


def test_masked_columns_do_not_count() -> None:
    specimen = balls(5)
    angles = steps(60)
    full = project(specimen, angles, 30.0)[0]
    full[:, :4] = full[:, -4:] = 1e3
    wide, axis = glue(full, 30.0, mask_px=4)
    truth = project(specimen, angles[:30], axis, wide.shape[1])[0]
    inside = slice(8, -8)
    assert np.abs(wide[:, inside] - truth[:, inside]).max() < 0.1 * truth.max()


def test_partners_of_even_turns() -> None:
    turn = find_partners(steps(8), np.ones(8, bool))
    assert turn.first == (0, 1, 2, 3)
    assert turn.second == ((4, 4), (5, 5), (6, 6), (7, 7))
    ends = find_partners(np.linspace(0, 360, 9), np.ones(9, bool))
    assert (ends.first, ends.second) == (turn.first, turn.second)
    back = find_partners(90 - steps(8), np.ones(8, bool))
    assert (back.first, back.second) == (turn.first, turn.second)


def test_partners_of_odd_turns_lie_between_two() -> None:
    turn = find_partners(steps(9), np.ones(9, bool))
    assert turn.first == (0, 1, 2, 3, 4)
    assert turn.second[0] == (4, 5)
    assert turn.second[4] == (8, 0)
    assert turn.weight == pytest.approx((0.5,) * 5)
    assert turn.interpolated == 5


def test_projections_without_partner_are_named() -> None:
    taking_part = np.ones(36, bool)
    taking_part[[3, 24, 25, 26]] = False
    turn = find_partners(steps(36), taking_part)
    assert 3 not in turn.first
    assert turn.alone == (6, 7, 8)
    assert not find_partners(steps(36, 180.0), np.ones(36, bool)).first


class Context:
    """What the step gets, with projections in memory."""

    def __init__(
        self,
        folder: Path,
        rows: Real,
        angles_deg: NDArray[np.float64],
        axis: float,
        side: Side | None,
        hints: ScanHints | None = None,
        excluded: tuple[int, ...] = (),
        threads: int = 1,
    ) -> None:
        self.folder = folder
        self.engine = ThreadsEngine(threads, 1 << 30)
        self.notices: list[Notice] = []
        self.store = MemorySinograms((rows.shape[0], rows.shape[1], rows.shape[2]))
        self.store.write_angles(0, rows.transpose(1, 0, 2))
        layout = ScanLayout(
            "s",
            "test",
            rows.shape[0],
            rows.shape[2],
            tuple(angles_deg.tolist()),
            "",
            (),
            (),
            (),
            hints=hints or ScanHints(),
        )
        layout.write(folder / "scan_layout")
        bad = dict.fromkeys(excluded, "bad")
        Retrieval("phase", "rad", 1e-7, 0.65, bad).write(folder / "retrieval")
        middle = (rows.shape[0] - 1) / 2
        RotationAxis(axis, 0.0, middle, True, side, None, 1.0, "test").write(
            folder / "rotation_axis"
        )

    def input(self, artifact: str) -> Path:
        return self.folder / artifact

    def sinograms(self, artifact: str) -> MemorySinograms:
        return self.store

    @contextlib.contextmanager
    def writing(self, artifact: str) -> Iterator[Path]:
        yield self.folder / artifact

    def warn(self, notice: Notice) -> None:
        self.notices.append(notice)


def stitched(folder: Path, *given: Any, **others: Any) -> tuple[Any, Stitching, Context]:
    params = others.pop("params", {})
    context = Context(folder, *given, **others)
    values = run(StitchParams(**params), context)  # type: ignore[arg-type]
    return values, Stitching.read(folder / "stitching"), context


def test_the_step_joins_with_drift_and_a_wrong_axis(tmp_path: Path) -> None:
    rows, axis, count = 48, 30.3, 120
    specimen = balls(6, rows=rows)
    angles = steps(count)
    drift = np.zeros((count, 2))
    # The stage sinks after half a turn, by an amount that grows.
    drift[count // 2 :, 0] = 1.5 + 0.8 * np.linspace(0, 1, count // 2)
    projections = project(specimen, angles, axis, rows=rows, drift=drift)
    noisy = projections + np.random.default_rng(7).normal(0, 0.3, projections.shape)
    rough = axis + 0.4
    values, stitching, context = stitched(tmp_path, noisy.astype(np.float32), angles, rough, "left")
    assert not context.notices
    assert abs(stitching.frame_axis_px - axis) < 0.05
    assert values["axis_change_px"] == pytest.approx(-0.4, abs=0.05)
    found = np.array(stitching.shifts_px)
    assert np.abs(found[:, 0] + drift[count // 2 :, 0]).max() < 0.15
    # A drift of the second half is undone: it lies on the first.
    assert stitching.halo_rows == 7
    wide = stitching.apply((16, 24), MemoryOf(projections))
    truth = project(specimen, angles[: count // 2], stitching.axis_px, stitching.width_px, rows)
    error = wide - truth[16:24]
    assert np.sqrt(np.mean(error**2)) < 0.03 * truth[16:24].std()
    # Some rows alone are what they are among others.
    assert np.array_equal(stitching.apply((18, 19), MemoryOf(projections))[0], wide[2])


class MemoryOf(MemorySinograms):
    """A store of given rows."""

    def __init__(self, rows: Real) -> None:
        super().__init__((rows.shape[0], rows.shape[1], rows.shape[2]))
        self.write_angles(0, rows.transpose(1, 0, 2))


def test_a_tilted_axis_is_mirrored_row_by_row() -> None:
    angles, slope, count = steps(60), 0.15, 12
    middle = (count - 1) / 2
    axes = 30.3 + slope * (np.arange(count) - middle)
    specimen = balls(12)
    rows = np.concatenate([project(specimen, angles, axis) for axis in axes])
    pairs = tuple(range(30))
    stitching = Stitching(
        "left",
        WIDTH,
        middle,
        30.3,
        slope,
        tuple(angles[:30].tolist()),
        pairs,
        tuple((one + 30, one + 30) for one in pairs),
        (0.0,) * 30,
        ((0.0, 0.0),) * 30,
    )
    wide = stitching.apply((0, count), MemoryOf(rows))
    for row in (0, 6, 11):
        axis = stitching.axis_at(row)
        assert axis == pytest.approx(axes[row] + stitching.width_px - WIDTH)
        truth = project(specimen, angles[:30], axis, stitching.width_px)[0]
        # At the far edge a column may be seen by neither half.
        error = (wide[row] - truth)[:, 3:]
        assert np.sqrt(np.mean(error**2)) < 0.03 * truth.std()


def test_the_step_does_not_depend_on_threads(tmp_path: Path) -> None:
    angles = steps(101)
    rows = project(balls(8, rows=24), angles, 131.0, rows=24)
    results = []
    for threads in (1, 2):
        values, _, _ = stitched(tmp_path, rows, angles, 131.0, "right", threads=threads)
        results.append((tmp_path / "stitching").read_bytes())
    assert results[0] == results[1]
    # Of an odd number each partner lies between two.
    assert values["pairs_interpolated"] == values["pairs"] == 51


def test_a_vertical_offset_is_searched_where_it_is_expected(tmp_path: Path) -> None:
    angles = steps(80)
    drift = np.zeros((80, 2))
    drift[40:, 0] = -12.0
    rows = project(balls(9, rows=64), angles, 30.0, rows=64, drift=drift)
    hints = ScanHints(offset_y_360_px=12.0)
    _, stitching, context = stitched(tmp_path, rows, angles, 30.0, "left", hints=hints)
    assert not context.notices
    assert np.abs(np.array(stitching.shifts_px)[:, 0] - 12.0).max() < 0.3


def test_spoilt_projections_are_passed_over(tmp_path: Path) -> None:
    angles = steps(80)
    rows = project(balls(10, rows=16), angles, 30.0, rows=16)
    rows[:, [50, 51, 52]] = 0
    values, stitching, context = stitched(
        tmp_path, rows, angles, 30.0, "left", excluded=(50, 51, 52)
    )
    assert not {50, 51, 52} & {one for pair in stitching.second for one in pair}
    assert values["without_partner"] == [11, 12, 13]
    assert [notice.code for notice in context.notices] == ["REGISTER-12"]


def test_what_cannot_be_joined_is_said(tmp_path: Path) -> None:
    noise = np.random.default_rng(11).normal(size=(16, 80, WIDTH)).astype(np.float32)
    _, stitching, context = stitched(tmp_path, noise, steps(80), 30.0, "left")
    assert [notice.code for notice in context.notices] == ["REGISTER-14"]
    assert not np.array(stitching.shifts_px).any()
    _, _, context = stitched(tmp_path, noise, steps(80), 4.0, "left")
    assert [notice.code for notice in context.notices] == ["REGISTER-13"]
    context = Context(tmp_path, noise, steps(80, 180.0), 30.0, "left")
    with pytest.raises(TomolineError) as caught:
        run(StitchParams(), context)  # type: ignore[arg-type]
    assert caught.value.code == "REGISTER-11"


def test_nothing_is_done_with_the_axis_inside(tmp_path: Path) -> None:
    context = Context(tmp_path, np.zeros((4, 8, WIDTH), np.float32), steps(8), 80.0, None)
    assert run(StitchParams(), context) == {"joined": False}  # type: ignore[arg-type]
    assert not (tmp_path / "stitching").exists()
