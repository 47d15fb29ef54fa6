"""The step slices and what makes the slices of a scan: units, limits, rings, errors."""

import contextlib
import json
import math

import numpy as np
import pytest
import tifffile

from tomoline.engine import ThreadsEngine
from tomoline.errors import TomolineError
from tomoline.files.sinograms import MemorySinograms
from tomoline.steps._axis import RotationAxis
from tomoline.steps._reconstruction import Reconstruction
from tomoline.steps._retrieval import Retrieval
from tomoline.steps._slices_of_scan import SliceMaker
from tomoline.steps.scan_layout import ScanLayout
from tomoline.steps.slices import SLICES

ROWS, ANGLES, WIDE = 21, 150, 96
AXIS, SLOPE = 46.3, 0.08
DENSITY = 0.01


class Context:
    """What a step gets, without a workflow."""

    root = "s"

    def __init__(self, folder, store, threads=1):
        self.folder, self.source = folder, folder / "s.par"
        self.store = store
        self.engine = ThreadsEngine(threads, 1 << 30)
        self.notices = []

    def has(self, artifact):
        return self.input(artifact).exists()

    def input(self, artifact):
        return self.folder / artifact

    @contextlib.contextmanager
    def writing(self, artifact, *, suffix="", folder=False):
        yield self.input(artifact)

    def sinograms(self, artifact):
        return self.store

    def warn(self, notice):
        self.notices.append(notice.code)


def density_of(row):
    return DENSITY * (1 + row / 10)


def projections(angles_deg, wide=WIDE, axis=AXIS, radius=30.0):
    """Rows of a disc off the axis, denser from row to row, (row, angle, column)."""
    angles = np.radians(angles_deg)
    u = np.arange(wide)
    rows = []
    for row in range(ROWS):
        middle = axis + SLOPE * (row - 10) + 6 * np.cos(angles) - 4 * np.sin(angles)
        chord = 2 * np.sqrt(np.maximum(radius**2 - (u - middle[:, None]) ** 2, 0))
        rows.append(density_of(row) * chord)
    return np.array(rows, np.float32)


def scan(folder, rows=None, angles_deg=None, quantity="phase", threads=1, excluded=(), **axis):
    angles_deg = np.arange(ANGLES) * 180 / ANGLES if angles_deg is None else angles_deg
    rows = projections(angles_deg) if rows is None else rows
    store = MemorySinograms(rows.shape)
    store.write_angles(0, rows.transpose(1, 0, 2))
    ScanLayout(
        "s", "test", ROWS, rows.shape[2], tuple(map(float, angles_deg)), "", (), (), ()
    ).write(folder / "scan_layout")
    delta = 1e-7 if quantity == "phase" else None
    unit = "rad" if quantity == "phase" else "1"
    Retrieval(quantity, unit, delta, 0.65, dict.fromkeys(excluded, "bad")).write(
        folder / "retrieval"
    )
    values = {
        "axis_px": AXIS,
        "slope_px_per_row": SLOPE,
        "middle_row": 10.0,
        "full_turn": False,
        "side": None,
        "overlap_px": None,
        "confidence": 1.0,
        "source": "test",
    } | axis
    RotationAxis(**values).write(folder / "rotation_axis")
    return Context(folder, store, threads)


def run(context, **params):
    return SLICES.run(SLICES.validate(params), context)


def inner(image, radius=22):
    place = np.arange(len(image)) - (len(image) - 1) / 2
    return image[np.hypot(place[None, :] - 6, place[:, None] + 4) < radius]


def test_slices_have_delta_and_lie_about_the_axis(tmp_path):
    context = scan(tmp_path)
    values = run(context, rings="none")
    assert (values["quantity"], values["unit"], values["slices"]) == ("delta", "1", ROWS)
    assert values["voxel_um"] == 0.65
    maker = SliceMaker.open(context)
    assert maker.shape == (ROWS, WIDE, WIDE)
    made = maker.make(0, ROWS)
    assert made.shape == maker.shape
    assert made.dtype == np.float32
    for row, image in enumerate(made):
        assert inner(image).mean() == pytest.approx(1e-7 * density_of(row), rel=0.003)
        weight = np.where(image > 0.5 * inner(image).mean(), 1.0, 0.0)
        place = np.arange(WIDE) - (WIDE - 1) / 2
        assert np.sum(weight * place[None, :]) / weight.sum() == pytest.approx(6, abs=0.05)
        assert np.sum(weight * place[:, None]) / weight.sum() == pytest.approx(-4, abs=0.05)


@pytest.mark.parametrize("rings", ["none", "fast", "sorting", "vo", "wavelet"])
def test_parts_and_threads_make_the_same(tmp_path, rings):
    context = scan(tmp_path, excluded=(3, 77), threads=2)
    context.store._data[:, [3, 77]] = 1e3
    before = context.store._data.copy()
    assert run(context, rings=rings)["angles_used"] == ANGLES - 2
    maker = SliceMaker.open(context)
    assert np.array_equal(before, context.store._data)
    whole = maker.make(0, 16)
    parts = context.engine.map(
        lambda first: maker.make(first, first + 8), [0, 8], bytes_per_chunk=1, label=""
    )
    assert np.array_equal(whole, np.concatenate(list(parts)))
    # Two slices share a transform: others beside them change the rounding only.
    assert maker.make(5, 6)[0] == pytest.approx(whole[5], abs=1e-4 * float(whole.max()))
    assert inner(whole[10]).mean() == pytest.approx(1e-7 * density_of(10), rel=0.1)


def test_the_preview_is_of_the_slices_and_gives_the_limits(tmp_path):
    context = scan(tmp_path)
    values = run(context, preview_rows=(18, 2, 9, 2))
    assert values["preview_rows"] == [2, 9, 18]
    pages = tifffile.imread(tmp_path / "preview")
    maker = SliceMaker.open(context)
    assert pages.dtype == np.float32
    assert pages == pytest.approx(maker.make_rows([2, 9, 18]))
    low, high = values["limits"]
    everything = maker.make(0, ROWS)
    assert np.mean((everything < low) | (everything > high)) < 1e-3
    assert high < 3 * everything.max()
    with tifffile.TiffFile(tmp_path / "preview") as file:
        details = json.loads(file.pages[0].description)
    assert details["rows"] == [2, 9, 18]
    assert details["unit"] == "1"
    found = json.loads((tmp_path / "reconstruction").read_text())
    assert found["limits"] == [low, high]
    assert Reconstruction.read(tmp_path / "reconstruction").limits == (low, high)


def test_a_low_scan_is_previewed_whole(tmp_path):
    context = scan(tmp_path, rows=projections(np.arange(ANGLES) * 180 / ANGLES)[:2])
    assert run(context)["preview_rows"] == [0, 1]
    assert run(context, preview_slices=1)["preview_rows"] == [1]


def test_units_of_attenuation(tmp_path):
    context = scan(tmp_path, quantity="absorption")
    per_cm = run(context, preview_rows=(10,), rings="none")
    assert (per_cm["quantity"], per_cm["unit"]) == ("attenuation", "1/cm")
    found = inner(tifffile.imread(tmp_path / "preview")).mean()
    assert found == pytest.approx(density_of(10) / 0.65e-4, rel=0.003)
    assert run(context, preview_rows=(10,), unit="per_px", rings="none")["unit"] == "1/px"
    found = inner(tifffile.imread(tmp_path / "preview")).mean()
    assert found == pytest.approx(density_of(10), rel=0.003)
    for unit in ("delta", "rad_per_px"):
        with pytest.raises(TomolineError, match="VOLUME-05"):
            run(context, unit=unit)


def test_units_of_phase(tmp_path):
    context = scan(tmp_path)
    assert run(context, unit="rad_per_px", preview_rows=(10,))["unit"] == "rad/px"
    with pytest.raises(TomolineError, match="VOLUME-05"):
        run(context, unit="per_cm")
    Retrieval("phase", "rad", None, None).write(tmp_path / "retrieval")
    assert run(context)["unit"] == "rad/px"
    with pytest.raises(TomolineError, match="VOLUME-05"):
        run(context, unit="delta")


def test_a_size_a_circle_and_a_filter(tmp_path):
    context = scan(tmp_path)
    look = {"rings": "none", "preview_rows": (10,)}
    values = run(context, size_px=80, mask_fraction=0.9, filter="hann", **look)
    assert values["size_px"] == 80
    image = tifffile.imread(tmp_path / "preview")
    place = np.arange(80) - 39.5
    outside = np.hypot(place[None, :], place[:, None]) > 36
    assert np.all(image[outside] == 0)
    assert np.all(image[~outside] != 0)
    assert inner(image).mean() == pytest.approx(1e-7 * density_of(10), rel=0.003)
    run(context, compatible="gridrec", mask_fraction=None, **look)
    assert np.ptp(tifffile.imread(tmp_path / "preview")) > 0.8e-7 * density_of(10)


def test_what_cannot_be_is_said(tmp_path):
    with pytest.raises(TomolineError, match="VOLUME-01"):
        run(scan(tmp_path, excluded=range(ANGLES - 2)))
    with pytest.raises(TomolineError, match="VOLUME-02"):
        run(scan(tmp_path, side="left", overlap_px=20.0, full_turn=True))
    with pytest.raises(TomolineError, match="VOLUME-03"):
        run(scan(tmp_path, axis_px=120.0))
    with pytest.raises(TomolineError, match=r"VOLUME-04.*\n.*\n.*preview_rows"):
        run(scan(tmp_path), preview_rows=(3, ROWS))


def test_what_is_missing_is_warned_of(tmp_path):
    context = scan(tmp_path, angles_deg=np.arange(ANGLES) * 150 / ANGLES)
    run(context)
    assert context.notices == ["VOLUME-06"]
    empty = scan(tmp_path, rows=np.zeros((ROWS, ANGLES, WIDE), np.float32))
    assert run(empty)["limits"] is None
    assert empty.notices == ["VOLUME-07"]
    rows = np.full((ROWS, ANGLES, WIDE), np.nan, np.float32)
    lost = scan(tmp_path, rows=rows)
    run(lost, rings="none")
    assert lost.notices == ["VOLUME-08"]


def test_joined_halves_make_the_slices(tmp_path):
    from tomoline.steps._stitching import Stitching

    angles = np.arange(2 * ANGLES) * 180 / ANGLES
    # The axis near the left edge: half of the specimen is seen at each angle.
    rows = projections(angles, 64, 9.3, radius=40.0)
    context = scan(
        tmp_path, rows, angles, axis_px=9.3, side="left", overlap_px=19.6, full_turn=True
    )
    pairs = tuple((n + ANGLES, n + ANGLES) for n in range(ANGLES))
    Stitching(
        side="left",
        frame_width_px=64,
        middle_row=10.0,
        frame_axis_px=9.3,
        slope_px_per_row=SLOPE,
        angles_deg=tuple(map(float, angles[:ANGLES])),
        first=tuple(range(ANGLES)),
        second=pairs,
        second_weight=(0.0,) * ANGLES,
        shifts_px=((0.0, 0.0),) * ANGLES,
    ).write(tmp_path / "stitching")
    values = run(context, rings="none", preview_rows=(10,))
    assert values["size_px"] == 2 * 64 - 20
    image = tifffile.imread(tmp_path / "preview")
    assert inner(image, 30).mean() == pytest.approx(1e-7 * density_of(10), rel=0.01)


def test_memory_is_bounded(tmp_path):
    context = scan(tmp_path)
    run(context)
    maker = SliceMaker.open(context)
    assert maker.bytes_per_group > 8 * 4 * WIDE**2 + 8 * 4 * ANGLES * WIDE
    assert math.isfinite(maker.bytes_per_group)
