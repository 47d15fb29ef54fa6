from pathlib import Path

import imodmodel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tomoline.errors import TomolineError
from tomoline.files import imod_model
from tomoline.files.imod_model import OPEN, SCATTERED, Contour, Model, ModelObject

coordinates = st.floats(-1000, 10000, width=32)
contours = st.builds(
    Contour,
    points=hnp.arrays(np.float64, st.tuples(st.integers(0, 6), st.just(3)), elements=coordinates),
    surface=st.integers(0, 3),
)
objects = st.builds(
    ModelObject,
    contours=st.lists(contours, max_size=3).map(tuple),
    name=st.text("abc ä", max_size=20),
    color=st.tuples(*[st.sampled_from([0.0, 0.5, 1.0])] * 3),
    flags=st.sampled_from([0, OPEN, SCATTERED]),
    symbol_size=st.integers(0, 255),
    point_size_px=st.integers(0, 100),
)
models = st.builds(
    Model,
    objects=st.lists(objects, max_size=3).map(tuple),
    size_px=st.tuples(*[st.integers(1, 10000)] * 3),
    pixel_size_nm=st.sampled_from([0.1, 1.104, 2.0]),
    origin_px=st.tuples(*[st.integers(0, 1000).map(float)] * 3),
)
SINGLE_PRECISION = 1e-6  # coordinates are stored as float32


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(model=models)
def test_models_come_back(tmp_path: Path, model: Model) -> None:
    path = tmp_path / "a.mod"
    imod_model.write(path, model)
    found = imod_model.read(path)
    assert found.size_px == model.size_px
    assert found.pixel_size_nm == pytest.approx(model.pixel_size_nm)
    assert found.origin_px == pytest.approx(model.origin_px, rel=1e-4, abs=1e-4)
    assert len(found.objects) == len(model.objects)
    for ours, theirs in zip(found.objects, model.objects, strict=True):
        assert (ours.name, ours.color, ours.flags) == (theirs.name, theirs.color, theirs.flags)
        assert ours.point_size_px == theirs.point_size_px
        assert ours.symbol_size == theirs.symbol_size
        for a, b in zip(ours.contours, theirs.contours, strict=True):
            assert a.surface == b.surface
            np.testing.assert_allclose(a.points, b.points, rtol=SINGLE_PRECISION, atol=1e-3)
    before = path.read_bytes()
    imod_model.write(path, found)
    assert path.read_bytes() == before


def test_imodmodel_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.fid"
    tracks = (
        Contour(np.array([[10.0, 20.0, 0.0], [11.0, 21.0, 1.0]]), surface=2),
        Contour(np.array([[30.0, 40.0, 5.0]]), sizes_px=np.array([4.5])),
    )
    part = ModelObject(tracks, name="beads", color=(1.0, 0.5, 0.0), point_size_px=6)
    imod_model.write(path, Model((part,), (512, 500, 41), 1.5))
    table = imodmodel.read(path)
    np.testing.assert_array_equal(table[["x", "y"]], [[10.5, 20.5], [11.5, 21.5], [30.5, 40.5]])
    np.testing.assert_array_equal(table["z"], [0, 1, 5])
    oracle = imodmodel.ImodModel.from_file(path)
    assert (oracle.header.xmax, oracle.header.ymax, oracle.header.zmax) == (512, 500, 41)
    assert oracle.header.pixelsize == 1.5
    assert oracle.header.units == -9
    assert oracle.objects[0].contours[0].header.surf == 2
    assert oracle.objects[0].contours[1].point_sizes.tolist() == [4.5]
    assert oracle.objects[0].imat is not None
    assert tuple(oracle.minx.cscale) == (15.0, 15.0, 15.0)


@pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")
def test_what_imodmodel_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mod"
    points = np.array([[1.5, 2.5, 3.0], [4.5, 5.5, 6.0]])
    oracle = imodmodel.ImodModel(
        objects=[imodmodel.models.Object(contours=[imodmodel.models.Contour(points=points)])]
    )
    oracle.to_file(path)
    np.testing.assert_array_equal(imod_model.read(path).contours[0].points, [[1, 2, 3], [4, 5, 6]])


def test_models_of_3dmod_come_through_with_all_they_hold(tilt_data: Path, tmp_path: Path) -> None:
    paths = sorted((tilt_data / "imod-projects/imodmodel").glob("*.mod"))
    assert len(paths) == 6
    for path in paths:
        model = imod_model.read(path)
        imod_model.write(tmp_path / "again.mod", model)
        assert (tmp_path / "again.mod").stat().st_size == path.stat().st_size, path
        before, after = imodmodel.read(path), imodmodel.read(tmp_path / "again.mod")
        assert before.equals(after), path
        points = np.concatenate([contour.points for contour in model.contours])
        np.testing.assert_allclose(points + np.array([0.5, 0.5, 0.0]), before[["x", "y", "z"]])


def test_closed_contours_are_told_from_points(tilt_data: Path) -> None:
    folder = tilt_data / "imod-projects/imodmodel"
    assert imod_model.read(folder / "slicer_angle_example.mod").objects[0].is_closed
    scattered, opened, _ = imod_model.read(folder / "point_sizes_example.mod").objects
    assert not scattered.is_closed
    assert not opened.is_closed
    assert scattered.contours[0].sizes_px is not None


def test_cut_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.mod"
    part = ModelObject((Contour(np.zeros((2, 3))),))
    imod_model.write(path, Model((part,), (5, 5, 5)))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(TomolineError) as caught:
            imod_model.read(path)
        assert caught.value.code == ("FILE-04" if length < 7 else "FILE-03")


def test_a_huge_number_of_points_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.mod"
    imod_model.write(path, Model((ModelObject((Contour(np.zeros((2, 3))),)),), (5, 5, 5)))
    raw = path.read_bytes()
    at = raw.index(b"CONT") + 4
    for claim in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff"):
        path.write_bytes(raw[:at] + claim + raw[at + 4 :])
        with pytest.raises(TomolineError) as caught:
            imod_model.read(path)
        assert caught.value.code == "FILE-03"


def test_a_coordinate_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mod"
    with pytest.raises(ValueError, match="finite"):
        imod_model.write(
            path, Model((ModelObject((Contour(np.full((1, 3), np.nan)),)),), (5, 5, 5))
        )
    assert not path.exists()
