"""The fine alignment's step: what it reads, writes, measures and warns of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tomoline import geometry
from tomoline.engine import ThreadsEngine
from tomoline.errors import Notice, TomolineError
from tomoline.files import angles, imod_model, residuals
from tomoline.files import transforms as transform_files
from tomoline.steps.acquisition import Acquisition, View
from tomoline.steps.align import ALIGN
from tomoline.steps.artifacts import ARTIFACTS

AXIS_DEG = -12.0
SIZE = 512


class Context:
    """A step's context on a plain folder."""

    def __init__(self, folder: Path) -> None:
        self.root = "ts"
        self.folder = folder
        self.engine = ThreadsEngine(1, 1 << 30)
        self.notices: list[Notice] = []

    def path(self, artifact: str) -> Path:
        return self.folder / ARTIFACTS[artifact].file_name(self.root)

    def has(self, artifact: str) -> bool:
        return self.path(artifact).exists()

    def input(self, artifact: str) -> Path:
        return self.path(artifact)

    @contextmanager
    def writing(self, artifact: str) -> Iterator[Path]:
        yield self.path(artifact)

    def warn(self, notice: Notice) -> None:
        self.notices.append(notice)

    def log(self, message: str) -> None:
        pass

    @property
    def codes(self) -> set[str]:
        return {notice.code for notice in self.notices}


def make(
    folder: Path,
    *,
    beads: int = 30,
    views: int = 31,
    excluded: tuple[int, ...] = (),
    inclined_deg: float = 0.0,
    noise_px: float = 0.1,
    binning: int = 1,
    kind: str = "beads",
) -> tuple[Context, Any]:
    """Write the inputs of a series whose beads were followed with a given noise."""
    rng = np.random.default_rng(1)
    context = Context(folder)
    tilt = np.linspace(-60, 60, views)
    points = np.stack(
        [rng.uniform(-220, 220, beads), rng.uniform(-220, 220, beads), rng.normal(30, 1, beads)], 1
    )
    # A specimen turned by -offset about y is level with the offset added to the angles.
    seen = geometry.project(points, np.radians(tilt + inclined_deg)).swapaxes(0, 1)
    drift = rng.uniform(-3, 3, (views, 2))
    axis = np.radians(AXIS_DEG)
    turn = np.array([[np.cos(axis), -np.sin(axis)], [np.sin(axis), np.cos(axis)]])
    tracks = seen @ turn.T + drift + rng.normal(0, noise_px, (beads, views, 2))
    size = SIZE // binning
    contours = []
    for bead in range(beads):
        kept = [view for view in range(views) if view not in excluded]
        places = tracks[bead, kept] / binning + geometry.centre(size)
        contours.append(imod_model.Contour(np.column_stack([places, kept])))
    part = imod_model.ModelObject(tuple(contours))
    model = imod_model.Model((part,), (size, size, views), float(binning))
    imod_model.write(context.path("tracks"), model)
    context.path("track_info").write_text(json.dumps({"kind": kind}))
    context.path("coarse").write_text(json.dumps({"tilt_axis_deg": AXIS_DEG + 0.5}))
    coarse = geometry.shift_transforms(rng.uniform(-20, 20, (views, 2)))
    transform_files.write(context.path("coarse_transforms"), coarse)
    Acquisition(
        root="ts",
        views=tuple(
            View(number=n + 1, tilt_deg=float(t), excluded="dark" if n in excluded else None)
            for n, t in enumerate(tilt)
        ),
        height_px=SIZE,
        width_px=SIZE,
        pixel_size_nm=1.0,
    ).write(context.path("views"))
    return context, {"tilt": tilt, "points": points, "drift": drift, "coarse": coarse}


def test_files_agree_with_geometry(tmp_path: Path) -> None:
    context, truth = make(tmp_path, noise_px=0.0)
    values = ALIGN.run(ALIGN.params(angle_offset_deg=0.0), context)
    fine = transform_files.read(context.path("fiducial_transforms"))
    whole = transform_files.read(context.path("transforms"))
    np.testing.assert_allclose(whole, geometry.compose(truth["coarse"], fine), atol=3e-3)
    np.testing.assert_allclose(geometry.axis_of_transform(whole), AXIS_DEG, atol=1e-3)
    np.testing.assert_allclose(angles.read(context.path("tilt_angles")), truth["tilt"], atol=1e-3)
    np.testing.assert_allclose(angles.read(context.path("x_tilts")), 0, atol=1e-6)
    # The solved points, projected, are the aligned tracks.
    model = imod_model.read(context.path("fiducials_3d"))
    points = np.concatenate([c.points for c in model.contours]) - [255.5, 255.5, 0]
    tracks = imod_model.read(context.path("tracks"))
    places = np.stack([c.points[:, :2] for c in tracks.contours], 1) - 255.5
    aligned = geometry.apply(fine[:, None], places)
    expected = geometry.project(points, np.radians(truth["tilt"]))
    np.testing.assert_allclose(aligned, expected, atol=5e-3)
    assert values["residual_mean_px"] < 1e-2
    assert values["tilt_axis_deg"] == pytest.approx(AXIS_DEG, abs=1e-2)
    assert not context.notices


@pytest.mark.parametrize("inclined_deg", [3.0, -2.0])
def test_offset_levels_the_specimen(tmp_path: Path, inclined_deg: float) -> None:
    context, _ = make(tmp_path, inclined_deg=inclined_deg)
    values = ALIGN.run(ALIGN.params(), context)
    assert values["tilt_offset_deg"] == pytest.approx(inclined_deg, abs=0.2)
    assert values["surfaces"] == 1
    model = imod_model.read(context.path("fiducials_3d"))
    points = np.concatenate([c.points for c in model.contours])
    assert abs(np.polyfit(points[:, 0], points[:, 2], 1)[0]) < 0.005


def test_excluded_views_get_transforms(tmp_path: Path) -> None:
    context, truth = make(tmp_path, excluded=(0, 7))
    values = ALIGN.run(ALIGN.params(), context)
    whole = transform_files.read(context.path("transforms"))
    assert whole.shape == (31, 2, 3)
    assert np.isfinite(whole).all()
    found = angles.read(context.path("tilt_angles")) - truth["tilt"]
    np.testing.assert_allclose(found, found[0], atol=1e-3)
    assert values["residual_per_view_px"][7] is None
    assert "ALIGN-05" not in context.codes


def test_binned_tracks_count_raw_pixels(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "2").mkdir()
    one, _ = make(tmp_path / "1", noise_px=0.0)
    two, _ = make(tmp_path / "2", noise_px=0.0, binning=2)
    for context in (one, two):
        ALIGN.run(ALIGN.params(), context)
    np.testing.assert_allclose(
        transform_files.read(one.path("transforms")),
        transform_files.read(two.path("transforms")),
        atol=5e-3,
    )
    sizes = [len(residuals.read(c.path("residuals")).view) for c in (one, two)]
    assert sizes == [30 * 31] * 2


def test_without_tracks_the_axis_is_made_vertical(tmp_path: Path) -> None:
    context, truth = make(tmp_path)
    context.path("tracks").unlink()
    values = ALIGN.run(ALIGN.params(), context)
    whole = transform_files.read(context.path("transforms"))
    assert values["kind"] == "none"
    np.testing.assert_allclose(geometry.axis_of_transform(whole), AXIS_DEG + 0.5, atol=1e-4)
    np.testing.assert_allclose(angles.read(context.path("tilt_angles")), truth["tilt"], atol=1e-4)


@pytest.mark.parametrize("beads", [1, 2])
def test_too_few_beads_are_refused(tmp_path: Path, beads: int) -> None:
    context, _ = make(tmp_path, beads=beads)
    with pytest.raises(TomolineError) as caught:
        ALIGN.run(ALIGN.params(), context)
    assert caught.value.code == "ALIGN-01"


@pytest.mark.parametrize(("beads", "views"), [(3, 31), (6, 31), (8, 4)])
def test_few_beads_restrict_variables(tmp_path: Path, beads: int, views: int) -> None:
    context, _ = make(tmp_path, beads=beads, views=views)
    values = ALIGN.run(ALIGN.params(restrict_by="ratio"), context)
    assert values["restrictions"]
    assert "ALIGN-03" in context.codes
    assert values["residual_mean_px"] < 0.3


def test_wrong_tracks_do_not_pass_silently(tmp_path: Path) -> None:
    context, _ = make(tmp_path, noise_px=25.0)
    try:
        ALIGN.run(ALIGN.params(), context)
    except TomolineError as error:
        assert error.code == "ALIGN-02"  # noqa: PT017 (either end is right)
    else:
        assert "ALIGN-06" in context.codes


def test_no_error_of_left_out_points_is_said_in_words(tmp_path: Path) -> None:
    context, _ = make(tmp_path, beads=30, views=3)
    ALIGN.run(ALIGN.params(), context)
    told = [n.found for n in context.notices if n.code == "ALIGN-06"]
    assert len(told) == 1
    assert "nan" not in told[0]


def test_one_bad_view_is_named(tmp_path: Path) -> None:
    context, _ = make(tmp_path)
    model = imod_model.read(context.path("tracks"))
    rng = np.random.default_rng(0)
    for contour in model.contours:
        contour.points[5, :2] += rng.normal(0, 6, 2)
    imod_model.write(context.path("tracks"), model)
    values = ALIGN.run(ALIGN.params(), context)
    named = [n.where for n in context.notices if n.code == "ALIGN-09"]
    assert named == ["views 6"]
    assert {point["view"] for point in values["worst_points"]} == {6}


def test_view_without_points_is_named(tmp_path: Path) -> None:
    context, _ = make(tmp_path)
    model = imod_model.read(context.path("tracks"))
    contours = [
        imod_model.Contour(np.delete(contour.points, 9, axis=0)) for contour in model.contours
    ]
    part = imod_model.ModelObject(tuple(contours))
    imod_model.write(context.path("tracks"), imod_model.Model((part,), model.size_px, 1.0))
    ALIGN.run(ALIGN.params(), context)
    assert [n.where for n in context.notices if n.code == "ALIGN-05"] == ["views 10"]


def test_patches_leave_levelling_to_the_density(tmp_path: Path) -> None:
    context, truth = make(tmp_path, kind="patches", inclined_deg=3.0)
    values = ALIGN.run(ALIGN.params(), context)
    assert values["kind"] == "patches"
    assert values["tilt_offset_deg"] == 0
    np.testing.assert_allclose(angles.read(context.path("tilt_angles")), truth["tilt"], atol=1e-3)
    asked = ALIGN.run(ALIGN.params(surfaces=1), context)
    assert asked["tilt_offset_deg"] == pytest.approx(3.0, abs=0.2)


def test_values_are_readable_by_json(tmp_path: Path) -> None:
    context, _ = make(tmp_path, excluded=(3,))
    values = ALIGN.run(ALIGN.params(tilt="grouped", beam_tilt="solve"), context)
    assert json.loads(json.dumps(values, allow_nan=False)) == values


def test_imod_codes_are_understood() -> None:
    from tomoline.params import describe

    facts = {field.directive: field for field in describe(ALIGN.params) if field.directive}
    rotation = facts["comparam.align.tiltalign.RotOption"].directive_values
    assert rotation is not None
    assert rotation["-1"] == "one"
    assert ALIGN.params(rotation=rotation["3"]).rotation == "grouped"
