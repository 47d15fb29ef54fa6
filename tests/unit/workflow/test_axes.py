"""The two axes of a dual-axis set in one folder: they do not disturb each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tomoline.cli.main import app
from tomoline.cli.show import print_data_set
from tomoline.errors import TomolineError
from tomoline.files.atomic import remove_leftovers
from tomoline.recipes import RECIPES
from tomoline.workflow.dataset import DataSet, find, find_axes
from tomoline.workflow.execution import check_destination
from tomoline.workflow.given import Layer, LayerValue
from tomoline.workflow.record import Record
from tomoline.workflow.second_axis import second_axis_layer

TILT = RECIPES["tilt"]


def make(folder: Path, *roots: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for root in roots:
        record = Record(root=root, recipe="tilt", source=f"/in/{root}.mrc")
        record.write(folder / f"{root}.tomoline.json")


def data_set(folder: Path, root: str) -> DataSet:
    return DataSet(root, folder, Path(f"/in/{root}.mrc"))


@pytest.mark.parametrize(
    ("folder", "root", "axis"),
    [
        ("TS", "TSa", "a"),
        ("TS", "TSb", "b"),
        ("TS", "TS", ""),
        ("TSa", "TSa", ""),
        ("TS", "TSc", ""),
        ("a", "a", ""),
        ("other", "b", ""),
    ],
)
def test_the_folder_tells_the_axis(folder: str, root: str, axis: str) -> None:
    assert data_set(Path(folder), root).axis == axis


def test_command_files_have_the_letter_of_the_axis() -> None:
    names = [data_set(Path("TS"), root).path("tilt_com").name for root in ("TS", "TSa", "TSb")]
    assert names == ["tilt.com", "tilta.com", "tiltb.com"]
    assert data_set(Path("TS"), "TSb").path("newst_com").name == "newstb.com"
    assert data_set(Path("TS"), "TSb").path("tomogram").name == "TSb_rec.mrc"


def test_no_file_has_the_same_name_for_both_axes() -> None:
    a, b = (data_set(Path("TS"), f"TS{axis}") for axis in "ab")
    names = [{one.path(artifact).name for artifact in TILT_ARTIFACTS} for one in (a, b)]
    assert not names[0] & names[1]
    assert a.record_path != b.record_path
    assert a.log_path != b.log_path


TILT_ARTIFACTS = sorted({name for step in TILT.steps for name in step.writes})


def test_only_leftovers_of_its_own_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "TS"
    folder.mkdir()
    names = ["TSa.xf", "TSb.xf", "tilta.com", "tiltb.com"]
    parts = {name: folder / f".{name}.1-0a1b2c3d.part" for name in names}
    for part in parts.values():
        part.touch()
    removed = remove_leftovers(folder, data_set(folder, "TSa").owns)
    assert set(removed) == {parts["TSa.xf"], parts["tilta.com"]}
    assert remove_leftovers(folder, data_set(folder, "TS").owns) == [
        parts["TSb.xf"],
        parts["tiltb.com"],
    ]


def test_both_may_be_locked_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "TS"
    folder.mkdir()
    with data_set(folder, "TSa").locked(), data_set(folder, "TSb").locked():
        pass


def test_one_axis_is_delivered_beside_the_other(tmp_path: Path) -> None:
    folder = tmp_path / "TS"
    make(folder, "TSa")
    for name in ("TSa.xf", "tilta.com", "TSa.log", "TSa_rec.mrc"):
        (folder / name).touch()
    check_destination(data_set(folder, "TSb"), TILT)
    (folder / "tiltb.com").touch()
    with pytest.raises(TomolineError, match="RUN-03"):
        check_destination(data_set(folder, "TSb"), TILT)


def test_two_records_are_named_and_one_can_be_chosen(tmp_path: Path) -> None:
    folder = tmp_path / "TS"
    make(folder, "TSa", "TSb")
    with pytest.raises(TomolineError, match="RUN-05") as caught:
        find(folder)
    assert "TSa.tomoline.json, TSb.tomoline.json" in caught.value.found
    assert str(folder / "TSa.tomoline.json") in caught.value.remedy
    assert find(folder / "TSb.tomoline.json").root == "TSb"
    assert [one.root for one in find_axes(folder)] == ["TSa", "TSb"]
    assert [one.root for one in find_axes(folder / "TSb.tomoline.json")] == ["TSb"]


def test_records_that_are_no_pair_are_not_taken_for_one(tmp_path: Path) -> None:
    make(tmp_path / "TS", "TSa", "TSc")
    make(tmp_path / "many", *(f"x{number}" for number in range(6)))
    for folder, named in (("TS", "TSc"), ("many", "x3.tomoline.json, ...")):
        with pytest.raises(TomolineError, match="RUN-05") as caught:
            find_axes(tmp_path / folder)
        assert named in caught.value.found


def test_show_prints_both_axes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "TS"
    make(folder, "TSa", "TSb")
    print_data_set(folder, as_json=True)
    assert [one["root"] for one in json.loads(capsys.readouterr().out)] == ["TSa", "TSb"]
    print_data_set(folder / "TSb.tomoline.json", as_json=True)
    assert json.loads(capsys.readouterr().out)["root"] == "TSb"
    print_data_set(folder, as_json=False)
    printed = capsys.readouterr().out
    assert printed.index("TSa  recipe tilt") < printed.index("TSb  recipe tilt")


def test_run_asks_which_axis(tmp_path: Path) -> None:
    make(tmp_path / "TS", "TSa", "TSb")
    done = CliRunner().invoke(app, ["run", str(tmp_path / "TS")])
    assert done.exit_code == 1
    assert "Say which: " in done.output


SEEDS, PATCHES = "find_fiducials.boundary_model", "track.patch_boundary_model"


def layer(name: str, **values: str) -> Layer:
    keys = {"seeds": SEEDS, "patches": PATCHES, "source": "setup.boundary_from"}
    return Layer(name, {keys[key]: LayerValue(value) for key, value in values.items()})


def carried(first: list[Layer], second: list[Layer]) -> dict[str, object]:
    found = second_axis_layer(first, second, "TSa", "TSb")
    return {key: one.value for key, one in found.values.items()}


def test_axis_b_takes_the_boundary_over() -> None:
    assert carried([], []) == {"setup.boundary_from": "TSa"}
    drawn = layer("data set", seeds="cell.mod", patches="cell.mod")
    assert carried([drawn], [drawn]) == {
        "setup.boundary_from": "TSa",
        "setup.boundary_from_model": "cell.mod",
        SEEDS: None,
        PATCHES: "TSb_rawbound.mod",
    }
    # A project may have taken the one for beads out of axis b's layers already.
    assert carried([layer("data set", seeds="cell.mod")], []) == {
        "setup.boundary_from": "TSa",
        "setup.boundary_from_model": "cell.mod",
    }


def test_a_model_for_patches_alone_is_carried_over_for_patches_too() -> None:
    drawn = layer("data set", patches="cell.mod")
    assert carried([drawn], [drawn])[PATCHES] == "TSb_rawbound.mod"
    assert carried([drawn], [drawn])["setup.boundary_from_model"] == "cell.mod"


def test_what_axis_b_has_of_its_own_is_left_to_it() -> None:
    drawn = layer("data set", seeds="cell.mod", patches="cell.mod")
    assert carried([drawn], [drawn, layer("axis b", seeds="other.mod")]) == {PATCHES: None}
    assert carried([drawn], [drawn, layer("axis b", source="TSx")]) == {}
