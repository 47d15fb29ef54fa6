"""HiTT's parameter files, and the frames that they name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tomoline.errors import Faults, TomolineError
from tomoline.files import hitt
from tomoline.files.open_frames import open_frames
from tomoline.files.open_scan import open_scan
from tomoline.files.scan_files import ScanOptions

# As it stands on EMBL's slides (M. Nikolova, NOBUGS 2024).
SLIDE = """\
ENERGY= 18.0001536104
PIXELSIZE= 0.650
DISTANCES= 0.073000, 0.077000, 0.083000, 0.092000,
FLATAVG = 3
ROI = 0, 8, 2048, 2040
BETADELTA= 0.1
ZEROCOMP= 0.1
PADDING= 200
ROTATION-AXIS-GUESS= 249
OFFSET-Y-360= 0
PREFIX= tomo_111_d1_1_,tomo_111_d2_1_,tomo_111_d3_1_,tomo_111_d4_1_
PREFIX-FF = _ff_tomo_111_d1_1_,ff_tomo_111_d2_1_,ff_tomo_111_d3_1_,ff_tomo_111_d4_1_
"""


def parse(folder: Path, text: str | bytes) -> hitt.HittParameters:
    path = folder / "scan.par"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return hitt.read(path)


def faults(folder: Path, text: str) -> list[TomolineError]:
    with pytest.raises(Faults) as caught:
        parse(folder, text)
    return caught.value.faults


def codes(folder: Path, text: str) -> list[str]:
    return [fault.code for fault in faults(folder, text)]


def test_the_file_on_the_slides(tmp_path: Path) -> None:
    found = parse(tmp_path, SLIDE)
    assert found.energy_kev == 18.0001536104
    assert found.pixel_size_um == 0.65
    assert found.distances_m == (0.073, 0.077, 0.083, 0.092)
    assert found.flat_average == 3
    assert found.region == (0, 8, 2048, 2040)
    assert (found.beta_over_delta, found.zero_compensation) == (0.1, 0.1)
    assert (found.padding_px, found.rotation_axis_px, found.offset_y_360_px) == (200, 249, 0)
    assert found.prefixes[3] == "tomo_111_d4_1_"
    assert found.flat_prefixes[0] == "_ff_tomo_111_d1_1_"


def test_ends_of_lines_marks_comments_and_case_do_not_matter(tmp_path: Path) -> None:
    plain = parse(tmp_path, SLIDE)
    text = "# a scan\n\n" + SLIDE.replace("ENERGY=", "  energy =").replace("0.650", "0.650 # um")
    text = text.replace("PREFIX-FF", "prefix_ff").replace("\n", "\r\n")
    assert parse(tmp_path, b"\xef\xbb\xbf" + text.encode()) == plain
    assert parse(tmp_path, text.replace("\r\n", "\r").encode()) == plain


def test_extensions(tmp_path: Path) -> None:
    found = parse(
        tmp_path,
        "PREFIX = a_\nPREFIX-DARK = d_\nANGLE-START = -5\nANGLE-STEP = 0.1\nFOLDER = raw/one\n",
    )
    assert (found.dark_prefixes, found.folder) == (("d_",), "raw/one")
    assert (found.first_angle_deg, found.step_deg) == (-5.0, 0.1)


@pytest.mark.parametrize(
    ("old", "new", "code", "remedy"),
    [
        ("ENERGY=", "ENERGIE=", "SCAN-02", "ENERGY"),
        ("ROTATION-AXIS-GUESS", "ROTATION-AXIS-GESS", "SCAN-02", "ROTATION-AXIS-GUESS"),
        ("18.0001536104", "18000.0", "SCAN-04", "ENERGY = 18."),
        ("0.650", "6.5e-7", "SCAN-04", "PIXELSIZE = 0.65"),
        ("0.650", "650", "SCAN-04", "PIXELSIZE = 0.65"),
        ("0.073000, 0.077000, 0.083000, 0.092000", "73,77,83,92", "SCAN-04", "0.073, 0.077"),
        ("BETADELTA= 0.1", "BETADELTA= 100", "SCAN-04", "0.01"),
        ("0.092000,", "", "SCAN-05", ""),
        ("_ff_tomo_111_d1_1_,", "", "SCAN-05", ""),
        ("18.0001536104", "-18", "SCAN-03", ""),
        ("18.0001536104", "18,0001", "SCAN-03", "18.0001"),
        ("18.0001536104", "eighteen", "SCAN-03", ""),
        ("18.0001536104", "nan", "SCAN-03", ""),
        ("18.0001536104", "", "SCAN-03", ""),
        ("FLATAVG = 3", "FLATAVG = 2.5", "SCAN-03", ""),
        ("FLATAVG = 3", "FLATAVG = 0", "SCAN-03", ""),
        ("ROI = 0, 8, 2048, 2040", "ROI = 0, 8, 2048", "SCAN-03", "left"),
        ("FLATAVG = 3", "FLATAVG = 3\nFLATAVG = 4", "SCAN-06", ""),
        ("FLATAVG = 3", "FLATAVG 3", "SCAN-20", ""),
        ("tomo_111_d4_1_\n", "tomo_111_d1_1_\n", "SCAN-03", ""),
        ("PREFIX= tomo", "# PREFIX= tomo", "SCAN-07", ""),
        ("DISTANCES=", "# DISTANCES=", "SCAN-07", ""),
    ],
)
def test_each_fault_by_itself(tmp_path: Path, old: str, new: str, code: str, remedy: str) -> None:
    assert old in SLIDE
    found = faults(tmp_path, SLIDE.replace(old, new, 1))
    assert [fault.code for fault in found] == [code]
    assert remedy in found[0].remedy + found[0].found
    assert "scan.par" in found[0].where


def test_all_faults_are_told_together_with_their_lines(tmp_path: Path) -> None:
    text = SLIDE.replace("ENERGY=", "ENERGIE=").replace("0.650", "650").replace("= 200", "= -1")
    found = faults(tmp_path, text + "nonsense\n")
    assert sorted(fault.code for fault in found) == ["SCAN-02", "SCAN-03", "SCAN-04", "SCAN-20"]
    assert {fault.where.rsplit(" ", 1)[1] for fault in found} == {"1", "2", "8", "13"}


def test_keys_of_other_programs_are_passed_over_with_a_warning(tmp_path: Path) -> None:
    found = parse(tmp_path, SLIDE + "OFFSET-X-360 = 3\nRECONSTRUCTION-QUEUE = gpu\n")
    assert [notice.code for notice in found.notices] == ["SCAN-24", "SCAN-24"]
    assert "OFFSET-X-360" in found.notices[0].found
    assert replace(found, notices=()) == parse(tmp_path, SLIDE)


def write_frames(folder: Path, prefix: str, numbers: range, *, suffix: str = ".tif") -> None:
    for number in numbers:
        image = np.full((6, 8), number, np.uint16)
        tifffile.imwrite(folder / f"{prefix}{number:05d}{suffix}", image)


def par(folder: Path, text: str) -> Path:
    path = folder / "scan.par"
    path.write_text(text)
    return path


def test_the_leading_underscore_of_the_slides_does_not_matter(tmp_path: Path) -> None:
    write_frames(tmp_path, "t_d1_1_", range(1, 6))
    write_frames(tmp_path, "ff_t_d1_1_", range(1, 4))
    found = open_scan(par(tmp_path, "PREFIX = t_d1_1_\nPREFIX-FF = _ff_t_d1_1_\n"))
    assert found.flats[0] is not None
    assert found.flats[0].names[0] == "ff_t_d1_1_00001.tif"
    write_frames(tmp_path, "_ff_t_d1_1_", range(1, 3))
    found = open_scan(tmp_path / "scan.par")
    assert found.flats[0] is not None
    assert found.flats[0].names[0] == "_ff_t_d1_1_00001.tif"


@pytest.mark.parametrize("name", ["ff_.tif", "ff.tiff", "ff_00001.tif", "ff_stack.TIF"])
def test_flats_as_one_stack(tmp_path: Path, name: str) -> None:
    write_frames(tmp_path, "t_", range(1, 6))
    stack = np.arange(4 * 48, dtype=np.uint16).reshape(4, 6, 8)
    tifffile.imwrite(tmp_path / name, stack, photometric="minisblack")
    found = open_scan(par(tmp_path, "PREFIX = t_\nPREFIX-FF = ff_\n"))
    assert found.flats[0] is not None
    assert found.flats[0].count == 4
    np.testing.assert_array_equal(open_frames(found.flats[0]).read(3), stack[3])


def test_a_prefix_that_is_the_beginning_of_another(tmp_path: Path) -> None:
    write_frames(tmp_path, "d1_1_", range(1, 5))
    write_frames(tmp_path, "d1_10_", range(1, 7))
    write_frames(tmp_path, "d1_1_x", range(1, 3))
    text = "DISTANCES = 0.1\nPREFIX = d1_1_\n"
    assert open_scan(par(tmp_path, text)).projections[0].count == 4
    write_frames(tmp_path, "n", range(1, 5))
    write_frames(tmp_path, "n1", range(1, 5))
    found = open_scan(par(tmp_path, "DISTANCES = 0.1, 0.2\nPREFIX = n, n1\n"))
    assert [one.count for one in found.projections] == [4, 4]
    assert found.projections[1].names[0] == "n100001.tif"


def test_numbering_from_any_number_with_any_digits_and_hidden_files(tmp_path: Path) -> None:
    for number in range(8, 13):
        image = np.full((6, 8), number, np.uint16)
        tifffile.imwrite(tmp_path / f"a{number}.TIFF", image)
    write_frames(tmp_path, "b", range(0, 5))
    (tmp_path / ".a13.TIFF").write_bytes(b"being written")
    (tmp_path / "a13.TIFF.part").write_bytes(b"being written")
    found = open_scan(par(tmp_path, "DISTANCES = 0.1, 0.2\nPREFIX = a, b\n"))
    assert found.projections[0].names == tuple(f"a{n}.TIFF" for n in range(8, 13))
    assert found.projections[1].count == 5
    assert not found.bad
    assert not found.notices


def test_the_same_number_is_the_same_angle(tmp_path: Path) -> None:
    # As many frames each, but the first of one and the last of the other are lost.
    write_frames(tmp_path, "a_", range(2, 21))
    write_frames(tmp_path, "b_", range(1, 20))
    found = open_scan(par(tmp_path, "DISTANCES = 0.1, 0.2\nPREFIX = a_, b_\n"))
    assert found.projections[0].names[4] == "a_00005.tif"
    assert found.projections[1].names[4] == "b_00005.tif"
    assert list(found.bad) == [0, 19]
    assert [notice.code for notice in found.notices] == ["SCAN-13", "SCAN-13"]


def test_gaps_are_missing_frames_and_named(tmp_path: Path) -> None:
    write_frames(tmp_path, "a_", range(1, 21))
    (tmp_path / "a_00005.tif").unlink()
    os.truncate(tmp_path / "a_00009.tif", 300)
    found = open_scan(par(tmp_path, "PREFIX = a_\n"))
    assert found.projections[0].count == 20
    assert list(found.bad) == [4, 8]
    said = {notice.code: notice.found for notice in found.notices}
    assert "a_00005.tif" in said["SCAN-09"]
    assert "a_00009.tif" in said["SCAN-10"]


def test_distances_with_different_numbers_of_frames(tmp_path: Path) -> None:
    write_frames(tmp_path, "a_", range(1, 21))
    write_frames(tmp_path, "b_", range(1, 19))
    found = open_scan(par(tmp_path, "DISTANCES = 0.1, 0.2\nPREFIX = a_, b_\n"))
    assert [one.count for one in found.projections] == [20, 20]
    assert list(found.bad) == [18, 19]
    assert [notice.code for notice in found.notices] == ["SCAN-13"]
    assert "b_00019.tif; b_00020.tif" in found.notices[0].found


def test_a_distance_without_frames_is_told_what_is_there(tmp_path: Path) -> None:
    write_frames(tmp_path, "tomo_d1_", range(1, 5))
    write_frames(tmp_path, "tomo_d2_", range(1, 5))
    with pytest.raises(TomolineError) as caught:
        open_scan(par(tmp_path, "DISTANCES = 0.1, 0.2\nPREFIX = tomo_d1_, tomo_d3_\n"))
    assert caught.value.code == "SCAN-08"
    assert "tomo_d3_" in caught.value.found
    assert "tomo_d2_ (4 files)" in caught.value.found


def test_flats_that_are_named_but_not_there(tmp_path: Path) -> None:
    write_frames(tmp_path, "a_", range(1, 5))
    with pytest.raises(TomolineError) as caught:
        open_scan(par(tmp_path, "PREFIX = a_\nPREFIX-FF = ff_\n"))
    assert caught.value.code == "SCAN-17"


def test_two_files_of_one_number(tmp_path: Path) -> None:
    write_frames(tmp_path, "a_", range(1, 5))
    write_frames(tmp_path, "a_", range(1, 2), suffix=".tiff")
    with pytest.raises(TomolineError) as caught:
        open_scan(par(tmp_path, "PREFIX = a_\n"))
    assert caught.value.code == "SCAN-21"


def test_frames_in_folders(tmp_path: Path) -> None:
    for distance in ("d1", "d2"):
        (tmp_path / "raw" / distance).mkdir(parents=True)
        write_frames(tmp_path / "raw" / distance, "p_", range(1, 5))
    text = "DISTANCES = 0.1, 0.2\nPREFIX = d1/p_, d2/p_\nFOLDER = raw\n"
    found = open_scan(par(tmp_path, text))
    assert [Path(one.path).name for one in found.projections] == ["d1", "d2"]


def test_projections_as_one_stack(tmp_path: Path) -> None:
    stack = np.arange(5 * 48, dtype=np.uint16).reshape(5, 6, 8)
    tifffile.imwrite(tmp_path / "scan1.tif", stack, photometric="minisblack")
    for source in (par(tmp_path, "PREFIX = scan1\n"), tmp_path / "scan1.tif"):
        found = open_scan(source)
        assert found.projections[0].count == 5
        np.testing.assert_array_equal(open_frames(found.projections[0]).read(2), stack[2])


def test_a_scan_that_is_still_being_recorded(tmp_path: Path) -> None:
    write_frames(tmp_path, "a_", range(1, 4))
    found = open_scan(par(tmp_path, "PREFIX = a_\n"), ScanOptions(expected_frames=6))
    assert found.projections[0].names == tuple(f"a_{n:05d}.tif" for n in range(1, 7))
    assert not found.bad
    frames = open_frames(found.projections[0])
    with pytest.raises(TomolineError) as caught:
        frames.read(5)
    assert caught.value.code == "FILE-01"
    write_frames(tmp_path, "a_", range(6, 7))
    assert frames.read(5)[0, 0] == 6


class TestFolder:
    def test_with_one_parameter_file_whatever_it_is_called(self, tmp_path: Path) -> None:
        write_frames(tmp_path, "a_", range(1, 5))
        (tmp_path / "notes.txt").write_text("milk, bread\n")
        (tmp_path / "scan.txt").write_text("ENERGY = 20\nPREFIX = a_\n")
        assert open_scan(tmp_path).energy_kev == 20

    def test_with_two_parameter_files(self, tmp_path: Path) -> None:
        par(tmp_path, "PREFIX = a_\n")
        (tmp_path / "other.par").write_text("PREFIX = b_\n")
        with pytest.raises(TomolineError) as caught:
            open_scan(tmp_path)
        assert caught.value.code == "SCAN-21"

    @pytest.mark.parametrize(
        ("flat", "dark"),
        [
            ("flat_", "dark_"),
            ("ff_scan_", "df_scan_"),
            ("scan_flat", "scan_dark"),
            ("White", "Drk"),
        ],
    )
    def test_of_plain_files_told_apart_by_their_names(
        self, tmp_path: Path, flat: str, dark: str
    ) -> None:
        write_frames(tmp_path, "tooth_", range(0, 9))
        write_frames(tmp_path, flat, range(0, 4))
        write_frames(tmp_path, dark, range(0, 3))
        found = open_scan(tmp_path)
        assert found.projections[0].count == 9
        assert found.flats[0] is not None
        assert found.flats[0].count == 4
        assert found.darks[0] is not None
        assert found.darks[0].count == 3

    def test_with_flats_and_darks_in_stacks(self, tmp_path: Path) -> None:
        write_frames(tmp_path, "tooth_", range(0, 9))
        for name, count in (("flats.tif", 4), ("tooth_dark.tif", 3)):
            stack = np.zeros((count, 6, 8), np.uint16)
            tifffile.imwrite(tmp_path / name, stack, photometric="minisblack")
        found = open_scan(tmp_path)
        assert found.flats[0] is not None
        assert found.darks[0] is not None
        assert (found.flats[0].count, found.darks[0].count) == (4, 3)

    def test_of_files_that_are_only_numbered(self, tmp_path: Path) -> None:
        write_frames(tmp_path, "", range(0, 9))
        assert open_scan(tmp_path).projections[0].count == 9

    def test_of_two_series(self, tmp_path: Path) -> None:
        write_frames(tmp_path, "a_", range(0, 9))
        write_frames(tmp_path, "b_", range(0, 9))
        with pytest.raises(TomolineError) as caught:
            open_scan(tmp_path)
        assert caught.value.code == "SCAN-21"
        assert "PREFIX" in caught.value.remedy

    def test_of_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(TomolineError) as caught:
            open_scan(tmp_path)
        assert caught.value.code == "SCAN-01"


def test_flats_and_darks_from_elsewhere(tmp_path: Path) -> None:
    write_frames(tmp_path, "a_", range(1, 5))
    (tmp_path / "flats").mkdir()
    write_frames(tmp_path / "flats", "whatever", range(1, 4))
    dark = tmp_path / "d.tif"
    tifffile.imwrite(dark, np.zeros((2, 6, 8), np.uint16), photometric="minisblack")
    options = ScanOptions(flats_file=tmp_path / "flats", darks_file=dark)
    found = open_scan(par(tmp_path, "PREFIX = a_\n"), options)
    assert found.flats[0] is not None
    assert found.darks[0] is not None
    assert (found.flats[0].count, found.darks[0].count) == (3, 2)


def test_locations_do_not_depend_on_the_folder_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_frames(tmp_path, "a_", range(1, 5))
    write_frames(tmp_path, "ff_", range(1, 5))
    par(tmp_path, "PREFIX = a_\n")
    monkeypatch.chdir(tmp_path)
    found = open_scan(Path("scan.par"), ScanOptions(flats_file=Path("ff_00001.tif")))
    monkeypatch.chdir("/")
    assert found.flats[0] is not None
    for location in (found.projections[0], found.flats[0]):
        assert open_frames(location).read(0)[0, 0] == 1


def test_a_text_file_without_keys_is_no_scan(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("milk, bread\n")
    with pytest.raises(TomolineError) as caught:
        open_scan(path)
    assert caught.value.code == "SCAN-01"
