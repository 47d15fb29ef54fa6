"""The alignment in the report: points stand where they are, in every frame that is drawn."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tomoline import geometry
from tomoline.files import imod_model, residuals, transforms
from tomoline.files.mrc import MrcWriter
from tomoline.steps.acquisition import Acquisition, View
from tomoline.workflow.report import write_report
from tomoline.workflow.report._overview import MOST_SHOWN
from tomoline.workflow.report._position import position, solved_points
from tomoline.workflow.report._source import Source
from tomoline.workflow.report._tracks import read_tracks

VIEWS, WIDTH, HEIGHT, BINNING = 7, 64, 48, 2
TEXT_PRECISION_PX = 0.02
"""Files of IMOD hold two or three decimals, of binned pixels."""


@pytest.fixture
def truth() -> dict[str, Any]:
    rng = np.random.default_rng(2)
    coarse = geometry.shift_transforms(rng.uniform(-5, 5, (VIEWS, 2)))
    fine = geometry.identity_transforms(VIEWS)
    fine[:, :, :2] = geometry.axis_to_vertical(12.0)
    fine[:, :, 2] = rng.uniform(-1, 1, (VIEWS, 2))
    points = rng.uniform(-15, 15, (6, 3))
    tilt = np.radians(20.0 * (np.arange(VIEWS) - VIEWS // 2))
    aligned = np.moveaxis(geometry.project(points, tilt), 0, 1)
    errors = rng.normal(0, 0.3, aligned.shape)
    tracks = geometry.apply(geometry.invert(fine)[None], aligned) + errors
    return {"coarse": coarse, "fine": fine, "points": points, "aligned": aligned,
            "tracks": tracks, "errors": errors, "tilt": tilt}  # fmt: skip


@pytest.fixture
def source(tmp_path: Path, truth: dict[str, Any]) -> Source:
    """A data set with tracks, their residuals, and a prealigned stack of half the size."""
    views = tuple(
        View(number=n + 1, tilt_deg=float(np.degrees(angle)))
        for n, angle in enumerate(truth["tilt"])
    )
    Acquisition(
        root="s", views=views, height_px=HEIGHT, width_px=WIDTH, pixel_size_nm=2.0,
        gold_diameter_nm=10.0,
    ).write(tmp_path / "s_views.json")  # fmt: skip
    for name, binning in (("fixed", 1), ("preali", BINNING), ("ali", 1)):
        shape = (VIEWS, HEIGHT // binning, WIDTH // binning)
        path = tmp_path / f"s_{name}.mrc"
        with MrcWriter(path, shape, 2, pixel_size_nm=(2.0 * binning,) * 3) as writer:
            writer.write(0, np.random.default_rng(1).normal(size=shape).astype(np.float32))
    transforms.write(tmp_path / "s.prexg", truth["coarse"])
    transforms.write(tmp_path / "s.tltxf", truth["fine"])
    transforms.write(tmp_path / "s.xf", geometry.compose(truth["coarse"], truth["fine"]))
    size = (WIDTH // BINNING, HEIGHT // BINNING)
    middle = np.array([geometry.centre(one) for one in size])
    places = truth["tracks"] / BINNING + middle
    contours = tuple(
        imod_model.Contour(np.column_stack([track, np.arange(VIEWS)])) for track in places
    )
    beads = imod_model.ModelObject(contours)
    imod_model.write(tmp_path / "s.fid", imod_model.Model((beads,), (*size, VIEWS), 4.0))
    table = residuals.Residuals(
        points_px=places.reshape(-1, 2),
        view=np.tile(np.arange(VIEWS), len(places)),
        vectors_px=truth["errors"].reshape(-1, 2) / BINNING,
    )
    residuals.write(tmp_path / "s.resid", table)
    solved = tuple(
        imod_model.Contour((point / BINNING + [*middle, 0])[None], surface=1 + n % 2)
        for n, point in enumerate(truth["points"])
    )
    imod_model.write(
        tmp_path / "s.3dmod",
        imod_model.Model((imod_model.ModelObject(solved),), (*size, 20), 4.0),
    )
    return Source(tmp_path, "s", {})


def test_tracks_are_read_in_raw_pixels(source: Source, truth: dict[str, Any]) -> None:
    tracks = read_tracks(source)
    assert tracks is not None
    assert np.abs(tracks.points_px - truth["tracks"]).max() < TEXT_PRECISION_PX
    assert np.abs(tracks.residuals_px - truth["errors"]).max() < TEXT_PRECISION_PX


def test_points_lie_where_they_are_seen(source: Source, truth: dict[str, Any]) -> None:
    tracks = read_tracks(source)
    fine = source.from_prealigned
    assert tracks is not None
    assert fine is not None
    turned = geometry.apply(fine[None], tracks.points_px - truth["errors"])
    assert np.abs(turned - truth["aligned"]).max() < TEXT_PRECISION_PX
    for view in range(VIEWS):
        back = geometry.apply(truth["coarse"][view], tracks.in_raw(view, truth["coarse"]))
        assert np.abs(back - truth["tracks"][:, view]).max() < TEXT_PRECISION_PX


def test_transforms_to_the_aligned_frame_without_their_own_file(
    source: Source, truth: dict[str, Any]
) -> None:
    (source.folder / "s.tltxf").unlink()
    fine = source.from_prealigned
    assert fine is not None
    assert np.abs(fine - truth["fine"]).max() < 2e-3


def test_solved_points_and_their_surfaces(source: Source, truth: dict[str, Any]) -> None:
    found = solved_points(source)
    assert found is not None
    assert np.abs(found[0] - truth["points"]).max() < TEXT_PRECISION_PX
    assert found[1].tolist() == [1, 2] * 3


def test_specimen_is_level_in_the_tomograms_frame(source: Source) -> None:
    """Points on a plane that rises with y are drawn level once the x-axis tilt is applied."""
    slope, shift = np.radians(5.0), 3.0
    y = np.linspace(-20, 20, 5)
    points = np.column_stack([y[::-1], y * np.cos(slope), y * np.sin(slope)])
    middle = [geometry.centre(WIDTH // BINNING), geometry.centre(HEIGHT // BINNING), 0]
    contours = tuple(imod_model.Contour((p / BINNING + middle)[None], surface=1) for p in points)
    model = imod_model.Model((imod_model.ModelObject(contours),), (32, 24, 20), 4.0)
    imod_model.write(source.folder / "s.3dmod", model)
    told = {"x_axis_tilt_deg": 5.0, "z_shift_px": shift, "thickness_px": 40}
    (source.folder / "s_position.json").write_text(json.dumps(told))
    drawn = ElementTree.fromstring(f"<div>{position(source)}</div>")
    for picture in drawn.iter("svg"):
        heights = {float(circle.get("cy", "nan")) for circle in picture.iter("circle")}
        assert max(heights) - min(heights) < 0.5


def test_page_has_every_part(source: Source) -> None:
    values = {
        "residual_mean_px": 0.05, "leave_out_error_px": 0.1, "points": 6, "rotation": "each",
        "residual_per_view_px": [0.1] * VIEWS, "restrictions": ["rotations in groups"],
        "worst_points": [{"track": 1, "view": 3, "residual_px": 1.25}],
    }  # fmt: skip
    coarse = {"confidence": [0.5] * VIEWS, "axis_search_angles_deg": [80, 90, 100],
              "axis_search_agreement": [0.1, 0.9, 0.2], "tilt_axis_found_deg": 12.3}  # fmt: skip
    profile = {"section_profile": [0, 0.5, 1, 0.5, 0], "section_low_px": -10.0,
               "section_high_px": 10.0, "coarse_binning": 4}  # fmt: skip
    warning = {"code": "COARSE-01", "found": "Weak.", "remedy": "Look.", "where": ""}
    record = {
        "steps": [
            {"name": "coarse_align", "values": coarse,
             "warnings": [{**warning, "where": f"view {n}"} for n in range(MOST_SHOWN + 3)]},
            {"name": "track", "values": {"kind": "beads", "leave_out_px": {"beads": 0.1}}},
            {"name": "align", "values": values}, {"name": "position", "values": profile},
        ]
    }  # fmt: skip
    path = write_report(source.folder, "s", record)
    root = ElementTree.fromstring(path.read_text(encoding="utf-8").partition("\n")[2])
    text = " ".join(root.itertext())
    for expected in (
        "gold beads tracked", "view 1, -60.0°, as recorded", "60.0°, aligned", "Paths of 6 points",
        "Residual vectors", "Mean residual of each view", "Points seen in each view",
        "How sure the coarse", "Search for the tilt axis", "rotations in groups",
        "1 positions with a high residual", "Structure at each height", "surface 2",
        "and 3 more", "12.3°",
    ):  # fmt: skip
        assert expected in text, expected
    assert text.count("Look.") == 1
    assert "could not be drawn" not in text
