"""Each option of ``tomoline watch`` by itself, within this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from microscope import Watched, mrc_bytes, put

from tomoline.cli import _attach, _watch
from tomoline.cli.main import app
from tomoline.errors import TomolineError
from tomoline.queue import launch
from tomoline.queue.control import Control
from tomoline.queue.project import Project
from tomoline.queue.store import Store
from tomoline.queue.watches import Watch
from tomoline.recipes import RECIPES


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Projects whose runner would have been started."""
    found: list[Path] = []

    def ensure(store: Store) -> int:
        found.append(store.folder)
        return 1

    monkeypatch.setattr(launch, "ensure_runner", ensure)
    monkeypatch.setattr(Control, "recover", lambda self: [])
    return found


@pytest.fixture
def place(tmp_path: Path, started: list[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands are called: beside a folder ``in`` of acquisitions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOMOLINE_PROJECT", raising=False)
    (tmp_path / "in").mkdir()
    return tmp_path


def call(*arguments: str | Path) -> int:
    return int(app([str(one) for one in arguments], standalone_mode=False) or 0)


def code(*arguments: str | Path) -> str:
    with pytest.raises(TomolineError) as caught:
        call(*arguments)
    return f"{caught.value.code} {caught.value.where}"


def watches(project: Path) -> list[Watch]:
    with Project.open(project) as opened:
        return opened.watches.all()


def begin(*options: str, recipe: str = "tilt") -> Watch:
    assert call("watch", "in", "--recipe", recipe, "--detach", *options) == 0
    (one,) = watches(Path("in-tomoline"))
    return one


SETTINGS: list[tuple[str, Callable[[Watch], Any], Any]] = [
    ("--on-top", lambda one: one.on_top, True),
    ("--settle 7.5", lambda one: one.settings.settle_s, 7.5),
    ("--every 0.5", lambda one: one.settings.every_s, 0.5),
    ("--pattern grid2_*", lambda one: one.settings.pattern, "grid2_*"),
    ("--depth 0", lambda one: one.settings.depth, 0),
    ("--until trim", lambda one: one.settings.last, "trim"),
    ("--until 2", lambda one: one.settings.last, RECIPES["tilt"].step("2").name),
    ("--new-only", lambda one: one.settings.existing, False),
    ("--existing", lambda one: one.settings.existing, True),
    (
        "--set setup.gold_diameter_nm=10 --set reconstruct.thickness_px=80",
        lambda one: one.settings.values,
        {
            "setup.gold_diameter_nm": [10.0, "--set setup.gold_diameter_nm=10"],
            "reconstruct.thickness_px": [80, "--set reconstruct.thickness_px=80"],
        },
    ),
]


@pytest.mark.parametrize(("options", "look", "found"), SETTINGS)
def test_an_option_is_what_the_watch_gets(
    place: Path, options: str, look: Callable[[Watch], Any], found: Any
) -> None:
    assert look(begin(*options.split())) == found


def test_without_options_all_is_taken_in_its_order(place: Path, started: list[Path]) -> None:
    one = begin(recipe="scan")
    assert (one.folder, one.recipe, one.active, one.on_top) == (place / "in", "scan", True, False)
    settings = one.settings
    assert (settings.settle_s, settings.every_s, settings.depth) == (30.0, 10.0, 3)
    assert (settings.pattern, settings.last, settings.existing) == ("", "", True)
    assert started == [place / "in-tomoline"]


def test_it_is_looked_at_unless_detached(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(
        _attach, "attach", lambda project, since: looked.append(project.log.last() - since)
    )
    call("watch", "in", "--recipe", "tilt", "--detach")
    call("watch", "in", "--stop")
    assert looked == []
    call("watch", "in", "--recipe", "tilt")
    # All that happens from its beginning on, and nothing older, is shown.
    assert len(looked) == 1
    with Project.open(place / "in-tomoline") as project:
        assert looked[0] < len(project.log.events()) - 2


def test_the_project_is_the_one_that_is_named(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Project.create(place / "night").close()
    call("watch", "in", "--recipe", "tilt", "--detach", "--project", "night")
    assert "was made" not in capsys.readouterr().err
    assert not (place / "in-tomoline").exists()
    call("watch", "--list", "-p", "night")
    assert f"{place / 'in'}  watched, recipe tilt" in capsys.readouterr().out
    call("watch", "in", "--stop", "-p", "night")
    assert not watches(place / "night")[0].active
    # One that is named, in whatever way, and is none is not made.
    named = ["watch", "in", "--recipe", "tilt", "--detach"]
    assert code(*named, "-p", "nosuch").startswith("PROJ-01")
    monkeypatch.setenv("TOMOLINE_PROJECT", str(place / "nosuch"))
    assert code(*named).startswith("PROJ-01")
    assert not (place / "in-tomoline").exists()


def test_a_project_that_cannot_be_used_is_no_reason_to_make_another(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Project.create(place / "night").close()
    (place / "night" / "tomoline.sqlite").write_bytes(b"no store" * 1000)
    (place / "night" / "in").mkdir()
    Project.create(place / "night" / "in-tomoline").close()  # nor to take one that is there
    monkeypatch.chdir(place / "night")
    assert code("watch", "in", "--recipe", "tilt", "--detach").startswith("PROJ-04")
    assert code("watch", "in", "--list").startswith("PROJ-04")
    assert watches(place / "night" / "in-tomoline") == []


def test_the_project_that_was_made_is_found_again(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin()
    assert f"There is no project here; {place / 'in-tomoline'} was made." in capsys.readouterr().err
    call("watch", "in", "--stop")
    call("watch", "in", "--recipe", "scan", "--detach")  # goes on in it
    assert "was made" not in capsys.readouterr().err
    (place / "other").mkdir()
    call("watch", "other", "--recipe", "tilt", "--detach")
    capsys.readouterr()
    call("watch", "other", "--list")
    assert f"{place / 'other'}  watched, recipe tilt" in capsys.readouterr().out
    (place / "third").mkdir()
    # With two of them only the folder tells which is meant.
    for arguments in (["--list"], ["third", "--list"], ["third", "--stop"]):
        assert code("watch", *arguments).startswith("PROJ-01")
    (place / "other-tomoline").rename(place / "away")
    (place / "empty-tomoline").mkdir()
    call("watch", "--list")
    assert f"{place / 'in'}  watched, recipe scan" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ("in --list --recipe tilt", "--recipe"),
        ("in --list --on-top", "--on-top"),
        ("in --list --new-only", "--new-only"),
        ("in --list --stop", "--stop"),
        ("in --stop --recipe tilt", "--recipe"),
        ("in --stop --settle 30", "--settle"),
        ("in --stop --existing", "--existing"),
        ("in --stop --set setup.gold_diameter_nm=10", "--set"),
        ("in --stop --json", "--json"),
        ("in --recipe tilt --json", "--json"),
        ("--recipe tilt", "DIR"),
        ("--stop", "DIR"),
    ],
)
def test_what_means_nothing_is_refused(place: Path, arguments: str, option: str) -> None:
    begin()
    assert code("watch", *arguments.split()) == f"PARAM-06 {option}"
    assert watches(place / "in-tomoline")[0].active


def test_parameters_are_checked_with_those_of_the_project(place: Path) -> None:
    Project.create(place / "night").close()
    named = ["watch", "in", "--recipe", "tilt", "--detach", "-p", "night"]
    assert code(*named, "--set", "setup.gold_diameter_nm=-3").startswith("PARAM-")
    assert watches(place / "night") == []


def test_all_layers_are_checked_together(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tomoline.surfaces import value_checks

    with Project.create(place / "night") as project:
        project.layers.update({"reconstruct.thickness_px": (120, "by hand")})
    checked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(value_checks, "check_values", lambda *given: checked.append(given))
    named = ["watch", "in", "--recipe", "tilt", "--detach", "-p", "night"]
    call(*named, "--set", "setup.gold_diameter_nm=10")
    ((layers, values, _),) = checked
    assert [(one["name"], list(one["values"])) for one in layers] == [
        ("project", ["reconstruct.thickness_px"])
    ]
    assert list(values) == ["setup.gold_diameter_nm"]


def test_what_is_said_of_parameters_is_passed_on(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tomoline.surfaces import project_values

    found = SimpleNamespace(values={}, notices=["PARAM-99: it is old"])
    monkeypatch.setattr(project_values, "read_values", lambda settings: found)
    begin("--set", "setup.gold_diameter_nm=10")
    assert "warning PARAM-99: it is old\n" in capsys.readouterr().err


def test_no_folder_and_no_recipe_are_told(place: Path) -> None:
    (place / "file").touch()
    for recipe in ([], ["--recipe", "movie"]):
        assert code("watch", "in", *recipe) == "PARAM-06 --recipe"
    for name in ("file", "nosuch"):
        assert code("watch", name, "--recipe", "tilt") == f"WATCH-01 {place / name}"
    assert not list(place.glob("*-tomoline"))


def test_the_root_of_all_has_a_name(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _watch._own(Path("/")) == place / "root-tomoline"


@pytest.fixture
def tilt(place: Path, started: list[Path]) -> Watched:
    return Watched(place, on_top=True, settle_s=60.0)


def listed(project: Project, *arguments: str | Path) -> None:
    call("watch", "--list", "-p", project.folder, *arguments)


def test_the_list_tells_what_was_taken_and_what_waits(
    tilt: Watched, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(tilt.project)
    assert "looked not yet: nothing yet\n" in capsys.readouterr().out
    put(tilt.folder / "TS 1.mrc", mrc_bytes())
    tilt.look(times=8)
    put(tilt.folder / "cut.mrc", mrc_bytes()[:1100])
    tilt.look(times=8)
    listed(tilt.project)
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert lines[0] == f"{tilt.folder}  watched, recipe tilt, newest first"
    assert lines[1] == "looked 1970-01-01 00:19:00 UTC: 1 incomplete, 1 taken"
    assert lines[2].split() == ["acquisition", "state", "data", "set", "waits", "for"]
    assert lines[3].split()[:2] == ["cut.mrc", "incomplete"]  # what waits comes first
    assert lines[4].split() == ["TS", "1.mrc", "taken", "TS", "1"]
    assert "more" not in shown
    monkeypatch.setattr(_watch, "_MOST_LINES", 1)
    listed(tilt.project)
    shown = capsys.readouterr().out
    assert "and 1 more; --json has all" in shown
    assert "TS 1.mrc" not in shown
    tilt.project.watches.stop(tilt.folder)
    listed(tilt.project)
    assert "stopped, recipe tilt" in capsys.readouterr().out
    tilt.close()


def test_the_list_for_programs_has_all(
    tilt: Watched, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watch, "_MOST_LINES", 1)
    (place / "other").mkdir()
    tilt.project.watches.add(place / "other", "scan", pattern="x*")
    tilt.project.watches.stop(place / "other")
    put(tilt.folder / "TS_1.mrc", mrc_bytes())
    tilt.look(times=8)
    put(tilt.folder / "cut.mrc", mrc_bytes()[:1100])
    tilt.look(times=8)
    listed(tilt.project, "--json")
    first, second = json.loads(capsys.readouterr().out)
    seen = first.pop("seen")
    assert first.pop("settings")["settle_s"] == 60.0
    assert first == {
        "folder": str(tilt.folder),
        "recipe": "tilt",
        "active": True,
        "on_top": True,
        "looked": 1140.0,
    }
    names = [(Path(one["path"]).name, one["state"], one["data_set"]) for one in seen]
    assert names == [("TS_1.mrc", "taken", "TS_1"), ("cut.mrc", "incomplete", None)]
    assert [bool(one["reason"]) for one in seen] == [False, True]
    assert (second["active"], second["on_top"], second["seen"]) == (False, False, [])
    assert not {"device", "mounts"} & second["settings"].keys()
    assert second["settings"]["pattern"] == "x*"
    listed(tilt.project, place / "other", "--json")
    assert [one["folder"] for one in json.loads(capsys.readouterr().out)] == [str(place / "other")]
    assert code("watch", place, "--list", "-p", tilt.project.folder) == f"WATCH-03 {place}"
    tilt.close()


def test_a_folder_that_was_not_looked_at_yet_has_no_time(place: Path) -> None:
    begin()
    with Project.open(place / "in-tomoline") as project:
        (one,) = project.watches.all()
        assert _watch._document(project, one, {})["looked"] is None


def test_a_project_that_watches_nothing_says_so(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Project.create(place / "night").close()
    call("watch", "--list", "-p", "night")
    assert capsys.readouterr().out.startswith("Nothing is watched; ")


def test_a_clock_that_was_set_back_gives_no_times_below_none(
    tilt: Watched, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.look(times=2)
    monkeypatch.setattr("time.time", lambda: 10.0)
    listed(tilt.project)
    assert "to be the same for 60 s more" in capsys.readouterr().out
    tilt.close()
