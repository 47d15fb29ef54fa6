"""Preprocessing and coarse alignment of a real cryo series whose geometry is known."""

import math
from pathlib import Path

import numpy as np
import pytest

from tomoline import geometry
from tomoline.engine.threads import ThreadsEngine
from tomoline.files import angles, transforms
from tomoline.files.stack import open_stack
from tomoline.kernels.correlator import projection
from tomoline.steps.acquisition import Acquisition, View
from tomoline.steps.coarse_align import COARSE_ALIGN
from tomoline.steps.preprocess import PREPROCESS
from tomoline.workflow.dataset import DataSet, RunContext

AXIS_DEG = 0.5
CENTRES_PX = 1.5  # rms over all views but the first
FIRST_PX = 16.0  # the first stands alone after a gap of 18 degrees
TRUE_AXIS_DEG = -95.386


@pytest.fixture
def exosome(tilt_data, tmp_path):
    folder = tilt_data / "exosome-gold-series"
    data_set = DataSet("exosome", tmp_path, folder / "exosome.mrc")
    data_set.path("raw_stack").symlink_to(data_set.source)
    return data_set, angles.read(folder / "exosome.rawtlt"), folder / "reference.xf"


def execute(data_set: DataSet, tilt_deg, axis_deg=None):
    _, height, width = open_stack(data_set.path("raw_stack")).shape
    views = tuple(View(number=i + 1, tilt_deg=float(t)) for i, t in enumerate(tilt_deg))
    Acquisition(
        root="exosome",
        views=views,
        height_px=height,
        width_px=width,
        tilt_axis_deg=axis_deg,
        tilt_axis_source="header",
        pixel_size_nm=1.104,
        gold_diameter_nm=10.0,
    ).write(data_set.path("acquisition"))
    context = RunContext(data_set, ThreadsEngine(2, 1 << 30))
    results = [step.run(step.params(), context) for step in (PREPROCESS, COARSE_ALIGN)]
    return *results, [notice.code for notice in context.notices]


def distances(found: Path, reference: Path, tilt_deg):
    """How far each view's centre lies from the truth, another specimen point allowed for."""
    phi, tilt = math.radians(TRUE_AXIS_DEG), np.radians(tilt_deg)
    truth = geometry.invert(transforms.read(reference))[:, :, 2]
    flat = np.array([projection(float(angle), phi) for angle in tilt])
    depth = np.sin(tilt)[:, None] * [math.cos(phi), math.sin(phi)]
    design = np.concatenate([flat, depth[:, :, None]], axis=2)
    wrong = -transforms.read(found)[:, :, 2] - truth
    point, *_ = np.linalg.lstsq(design[1:].reshape(-1, 3), wrong[1:].ravel(), rcond=None)
    return np.hypot(*(wrong - design @ point).T)


def test_views_and_axis_are_found_without_being_told(exosome):
    data_set, tilt_deg, reference = exosome
    prepared, aligned, codes = execute(data_set, tilt_deg)
    # The high tilts are dark and low in contrast, but they are images.
    assert prepared["excluded_views"] == []
    assert codes == []
    apart = math.remainder(aligned["tilt_axis_found_deg"] - TRUE_AXIS_DEG, 180.0)
    assert abs(apart) < AXIS_DEG
    away = distances(data_set.path("coarse_transforms"), reference, tilt_deg)
    assert math.sqrt((away[1:] ** 2).mean()) < CENTRES_PX
    assert away[0] < FIRST_PX


@pytest.mark.parametrize(("given", "word"), [(-5.4, "90 degrees off"), (95.4, "wrong sign")])
def test_a_wrong_axis_is_noticed(exosome, given, word):
    data_set, tilt_deg, _ = exosome
    _, _, codes = execute(data_set, tilt_deg, given)
    assert "COARSE-02" in codes
    assert word in data_set.log_path.read_text()


def test_a_right_axis_is_not_complained_of(exosome):
    data_set, tilt_deg, _ = exosome
    _, aligned, codes = execute(data_set, tilt_deg, -95.4)
    assert "COARSE-02" not in codes
    assert aligned["tilt_axis_deg"] == -95.4
