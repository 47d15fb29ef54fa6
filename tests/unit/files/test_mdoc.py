from pathlib import Path

import mdocfile
import pytest

from tomoline.errors import TomolineError
from tomoline.files import mdoc

SERIES = """PixelSpacing = 1.971
Voltage = 300
ImageFile = TS 1.mrc

[T = SerialEM: Titan                       06-Jun-23  23:19:47    ]

[T =     Tilt axis angle = 82.9, binning = 1  spot = 5  camera = 1 dosym = 8.0]

[ZValue = 0]
TiltAngle = -3.0
ExposureDose = 2.5
RotationAngle = 172.9
SubFramePath = X:\\My data\\TS 1_001_-3.0.tif
DateTime = 06-Jun-23  23:21:00

[ZValue = 1]
TiltAngle = 0.0
ExposureDose = 2
RotationAngle = 172.9
SubFramePath = X:\\My data\\TS 1_000_0.0.tif
DateTime = 06-Jun-23  23:20:00
"""


def read_text(tmp_path: Path, text: str, encoding: str = "utf-8") -> mdoc.Mdoc:
    path = tmp_path / "a.mdoc"
    path.write_bytes(text.encode(encoding))
    return mdoc.read(path)


def test_a_series(tmp_path: Path) -> None:
    found = read_text(tmp_path, SERIES)
    assert found.notices == ()
    assert found.pixel_size_nm == 0.1971
    assert found.values["ImageFile"] == "TS 1.mrc"
    assert mdoc.tilt_axis_deg(found) == 82.9
    first, second = mdoc.views(found)
    assert (first.index, first.tilt_deg, first.order) == (0, -3.0, 1)
    assert first.sub_frame_path == "X:\\My data\\TS 1_001_-3.0.tif"
    assert first.sub_frame_name == "TS 1_001_-3.0.tif"
    # The second of the file was recorded first.
    assert second.order == 0
    assert second.prior_dose_e_per_a2 == 0
    assert first.prior_dose_e_per_a2 == 2


def test_recorded_prior_doses_are_kept(tmp_path: Path) -> None:
    text = SERIES.replace("ExposureDose = 2\n", "ExposureDose = 2\nPriorRecordDose = 7.5\n")
    assert [view.prior_dose_e_per_a2 for view in mdoc.views(read_text(tmp_path, text))] == [
        None,
        7.5,
    ]


def test_windows_line_ends_and_latin1(tmp_path: Path) -> None:
    text = SERIES.replace("My data", "Müller µ").replace("\n", "\r\n")
    (first, _) = mdoc.views(read_text(tmp_path, text, "latin-1"))
    assert first.sub_frame_path == "X:\\Müller µ\\TS 1_001_-3.0.tif"


@pytest.mark.parametrize("characters", range(10, 140, 10))
def test_a_cut_file_is_used_and_said(tmp_path: Path, characters: int) -> None:
    found = read_text(tmp_path, SERIES[:-characters])
    assert [notice.code for notice in found.notices] == ["FILE-11"]
    assert mdoc.views(found)[0].tilt_deg == -3.0


def test_repeated_keys_and_views_are_said(tmp_path: Path) -> None:
    again = SERIES[SERIES.index("[ZValue = 1]") :].replace("TiltAngle = 0.0", "TiltAngle = 0.5")
    found = read_text(tmp_path, SERIES + "\n" + again + "Voltage = 300\nVoltage = 200\n")
    assert [notice.code for notice in found.notices] == ["FILE-13", "FILE-13"]
    assert [view.tilt_deg for view in mdoc.views(found)] == [-3.0, 0.5]


def test_tomography5_puts_values_after_titles(tmp_path: Path) -> None:
    text = (
        "[T = TOMOGRAPHY 5.8]\nPixelSpacing = 2\n[T = Tilt axis angle = -95.4, binning = 1]\n\n"
        "[ZValue = 0]\nTiltAngle = 0.01\nExposureDose = 3\nDateTime = 2022-Feb-01 10:11:12\n"
        "SubFramePath = \\\\server\\data\\Position 1_001_0.00_fractions.tiff\n"
    )
    found = read_text(tmp_path, text)
    assert found.pixel_size_nm == 0.2
    assert mdoc.tilt_axis_deg(found) == -95.4
    (view,) = mdoc.views(found)
    assert view.sub_frame_name == "Position 1_001_0.00_fractions.tiff"
    assert view.acquired is not None
    assert view.acquired.month == 2


def test_the_rotation_angle_is_the_axis_plus_90_degrees(tmp_path: Path) -> None:
    text = "[ZValue = 0]\nTiltAngle = 0\nRotationAngle = -95.5\n"
    assert mdoc.tilt_axis_deg(read_text(tmp_path, text)) == 174.5


def test_nonsense_is_no_mdoc(tmp_path: Path) -> None:
    with pytest.raises(TomolineError) as caught:
        read_text(tmp_path, "some = text\n")
    assert caught.value.code == "FILE-04"


def test_a_view_without_an_angle_is_left_out(tmp_path: Path) -> None:
    text = SERIES.replace("TiltAngle = -3.0", "TiltAngle = nan")
    assert [view.index for view in mdoc.views(read_text(tmp_path, text))] == [1]


@pytest.mark.parametrize("stack", ["TS.st", "TS.mrc", "TS.tif"])
@pytest.mark.parametrize("name", ["TS.st.mdoc", "TS.mrc.mdoc", "TS.mdoc"])
def test_the_mdoc_of_a_stack_is_found(tmp_path: Path, stack: str, name: str) -> None:
    assert mdoc.find_for(tmp_path / stack) is None
    (tmp_path / name).write_text(SERIES)
    found = mdoc.find_for(tmp_path / stack)
    assert found is not None
    assert (found.path, found.notices) == (tmp_path / name, ())


def test_an_override_replaces_the_original(tmp_path: Path) -> None:
    (tmp_path / "TS.mdoc").write_text(SERIES)
    (tmp_path / "TS_override.mdoc").write_text(SERIES)
    found = mdoc.find_for(tmp_path / "TS.mrc")
    assert found is not None
    assert found.path == tmp_path / "TS_override.mdoc"
    assert [notice.code for notice in found.notices] == ["FILE-12"]


def test_mdocfile_reads_the_same(tilt_data: Path) -> None:
    compared = 0
    for path in sorted(tilt_data.rglob("*.mdoc")):
        try:
            table = mdocfile.read(path)
        except Exception:  # some valid files are beyond the oracle
            continue
        ours = [view.tilt_deg for view in mdoc.views(mdoc.read(path))]
        if len(table) != len(ours):
            continue  # montage sections, which are no views
        assert table["TiltAngle"].tolist() == pytest.approx(ours), path
        compared += 1
    assert compared >= 60


def test_real_series(tilt_data: Path) -> None:
    found = mdoc.read(tilt_data / "cryocat-metadata/TS_017/017.mdoc")
    views = mdoc.views(found)
    assert found.notices == ()
    assert len(views) == 60
    assert mdoc.tilt_axis_deg(found) == 82.9
    assert sorted(view.order for view in views if view.order is not None) == list(range(60))
    by_order = sorted(views, key=lambda view: view.order or 0)
    doses = [view.prior_dose_e_per_a2 for view in by_order]
    assert doses == sorted(doses, key=lambda dose: dose or 0)
