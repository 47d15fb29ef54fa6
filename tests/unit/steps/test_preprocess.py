"""The steps preprocess and coarse_align on small stacks on disk."""

import json
import math

import numpy as np
import pytest

from tomoline.engine.threads import ThreadsEngine
from tomoline.errors import TomolineError
from tomoline.files import transforms as transform_files
from tomoline.files.mrc import MrcWriter
from tomoline.files.stack import open_stack
from tomoline.steps.acquisition import Acquisition, View
from tomoline.steps.coarse_align import COARSE_ALIGN
from tomoline.steps.preprocess import PREPROCESS
from tomoline.workflow.dataset import DataSet, RunContext

SHIFT_PX = 1.0


def make(folder, images, tilts, mode=1, axis=None, excluded=()):
    folder.mkdir(parents=True, exist_ok=True)
    data_set = DataSet("s", folder, folder / "s.mrc")
    with MrcWriter(data_set.path("raw_stack"), images.shape, mode) as out:
        out.write(0, images)
    views = tuple(
        View(number=i + 1, tilt_deg=t, excluded="asked" if i + 1 in excluded else None)
        for i, t in enumerate(tilts)
    )
    height, width = images.shape[1:]
    Acquisition(root="s", views=views, height_px=height, width_px=width, tilt_axis_deg=axis).write(
        data_set.path("acquisition")
    )
    return data_set


def execute(data_set, step, threads=1, **values):
    context = RunContext(data_set, ThreadsEngine(threads, 1 << 30))
    return step.run(step.validate(values), context), context.notices


@pytest.fixture
def counts():
    """Seven views of fixed blobs that wander, int16."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-40, 240, (300, 2))
    wander = np.array([[0, 0], [3, -2], [8, 1], [5, 5], [1, 9], [-4, 6], [-6, 2]], float)
    y, x = np.mgrid[:160, :200]
    images = np.zeros((7, 160, 200))
    for view in range(7):
        for px, py in points + wander[view]:
            if -15 < px < 215 and -15 < py < 175:
                images[view] += 40 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / 18)
    return rng.poisson(200 + images).astype(np.int16), np.linspace(-6, 6, 7), wander


def test_fixed_stack_differs_only_at_hits(tmp_path, counts):
    images, tilts, _ = counts
    images[2, 50, 60] = images[4, 10, 150] = 9000
    data_set = make(tmp_path, images, tilts)
    values, notices = execute(data_set, PREPROCESS)
    fixed = open_stack(data_set.path("fixed_stack"))
    assert fixed.dtype == np.int16
    changed = np.array([fixed.read(view) for view in range(7)]) != images
    assert [tuple(place) for place in np.argwhere(changed)] == [(2, 50, 60), (4, 10, 150)]
    assert values["xrays"] == [0, 0, 1, 0, 1, 0, 0]
    assert notices == []
    json.dumps(values)


def test_same_bytes_on_one_thread_or_two(tmp_path, counts):
    images, tilts, _ = counts
    images[2, 50, 60] = 9000
    written = []
    for threads in (1, 2):
        data_set = make(tmp_path / str(threads), images, tilts)
        for step in (PREPROCESS, COARSE_ALIGN):
            execute(data_set, step, threads)
        names = ("fixed_stack", "views", "coarse_transforms", "coarse_shifts", "coarse")
        written.append([data_set.path(name).read_bytes() for name in names])
    assert written[0] == written[1]


def test_without_removal_the_hits_stay(tmp_path, counts):
    images, tilts, _ = counts
    images[2, 50, 60] = 9000
    data_set = make(tmp_path, images, tilts)
    execute(data_set, PREPROCESS, remove_xrays=False)
    assert open_stack(data_set.path("fixed_stack")).read(2)[50, 60] == 9000


@pytest.mark.parametrize("mode", [0, 2, 6, 12])
def test_other_pixel_types_are_kept(tmp_path, counts, mode):
    images, tilts, _ = counts
    images = np.minimum(images, 255)
    data_set = make(tmp_path, images, tilts, mode)
    execute(data_set, PREPROCESS)
    raw, fixed = (open_stack(data_set.path(name)) for name in ("raw_stack", "fixed_stack"))
    assert raw.dtype == fixed.dtype
    same = np.mean([raw.read(view) == fixed.read(view) for view in range(7)])
    assert same > 0.9999


def test_dark_view_is_excluded_and_said(tmp_path, counts):
    images, tilts, _ = counts
    images[4] = np.random.default_rng(1).normal(2, 1, images[4].shape)
    data_set = make(tmp_path, images, tilts, excluded=(2,))
    values, notices = execute(data_set, PREPROCESS)
    views = Acquisition.read(data_set.path("views"))
    assert views.included.tolist() == [True, False, True, True, False, True, True]
    assert [notice.code for notice in notices] == ["PREP-03"]
    assert values["excluded_views"] == [2, 5]


def test_excluded_views_are_removed_on_request(tmp_path, counts):
    images, tilts, _ = counts
    images[4] = 7
    data_set = make(tmp_path, images, tilts, excluded=(2,))
    execute(data_set, PREPROCESS, remove_excluded_views=True)
    views = Acquisition.read(data_set.path("views"))
    assert [view.number for view in views.views] == [1, 3, 4, 6, 7]
    fixed = open_stack(data_set.path("fixed_stack"))
    assert np.array_equal(fixed.read(1), images[2])
    execute(data_set, COARSE_ALIGN)
    assert len(transform_files.read(data_set.path("coarse_transforms"))) == 5


def test_dark_view_is_kept_on_request(tmp_path, counts):
    images, tilts, _ = counts
    images[4] = 7
    data_set = make(tmp_path, images, tilts)
    _, notices = execute(data_set, PREPROCESS, exclude_bad_views=False)
    assert Acquisition.read(data_set.path("views")).included.all()
    assert [notice.code for notice in notices] == ["PREP-03"]


def test_series_without_images_is_refused(tmp_path):
    data_set = make(tmp_path, np.full((5, 20, 30), 9, np.int16), range(5))
    with pytest.raises(TomolineError) as caught:
        execute(data_set, PREPROCESS)
    assert caught.value.code == "PREP-01"
    assert not data_set.path("fixed_stack").exists()


def test_nan_is_replaced_and_said(tmp_path, counts):
    images, tilts, _ = counts
    images = images.astype(np.float32)
    images[3, 20:23, 30:40] = np.nan
    data_set = make(tmp_path, images, tilts, mode=2)
    _, notices = execute(data_set, PREPROCESS)
    assert [notice.code for notice in notices] == ["PREP-02"]
    assert np.isfinite(open_stack(data_set.path("fixed_stack")).read(3)).all()


def test_coarse_transforms_bring_views_together(tmp_path, counts):
    images, tilts, wander = counts
    data_set = make(tmp_path, images, tilts, axis=0.0, excluded=(6,))
    execute(data_set, PREPROCESS)
    values, _ = execute(data_set, COARSE_ALIGN, binning=2)
    transforms = transform_files.read(data_set.path("coarse_transforms"))
    moved = transforms[:, :, 2] + wander
    kept = [0, 1, 2, 3, 4, 6]
    assert np.ptp(moved[kept], axis=0).max() < SHIFT_PX
    assert values["confidence"][5] is None
    steps = transform_files.read(data_set.path("coarse_shifts"))
    assert steps[1:, :, 2] == pytest.approx(np.diff(transforms[:, :, 2], axis=0), abs=2e-3)
    told = json.loads(data_set.path("coarse").read_text())
    assert told["tilt_axis_deg"] == 0.0
    json.dumps(values)


def test_axis_without_evidence_is_called_uncertain(tmp_path, counts):
    images, tilts, _ = counts
    data_set = make(tmp_path, images, tilts)
    execute(data_set, PREPROCESS)
    values, notices = execute(data_set, COARSE_ALIGN)
    assert "COARSE-03" in [notice.code for notice in notices]
    assert values["tilt_axis_source"] == "images"
    assert -90 < values["tilt_axis_deg"] <= 90
    assert math.isfinite(values["tilt_axis_confidence"])
