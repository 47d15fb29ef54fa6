"""Finding and tracking fiducials on simulated and real series: how exact the geometry gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.engine import ThreadsEngine
from tomoline.errors import Notice, TomolineError
from tomoline.files import imod_model
from tomoline.files import transforms as transform_files
from tomoline.files.imod_model import Contour, Model, ModelObject
from tomoline.files.stack import open_stack
from tomoline.kernels.bundle import solve_bundle
from tomoline.simulate.judge import centre_errors
from tomoline.simulate.tilt import simulate_tilt
from tomoline.simulate.truth import Truth
from tomoline.steps._fiducials import Fiducials, TrackInfo
from tomoline.steps._track_models import read_tracks, write_tracks
from tomoline.steps.acquisition import Acquisition, View
from tomoline.steps.artifacts import ARTIFACTS
from tomoline.steps.find_fiducials import FIND_FIDUCIALS
from tomoline.steps.prealign import PREALIGN
from tomoline.steps.track import TRACK

SIMULATED_PX = 0.08
"""View centres of a simulated series: rms error."""
REAL_PX = 0.15
"""View centres of a real series against its published alignment: rms difference."""
PATCHES_PX = 2.0
"""View centres of a small, noisy simulated series without gold, from nine patches."""
COARSE_ERROR_PX = 3.0
AXIS_ERROR_DEG = 0.7

Floats = NDArray[np.float64]


class Context:
    """A step's context on a plain folder."""

    def __init__(self, folder: Path, threads: int = 2) -> None:
        self.root = "ts"
        self.folder = folder
        self.engine = ThreadsEngine(threads, 1 << 30)
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


def prepare(
    folder: Path,
    stack: Path,
    transforms: Floats,
    tilt_deg: Floats,
    axis_deg: float,
    *,
    pixel_size_nm: float | None,
    gold_diameter_nm: float | None,
    binning: int = 1,
    excluded: tuple[int, ...] = (),
) -> Context:
    """Lay out a data set as coarse alignment leaves it: right to a few pixels."""
    context = Context(folder)
    context.path("fixed_stack").symlink_to(stack)
    _, height, width = open_stack(stack).shape
    views = tuple(
        View(number=n + 1, tilt_deg=float(t), excluded="bad" if n in excluded else None)
        for n, t in enumerate(tilt_deg)
    )
    Acquisition(
        root="ts",
        views=views,
        height_px=height,
        width_px=width,
        pixel_size_nm=pixel_size_nm,
        gold_diameter_nm=gold_diameter_nm,
    ).write(context.path("views"))
    rng = np.random.default_rng(1)
    centres = geometry.invert(transforms)[:, :, 2]
    shifts = -centres + rng.normal(0, COARSE_ERROR_PX, centres.shape)
    transform_files.write(context.path("coarse_transforms"), geometry.shift_transforms(shifts))
    told = {"tilt_axis_deg": axis_deg + AXIS_ERROR_DEG, "source": "test", "confidence": 1.0}
    context.path("coarse").write_text(json.dumps(told))
    PREALIGN.run(PREALIGN.validate({"binning": binning}), context)
    return context


def find_and_track(
    context: Context, find: dict[str, Any] | None = None, track: dict[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    found = FIND_FIDUCIALS.run(FIND_FIDUCIALS.validate(find or {}), context)
    return found, TRACK.run(TRACK.validate(track or {}), context)


def solved(context: Context, axis_deg: float) -> Floats:
    """Raw-to-aligned transforms that the tracks give."""
    views = Acquisition.read(context.path("views"))
    prealigned = open_stack(context.path("prealigned_stack"))
    binning = TrackInfo.read(context.path("track_info")).binning
    tracks = read_tracks(context.path("tracks"), shape=prealigned.shape, binning=binning)
    solution = solve_bundle(tracks, np.radians(views.tilt_deg), np.radians(axis_deg))
    moves = transform_files.read(context.path("coarse_transforms"))
    return geometry.compose(moves, solution.transforms())


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("gold")
    path = simulate_tilt(folder, "gold", seed=5, width=288, height=256, views=21, beads=14)
    return path, Truth.read(folder / "gold_truth.json")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("bare")
    path = simulate_tilt(folder, "bare", seed=6, width=256, height=256, views=17, gold=False)
    return path, Truth.read(folder / "bare_truth.json")


def lay_out(folder: Path, series: tuple[Path, Truth], **options: Any) -> Context:
    path, truth = series
    options = {"pixel_size_nm": 1.0, "gold_diameter_nm": 10.0, **options}
    return prepare(
        folder, path, truth.transforms, truth.nominal_tilt_deg, truth.tilt_axis_deg, **options
    )


@pytest.mark.parametrize("binning", [1, 2])
def test_simulated_gold(tmp_path: Path, gold: tuple[Path, Truth], binning: int) -> None:
    truth = gold[1]
    context = lay_out(tmp_path, gold, binning=binning)
    found, tracked = find_and_track(context)
    assert found["kind"] == tracked["kind"] == "beads"
    assert found["bead_diameter_px"] == pytest.approx(9.0, abs=0.6)
    assert tracked["tracks"] >= 12
    assert tracked["share_tracked"] > 0.6
    assert tracked["tilt_axis_deg"] == pytest.approx(truth.tilt_axis_deg, abs=0.1)
    errors = centre_errors(
        solved(context, truth.tilt_axis_deg), truth.transforms, None, truth.tilt_deg
    )
    assert errors.rms_px < SIMULATED_PX


def test_same_tracks_with_one_thread_and_two(tmp_path: Path, gold: tuple[Path, Truth]) -> None:
    written = []
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        folder.mkdir()
        context = lay_out(folder, gold)
        context.engine = ThreadsEngine(threads, 1 << 30)
        find_and_track(context)
        written.append([context.path(a).read_bytes() for a in ("seeds", "tracks", "track_info")])
    assert written[0] == written[1]


def test_excluded_views_are_left_alone(tmp_path: Path, gold: tuple[Path, Truth]) -> None:
    context = lay_out(tmp_path, gold, excluded=(0, 10))
    _, tracked = find_and_track(context)
    assert tracked["points_per_view"][0] == tracked["points_per_view"][10] == 0
    assert "TRACK-01" not in context.codes


def test_target_number_is_kept(tmp_path: Path, gold: tuple[Path, Truth]) -> None:
    context = lay_out(tmp_path, gold)
    found, tracked = find_and_track(context, {"target_beads": 6})
    assert found["seed_beads"] == 6
    assert tracked["tracks"] <= 6
    assert tracked["added_beads"] == 0


def test_boundary_model_limits_seeds(tmp_path: Path, gold: tuple[Path, Truth]) -> None:
    context = lay_out(tmp_path, gold)
    left = np.array([[0.0, 0, 10], [140, 0, 10], [140, 256, 10], [0, 256, 10]])
    model = Model((ModelObject((Contour(left),), flags=0),), (288, 256, 21))
    imod_model.write(tmp_path / "ts_rawbound.mod", model)
    seeds = {}
    for exclude in (False, True):
        FIND_FIDUCIALS.run(FIND_FIDUCIALS.validate({"exclude_inside": exclude}), context)
        tracks = read_tracks(context.path("seeds"), shape=(21, 256, 288), binning=1)
        seeds[exclude] = np.nanmedian(tracks[..., 0], axis=1)
    assert seeds[False].max() < 20
    assert seeds[True].min() > -20
    imod_model.write(
        tmp_path / "ts_rawbound.mod",
        Model((ModelObject((Contour(left[:2]),), flags=0),), (288, 256, 21)),
    )
    with pytest.raises(TomolineError) as caught:
        FIND_FIDUCIALS.run(FIND_FIDUCIALS.validate({}), context)
    assert caught.value.code == "FID-04"


def test_sobel_centring_works_too(tmp_path: Path, gold: tuple[Path, Truth]) -> None:
    context = lay_out(tmp_path, gold)
    find_and_track(context, track={"sobel_centring": True, "rounds": 1, "local_areas": False})
    truth = gold[1]
    errors = centre_errors(
        solved(context, truth.tilt_axis_deg), truth.transforms, None, truth.tilt_deg
    )
    assert errors.rms_px < SIMULATED_PX


def test_without_gold_patches_are_tracked(tmp_path: Path, bare: tuple[Path, Truth]) -> None:
    truth = bare[1]
    context = lay_out(tmp_path, bare)
    found, tracked = find_and_track(context)
    assert "FID-03" in context.codes
    assert found["kind"] == tracked["kind"] == "patches"
    errors = centre_errors(
        solved(context, truth.tilt_axis_deg), truth.transforms, None, truth.tilt_deg
    )
    assert errors.rms_px < PATCHES_PX


def test_patch_options_are_acted_on(tmp_path: Path, bare: tuple[Path, Truth]) -> None:
    context = lay_out(tmp_path, bare, gold_diameter_nm=None)
    _, tracked = find_and_track(
        context, track={"patch_number": (3, 2), "patch_size_px": (80, 90), "pieces": 2}
    )
    assert tracked["kind"] == "patches"
    assert 6 < tracked["tracks"] <= 12


def test_demanded_beads_that_are_missing_are_an_error(
    tmp_path: Path, bare: tuple[Path, Truth]
) -> None:
    context = lay_out(tmp_path, bare)
    with pytest.raises(TomolineError) as caught:
        FIND_FIDUCIALS.run(FIND_FIDUCIALS.validate({"method": "beads"}), context)
    assert caught.value.code == "FID-01"
    other = tmp_path / "other"
    other.mkdir()
    context = lay_out(other, bare, gold_diameter_nm=None)
    with pytest.raises(TomolineError) as caught:
        FIND_FIDUCIALS.run(FIND_FIDUCIALS.validate({"method": "beads"}), context)
    assert caught.value.code == "FID-02"
    assert "None" not in str(caught.value)


def test_raptor_means_beads(tmp_path: Path, gold: tuple[Path, Truth]) -> None:
    context = lay_out(tmp_path, gold)
    found = FIND_FIDUCIALS.run(
        FIND_FIDUCIALS.validate({"method": "raptor", "raptor_markers": 5}), context
    )
    assert found["seed_beads"] == 5
    assert "FID-05" in context.codes


def test_nothing_is_tracked_where_that_is_asked_for(tmp_path: Path) -> None:
    context = Context(tmp_path)
    found, tracked = find_and_track(context, {"fiducialless": True})
    assert found["kind"] == tracked["kind"] == "none"
    assert not context.has("tracks")
    assert Fiducials.read(context.path("fiducials")).demanded
    assert TrackInfo.read(context.path("track_info")).kind == "none"


def test_model_round_trip(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tracks = rng.uniform(-100, 100, (7, 5, 2))
    tracks[2, 3] = np.nan
    path = tmp_path / "a.fid"
    write_tracks(
        path, tracks, shape=(5, 101, 120), binning=2, pixel_size_nm=1.0, name="beads", radius_px=4
    )
    again = read_tracks(path, shape=(5, 101, 120), binning=2)
    assert np.allclose(again, tracks, atol=1e-3, equal_nan=True)


@pytest.mark.slow
def test_real_series(tmp_path: Path, tilt_data: Path) -> None:
    """All 31 views of the exosome series, the first of which stands alone behind a gap."""
    folder = tilt_data / "exosome-gold-series"
    reference = transform_files.read(folder / "reference.xf")
    tilt = np.loadtxt(folder / "exosome.rawtlt")
    axis = float(np.median(geometry.axis_of_transform(reference)))
    context = prepare(
        tmp_path,
        folder / "exosome.mrc",
        reference,
        tilt,
        axis,
        pixel_size_nm=1.104,
        gold_diameter_nm=10.0,
    )
    found, tracked = find_and_track(context)
    assert found["bead_diameter_px"] == pytest.approx(5.35, abs=0.3)
    assert min(tracked["points_per_view"]) >= 30
    errors = centre_errors(solved(context, axis), reference, tilt, tilt)
    assert errors.rms_px < REAL_PX
