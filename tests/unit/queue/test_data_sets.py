"""The table of data sets of a project."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tomoline.errors import Faults, TomolineError
from tomoline.queue.axes import other_axis, pair_up, stack_key
from tomoline.queue.model import BatchState
from tomoline.queue.project import Project
from tomoline.queue.rows import batch, change_state


def stacks(folder: Path, *names: str) -> list[Path]:
    """Make empty files, which is all that adding looks at."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def queue(project: Project, name: str, state: str = "waiting", attempt: int = 0) -> int:
    """Put a batch into the store."""
    entry = project.data_sets.entry(name)
    with project.store.write() as db:
        cursor = db.execute(
            "INSERT INTO batch (data_set, state, place, attempt, queued) VALUES (?, ?, 1, ?, 0)",
            (entry.id, state, attempt),
        )
        return int(cursor.lastrowid or 0)


def test_a_pair_becomes_one_data_set(project: Project, tmp_path: Path) -> None:
    paths = stacks(tmp_path / "raw", "TS_01b.st", "lone.mrc", "TS_01a.mrc", "TS_02a.mrc")
    entries = project.data_sets.add(paths)
    assert [one.name for one in entries] == ["TS_01", "lone", "TS_02a"]
    assert entries[0].roots == ("TS_01a", "TS_01b")
    assert entries[0].folder == tmp_path / "night" / "TS_01"
    given = [project.data_sets.given(one) for one in entries]
    dual = [one.get("setup.dual_axis") for one in given]
    assert dual == [
        [True, "from the stacks given"],
        [False, "from the stacks given"],
        [False, "from the line before"],
    ]
    assert project.data_sets.add(paths) == entries


def test_a_stack_joins_its_other_axis_until_that_was_run(project: Project, tmp_path: Path) -> None:
    a, b, c, d = stacks(tmp_path / "raw", "TSa.mrc", "TSb.mrc", "Xa.mrc", "Xb.mrc")
    first = project.data_sets.add([a, c])
    number = queue(project, "TSa")
    queue(project, "Xa", "failed", attempt=1)
    (joined,) = project.data_sets.add([b])
    assert (joined.id, joined.name, joined.source_b) == (first[0].id, "TS", b)
    waiting = batch(project.store, number)
    assert waiting is not None
    assert waiting.name == "TS"
    (apart,) = project.data_sets.add([d])
    assert apart.name == "Xb"
    assert [one.name for one in project.data_sets.entries()] == ["TS", "Xa", "Xb"]


def test_removing_drops_batches_and_refuses_what_runs(project: Project, tmp_path: Path) -> None:
    project.data_sets.add(stacks(tmp_path / "raw", "one.mrc", "two.mrc"))
    number = queue(project, "one")
    running = batch(project.store, queue(project, "two"))
    assert running is not None
    change_state(project.store, running, BatchState.RUNNING, "starts", processor=1, pid=1)
    with pytest.raises(Faults, match="a process works on it") as caught:
        project.data_sets.remove(["*"])
    assert caught.value.code == "PROJ-10"
    project.data_sets.remove(["one"])
    assert [one.name for one in project.data_sets.entries()] == ["two"]
    assert batch(project.store, number) is None
    with project.store.read() as db:
        row = db.execute("SELECT becomes FROM event WHERE batch = ?", (number,)).fetchall()
    assert [one[0] for one in row] == ["dropped"]
    with pytest.raises(TomolineError, match="Did you mean two") as unknown:
        project.data_sets.entry("tow")
    assert unknown.value.code == "PROJ-08"


def test_boxes_come_from_the_layers_first_and_then_from_the_line_before(
    project: Project, tmp_path: Path
) -> None:
    project.layers.put("user template", {"setup.montage": (True, "t.adoc:1")})
    one, two, three, four = stacks(tmp_path / "raw", "1.mrc", "2.mrc", "3.mrc", "4.h5")
    first, second = project.data_sets.add([one, two])
    assert project.data_sets.given(first) == {}
    assert project.data_sets.given(second)["setup.montage"] == [True, "from the line before"]
    project.data_sets.set(["2"], {"setup.montage": (False, "--no-montage")})
    scan, third = project.data_sets.add([four, three])
    assert project.data_sets.given(scan) == {}
    assert project.data_sets.given(third)["setup.montage"] == [False, "from the line before"]
    (five,) = project.data_sets.add(
        stacks(tmp_path / "raw", "5.mrc"), values={"find_fiducials.two_surfaces": (True, "--set")}
    )
    (six,) = project.data_sets.add(stacks(tmp_path / "raw", "6.mrc"))
    assert project.data_sets.given(five)["find_fiducials.two_surfaces"] == [True, "--set"]
    assert project.data_sets.given(six)["find_fiducials.two_surfaces"][0] is True


def test_copying_down_takes_what_holds(project: Project, tmp_path: Path) -> None:
    entries = project.data_sets.add(
        stacks(tmp_path / "raw", "1.mrc", "2.mrc", "Pa.mrc", "Pb.mrc", "4.mrc")
    )
    key = "reconstruct.thickness_px"
    project.layers.update({key: (200, "project")})
    project.data_sets.set(["1"], {"setup.montage": (True, "x")})
    project.data_sets.set(["P"], {key: (300, "x")})
    assert project.data_sets.copy_down("2") == 0
    assert project.data_sets.copy_down("1") == 3
    montage = [project.data_sets.given(one)["setup.montage"][0] for one in entries]
    assert montage == [True] * 4
    assert [one.dual for one in project.data_sets.entries()] == [False, False, True, False]
    assert project.data_sets.given(entries[2])["setup.dual_axis"][0] is True
    assert project.data_sets.copy_down("2", [key]) == 2
    assert project.data_sets.given(entries[2])[key] == [200, "copied down from 2"]
    project.layers.update({}, unset=[key])
    assert project.data_sets.copy_down("1", [key]) == 2  # nothing gives it: nothing there either
    assert key not in project.data_sets.given(entries[2])


def test_names_and_folders_are_taken_once(project: Project, tmp_path: Path) -> None:
    raw, other = tmp_path / "raw", tmp_path / "other"
    (spaces,) = project.data_sets.add(stacks(raw, "Zelle ä 1.mrc"))
    assert spaces.folder == project.folder / "Zelle ä 1"
    stacks(raw, "TS.mrc", "TS.st", "Qa.st", "Qa.mrc", "new.mrc")
    stacks(other, "TS.mrc", "Zelle ä 1.mrc", ".hidden.mrc")
    for paths, code in (
        ([raw / "new.mrc", raw / "TS.mrc", raw / "TS.st"], "PROJ-09"),
        ([raw / "TS.mrc", other / "TS.mrc"], "PROJ-09"),
        ([raw / "Qa.st", raw / "Qa.mrc"], "PROJ-09"),
        ([other / "Zelle ä 1.mrc"], "PROJ-09"),
        ([raw / "new.mrc", other / "none.mrc"], "FILE-01"),
        ([other / ".hidden.mrc"], "PROJ-17"),
    ):
        with pytest.raises(Faults) as caught:
            project.data_sets.add(paths)
        assert caught.value.code == code
    for arguments in (
        {"name": "a/b"},
        {"folder": spaces.folder},
        {"name": "Zelle ä 1"},
        {"recipe": "movie"},
    ):
        with pytest.raises(TomolineError):
            project.data_sets.add([raw / "new.mrc"], **arguments)
    assert [one.name for one in project.data_sets.entries()] == ["Zelle ä 1"]
    (named,) = project.data_sets.add([other / "Zelle ä 1.mrc"], name="second")
    assert (named.name, named.folder) == ("second", project.folder / "second")


def test_results_go_beside_a_stack_in_its_own_folder_only(tmp_path: Path) -> None:
    with Project.create(tmp_path / "one") as project:
        inside, link = tmp_path / "raw" / "TS", tmp_path / "link.mrc"
        stacks(inside, "TS.mrc", "scan.h5")
        link.symlink_to(inside / "TS.mrc")
        (entry,) = project.data_sets.add([inside / "TS.mrc"])
        assert entry.folder == inside
        assert project.data_sets.add([link]) == [entry]
        (scan,) = project.data_sets.add([inside / "scan.h5"], folder=tmp_path / "there")
        assert scan.folder == tmp_path / "there"
    with Project.create(tmp_path / "two", deliver=tmp_path / "results") as project:
        (entry,) = project.data_sets.add([inside / "TS.mrc"])
        assert entry.folder == tmp_path / "results" / "TS"


def test_results_never_go_among_those_of_another_program(tmp_path: Path) -> None:
    lone, a, b = (
        stacks(tmp_path / "raw" / folder, f"{name}.mrc", f"{name}{made}")[0]
        for folder, name, made in (("one", "one", "_rec.mrc"), ("P", "Pa", ".xf"), ("P", "Pb", ""))
    )
    with Project.create(tmp_path / "plain") as plain:
        entries = plain.data_sets.add([lone])
        assert [one.folder for one in entries] == [tmp_path / "plain" / "one"]
        told = plain.log.events(data_set="one")[-1].message
        assert told.endswith(
            f"results go to {entries[0].folder}, away from those of another program beside it"
        )
    with Project.create(tmp_path / "there", deliver=tmp_path / "raw") as there:
        entries = there.data_sets.add([lone, a, b])
        assert [one.folder for one in entries] == [tmp_path / "there" / one for one in ("one", "P")]
    lone.with_name("one.tomoline.json").write_text("{}")  # they are ours
    with Project.create(tmp_path / "later") as later:
        assert later.data_sets.add([lone])[0].folder == lone.parent


def test_one_that_is_there_gets_the_folder_that_is_asked_for(
    project: Project, tmp_path: Path
) -> None:
    one, two = stacks(tmp_path / "raw", "one.mrc", "two.mrc")
    project.data_sets.add([one, two])
    elsewhere = tmp_path / "elsewhere"
    (entry,) = project.data_sets.add([one], folder=elsewhere)
    assert entry.folder == elsewhere
    assert project.data_sets.entry("one") == entry
    with pytest.raises(Faults, match="is in the table already, as one") as name:
        project.data_sets.add([one], name="other")
    assert [fault.code for fault in name.value.faults] == ["PARAM-06"]
    with pytest.raises(TomolineError, match="is that of one"):
        project.data_sets.add([two], folder=elsewhere)
    queue(project, "two", "running", 1)
    with pytest.raises(Faults, match="a process works on it"):
        project.data_sets.add([two], folder=tmp_path / "third")
    assert project.data_sets.add([two], folder=project.folder / "two")[0].name == "two"


def test_results_never_go_among_the_files_of_a_scan(project: Project) -> None:
    stacks(project.folder / "tomo", "0001.tif")
    (scan,) = project.data_sets.add([project.folder / "tomo"])
    assert scan.folder == project.folder / "tomo" / "tomo"


def test_a_folder_that_somebody_chose_stays(project: Project, tmp_path: Path) -> None:
    a, b = stacks(tmp_path / "raw", "TSa.mrc", "TSb.mrc")
    project.data_sets.add([a], folder=tmp_path / "mine")
    (pair,) = project.data_sets.add([b])
    assert (pair.name, pair.folder) == ("TS", tmp_path / "mine")


def test_paths_that_are_no_text_are_refused(project: Project, tmp_path: Path) -> None:
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mrc"))
    strange.touch()
    (narrow,) = stacks(tmp_path, "no\N{NO-BREAK SPACE}break.mrc")
    with pytest.raises(Faults) as caught:
        project.data_sets.add([strange])
    assert caught.value.code == "PROJ-17"
    assert str(caught.value).encode("utf-8")
    assert project.data_sets.add([narrow])[0].name == narrow.stem


def test_what_can_be_read_to_no_end_is_refused(project: Project, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mrc")
    (tmp_path / "link.mrc").symlink_to("/dev/zero")
    with pytest.raises(Faults) as caught:
        project.data_sets.add([tmp_path / "pipe.mrc", tmp_path / "link.mrc", Path("/dev/null")])
    assert [fault.code for fault in caught.value.faults] == ["FILE-02"] * 3


def test_what_lies_beside_acquisitions_is_none(project: Project, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    beside = ["TS.mrc.mdoc", "TS.rawtlt", "TS_rawbound.mod", "notes"]
    paths = stacks(raw, "TS.mrc", *beside)
    (raw / "TS.rawtlt").write_text("-60\n-57\n")
    (raw / "TS_rawbound.mod").write_bytes(b"IMODV1.2" + bytes(100))
    with pytest.raises(Faults) as several:
        project.data_sets.add(paths)
    assert [fault.code for fault in several.value.faults] == ["SCAN-01"] * 4
    assert [Path(fault.where).name for fault in several.value.faults] == beside
    with pytest.raises(TomolineError, match="it holds stacks") as folder:
        project.data_sets.add([raw])
    assert f"{raw}/*.mrc" in str(folder.value)
    assert project.data_sets.entries() == []
    os.symlink("loop", raw / "loop")
    for name, code in (("loop", "FILE-01"), ("locked", "FILE-10")):
        if name == "locked":
            stacks(raw, name)[0].chmod(0)
            if os.access(raw / name, os.R_OK):
                continue  # root may read everything
        with pytest.raises(Faults) as unreadable:
            project.data_sets.add([raw / name])
        assert [fault.code for fault in unreadable.value.faults] == [code]
    (odd,) = stacks(tmp_path, "parameters of today")
    odd.write_text("PREFIX = scan_\nENERGY = 18\n")
    renamed = tmp_path / "scan.hdf5.2026"
    renamed.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert [one.recipe for one in project.data_sets.add([odd, renamed])] == ["scan", "scan"]


def test_many_of_one_name_are_named_by_their_folders(project: Project, tmp_path: Path) -> None:
    paths = [
        *stacks(tmp_path / "grid 1", "TSa.mrc", "TSb.mrc", "other.mrc"),
        *stacks(tmp_path / "grid 2", "TSa.mrc", "TSb.mrc"),
        *stacks(tmp_path / "grid 3" / "TS", "TS.mrc"),
    ]
    with pytest.raises(TomolineError, match="TS is in the table") as same:
        project.data_sets.add(paths)
    assert "--name '{folder}_{name}'" in str(same.value)
    entries = project.data_sets.add(paths, name="{folder}_{name}")
    wanted = ["grid 1_TS", "grid 1_other", "grid 2_TS", "grid 3_TS"]
    assert [one.name for one in entries] == wanted
    assert [one.dual for one in entries] == [True, False, True, False]
    assert entries[3].folder == project.folder / "grid 3_TS"
    assert project.data_sets.add(paths, name="{folder}_{name}") == entries
    with pytest.raises(TomolineError, match="in the table already, as grid 1_TS"):
        project.data_sets.add(paths, name="{name}")
    with pytest.raises(Faults, match="which cannot all have it"):
        project.data_sets.add(paths, name="{folder}_{name}", folder=tmp_path / "all")
    (moved,) = project.data_sets.add(paths[5:], folder=tmp_path / "results")
    assert (moved.name, moved.folder) == ("grid 3_TS", tmp_path / "results")


def test_names_that_leave_no_room_for_endings_are_refused(project: Project, tmp_path: Path) -> None:
    long, longer = stacks(tmp_path, f"{'ü' * 100}.mrc", f"{'ü' * 100}x.mrc")
    assert project.data_sets.add([long])[0].name == long.stem
    with pytest.raises(Faults, match="201 bytes") as caught:
        project.data_sets.add([longer])
    assert caught.value.code == "PROJ-17"


def test_of_links_the_names_of_the_links_hold(project: Project, tmp_path: Path) -> None:
    one, two = stacks(tmp_path / "store", "0001.mrc", "0002.mrc")
    (tmp_path / "TSa.mrc").symlink_to(one)
    (tmp_path / "TSb.mrc").symlink_to(two)
    (tmp_path / "Zb.mrc").symlink_to(tmp_path / "nothing")
    (pair,) = project.data_sets.add([tmp_path / "TSa.mrc", tmp_path / "TSb.mrc"])
    assert (pair.name, pair.source, pair.source_b) == ("TS", one, two)
    (single,) = project.data_sets.set_dual(["TS"], False)
    assert single.name == "TSa"
    with pytest.raises(Faults) as caught:
        project.data_sets.add([tmp_path / "Zb.mrc"])
    assert caught.value.code == "FILE-01"


def test_an_earlier_run_goes_on_with_its_parameters(project: Project, tmp_path: Path) -> None:
    project.layers.update({"reconstruct.thickness_px": (200, "--set")})
    project.data_sets.add(
        stacks(tmp_path / "raw", "1.mrc"), values={"setup.montage": (True, "--set")}
    )
    done = tmp_path / "done" / "TS"
    done.mkdir(parents=True)
    for root, gold, thickness in (("TSa", 10.0, 200), ("TSb", 15.0, None)):
        steps = [
            {"name": "setup", "parameters": {"gold_diameter_nm": gold, "name": "x"}},
            {"name": "reconstruct", "parameters": {"thickness_px": thickness, "gone": 1}},
            {"name": "trim", "parameters": {}},
        ]
        record = {"root": root, "recipe": "tilt", "source": f"/raw/{root}.mrc", "steps": steps}
        (done / f"{root}.tomoline.json").write_text(json.dumps(record), encoding="utf-8")
    (entry,) = project.data_sets.add([done])
    assert (entry.name, entry.folder, entry.source_b) == ("TS", done, Path("/raw/TSb.mrc"))
    record_a, record_b = (str(done / f"{root}.tomoline.json") for root in ("TSa", "TSb"))
    assert project.data_sets.given(entry) == {
        "setup.gold_diameter_nm": [10.0, record_a],
        "setup.dual_axis": [True, "from the stacks given"],
    }
    assert project.data_sets.given(entry, "b") == {
        "setup.gold_diameter_nm": [15.0, record_b],
        "reconstruct.thickness_px": [None, record_b],
    }
    (done / "Z.tomoline.json").write_text("{}", encoding="utf-8")
    with pytest.raises(Faults, match="it is no record"):
        project.data_sets.add([done / "Z.tomoline.json"])


def test_dual_axis_is_a_matter_of_the_stacks(project: Project, tmp_path: Path) -> None:
    a, b, alone = stacks(tmp_path / "raw", "TSa.mrc", "TSb.mrc", "other.mrc")
    first, second = project.data_sets.add([a, b], pair=False)
    assert [first.name, second.name] == ["TSa", "TSb"]
    project.data_sets.add([alone])
    with pytest.raises(Faults, match="is a data set of its own"):
        project.data_sets.set_dual(["TSa"], True)
    with pytest.raises(Faults, match="not a root name that a or b follows"):
        project.data_sets.set_dual(["other"], True)
    project.data_sets.remove(["TSb"])
    (pair,) = project.data_sets.set_dual(["TSa"], True)
    assert (pair.id, pair.name, pair.source_b) == (first.id, "TS", b)
    project.data_sets.set(["TS"], {"setup.exclude_views": ([2], "x")}, axis="b")
    (single,) = project.data_sets.set_dual(["TS"], False)
    assert (single.name, single.source_b) == ("TSa", None)
    # The user wants them apart now, so the other stack does not join.
    assert project.data_sets.add([b])[0].name == "TSb"
    with pytest.raises(Faults, match="no axis b"):
        project.data_sets.set(["TSa"], {}, axis="b")


def test_the_disk_of_acquisitions_is_not_asked_while_the_store_is_held(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "raw"
    a, _, late, *_ = paths = stacks(raw, "TSa.mrc", "TSb.mrc", "late.mrc", "Qa.mrc", "Qb.mrc")
    project.data_sets.add(paths[3:4])
    asked = []
    for module, name in ((os, "lstat"), (os, "stat"), (os, "scandir"), (os, "listdir")):
        original = getattr(module, name)

        def ask(path: Any = ".", *rest: Any, original: Any = original, **how: Any) -> Any:
            if str(raw) in str(path):
                asked.append(path)
                with sqlite3.connect(project.store.path, timeout=0.0) as other:
                    other.execute("BEGIN IMMEDIATE")  # refused while the store is held
                other.close()
            return original(path, *rest, **how)

        monkeypatch.setattr(module, name, ask)
    project.data_sets.add(paths[:2])
    looked = project.data_sets.look([a, late])
    assert len(asked) >= 4
    asked.clear()
    with project.store.write():
        assert [one.name for one in project.data_sets.add(looked)] == ["TS", "late"]
    assert asked == []
    (pair,) = project.data_sets.set_dual(["Qa"], True)
    assert pair.source_b == paths[4]


def test_all_is_found_as_it_was_left(project: Project, tmp_path: Path) -> None:
    names = [f"{one}.mrc" for one in ("b1", "b2", "a1")]
    entries = project.data_sets.add(stacks(tmp_path / "raw", *names))
    project.data_sets.set_run(["b*"], False)
    project.data_sets.set(["a1"], {"setup.gold_diameter_nm": (10.0, "x")})
    project.data_sets.set(["*"], {}, unset=["setup.dual_axis"])
    project.data_sets.set_source("b2", stacks(tmp_path / "raw", "new.mrc")[0])
    with Project.open(project.folder) as again:
        known = again.data_sets.entries()
        assert [one.name for one in known] == ["b1", "b2", "a1"]
        assert [one.id for one in known] == [one.id for one in entries]
        assert [one.run for one in known] == [False, False, True]
        assert [one.name for one in again.data_sets.entries(flagged=True)] == ["a1"]
        assert [one.name for one in again.data_sets.entries(["[ab]1", "a1"])] == ["b1", "a1"]
        assert again.data_sets.given(known[2])["setup.gold_diameter_nm"] == [10.0, "x"]
        assert "setup.dual_axis" not in again.data_sets.given(known[1])
        assert again.data_sets.by_source(tmp_path / "raw" / "new.mrc") == known[1]
        assert again.data_sets.by_id(known[0].id) == known[0]
        assert again.data_sets.by_id(99) is None
        with pytest.raises(TomolineError, match="fits that pattern"):
            again.data_sets.entries(["z*"])


def test_a_data_set_that_runs_keeps_its_acquisition(project: Project, tmp_path: Path) -> None:
    (path, _) = stacks(tmp_path / "raw", "TSa.mrc", "TSb.mrc")
    project.data_sets.add([path])
    running = batch(project.store, queue(project, "TSa"))
    assert running is not None
    change_state(project.store, running, BatchState.RUNNING, "starts", processor=1, pid=1)
    for change in (
        lambda: project.data_sets.set_source("TSa", path),
        lambda: project.data_sets.set_dual(["TSa"], True),
    ):
        with pytest.raises(Faults) as caught:
            change()
        assert caught.value.code == "PROJ-10"
    project.data_sets.set(["TSa"], {"setup.gold_diameter_nm": (10.0, "x")})  # at its next start


NAMES = [
    f"{root}{letter}{suffix}"
    for root in ("T", "Ta", "", "a")
    for letter in ("a", "b", "", "ab")
    for suffix in (".mrc", ".st", ".MRC", ".tif", ".tiff", ".h5", "")
]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(sorted(set(NAMES) - {""})), unique=True, max_size=15))
def test_pairing_puts_every_file_into_exactly_one_entry(names: list[str]) -> None:
    paths = [Path("/x") / name for name in names]
    pairs = pair_up(paths)
    flat = [path for pair in pairs for path in pair if path is not None]
    assert sorted(flat) == sorted(paths)
    for a, b in pairs:
        if b is not None:
            assert (a.stem[:-1], a.stem[-1] + b.stem[-1]) == (b.stem[:-1], "ab")
    alone = {stack_key(a) for a, b in pairs if b is None}
    lonely = [one for one in alone if one and other_axis(Path(f"{one[0]}/{one[1]}.{one[2]}"))]
    for folder_, stem, kind in lonely:  # nothing that could be paired was left
        assert other_axis(Path(f"{folder_}/{stem}.{kind}")) not in alone
