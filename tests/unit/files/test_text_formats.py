"""Files of numbers: what is written comes back, and IMOD's own files come out as they went in."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tomoline.errors import TomolineError
from tomoline.files import angles, fiducial_points, residuals, transforms, zfactors
from tomoline.files.residuals import Residuals

ANGLE_ROUNDING_DEG = 5.1e-5
MATRIX_ROUNDING = 5.1e-8
SHIFT_ROUNDING_PX = 5.1e-4
in_tmp_path = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@in_tmp_path
@given(values=hnp.arrays(float, st.integers(1, 20), elements=st.floats(-360, 360)))
def test_angles_come_back(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "a.tlt"
    angles.write(path, values)
    np.testing.assert_allclose(angles.read(path), values, rtol=0, atol=ANGLE_ROUNDING_DEG)
    before = path.read_bytes()
    angles.write(path, angles.read(path))
    assert path.read_bytes() == before


@in_tmp_path
@given(
    values=hnp.arrays(
        float, st.tuples(st.integers(1, 9), st.just(2), st.just(3)), elements=st.floats(-9e4, 9e4)
    )
)
def test_transforms_come_back(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "a.xf"
    transforms.write(path, values)
    found = transforms.read(path)
    np.testing.assert_allclose(found[..., :2], values[..., :2], rtol=0, atol=MATRIX_ROUNDING)
    np.testing.assert_allclose(found[..., 2], values[..., 2], rtol=0, atol=SHIFT_ROUNDING_PX)
    before = path.read_bytes()
    transforms.write(path, transforms.read(path))
    assert path.read_bytes() == before


def test_a_line_of_xf_is_matrix_and_shift(tmp_path: Path) -> None:
    path = tmp_path / "a.xf"
    path.write_text("   0.0856836   0.9963228  -0.9963228   0.0856836     116.328    -191.695\n")
    np.testing.assert_array_equal(
        transforms.read(path)[0],
        [[0.0856836, 0.9963228, 116.328], [-0.9963228, 0.0856836, -191.695]],
    )


@pytest.mark.parametrize(
    ("module", "pattern", "count"),
    [
        (transforms, "*.xf", 12),
        (transforms, "*.tltxf", 3),
        (residuals, "*.resid", 3),
        (zfactors, "*.zfac", 2),
        (fiducial_points, "*.xyz", 3),
    ],
)
def test_imods_own_files_come_out_as_they_went_in(
    tilt_data: Path, tmp_path: Path, module: ModuleType, pattern: str, count: int
) -> None:
    same = 0
    for path in sorted(tilt_data.rglob(pattern)):
        try:
            contents = module.read(path)
        except TomolineError:
            continue  # local and montage transforms, see the contract
        module.write(tmp_path / "again", contents)
        assert (tmp_path / "again").read_bytes() == path.read_bytes(), path
        same += 1
    assert same == count


def test_blank_lines_comments_line_ends_and_further_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.rawtlt"
    path.write_bytes(b"\xef\xbb\xbf# from the scope\r\n-57.00 117\r\n\r\n  1e1\r\n3 # last")
    np.testing.assert_array_equal(angles.read(path), [-57, 10, 3])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1\n2\nthree\n", 3),
        ("1\nnan\n", 2),
        ("inf\n", 1),
        ("1\n\n*****\n", 3),
        ("1\n2\0\n", 2),
    ],
)
def test_bad_numbers_are_named_by_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "a.tlt"
    path.write_text(text)
    with pytest.raises(TomolineError, match=f"Line {line} ") as caught:
        angles.read(path)
    assert caught.value.code == "FILE-06"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_not_written(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a"
    with pytest.raises(ValueError, match="finite"):
        angles.write(path, [value])
    with pytest.raises(ValueError, match="finite"):
        transforms.write(path, np.full((1, 2, 3), value))
    assert not path.exists()


def test_residuals_count_from_pixel_centres(tmp_path: Path) -> None:
    path = tmp_path / "a.resid"
    path.write_text("     1 residuals\n    288.50    161.50    7    1.52   -0.74\n")
    found = residuals.read(path)
    np.testing.assert_array_equal(found.points_px, [[288, 161]])
    assert found.view.tolist() == [7]
    np.testing.assert_array_equal(found.vectors_px, [[1.52, -0.74]])


def test_fewer_residuals_than_promised(tmp_path: Path) -> None:
    path = tmp_path / "a.resid"
    one = Residuals(np.zeros((1, 2)), np.zeros(1, int), np.zeros((1, 2)))
    residuals.write(path, one)
    path.write_text(path.read_text().replace("1 residuals", "2 residuals"))
    with pytest.raises(TomolineError, match="promises 2 residuals and holds 1") as caught:
        residuals.read(path)
    assert caught.value.code == "FILE-03"


def test_solved_points(tilt_data: Path) -> None:
    path = tilt_data / "imod-projects/uitestData/midzone2/midzone2afid.xyz"
    found = fiducial_points.read(path)
    np.testing.assert_allclose(found.points_px[0], [135.15, 855.54, -58.79])
    assert found.size_px == (1950, 1024)
    assert found.pixel_size_nm is None
    assert found.contour_number.tolist()[:3] == [1, 2, 3]
