"""Running a recipe: what runs again, what is kept, what a failure leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from workflow_fakes import RECIPE, Listener, calls, parameters, source_file

import tomoline.workflow.plan as plan_module
import tomoline.workflow.run as run_module
from tomoline.engine import ThreadsEngine
from tomoline.errors import TomolineError
from tomoline.steps import Step
from tomoline.workflow.dataset import DataSet, find
from tomoline.workflow.plan import Decision, plan
from tomoline.workflow.record import Record
from tomoline.workflow.run import load_record, run_recipe
from tomoline.workflow.show import Shown, show


@pytest.fixture
def data_set(tmp_path: Path) -> DataSet:
    folder = tmp_path / "set"
    folder.mkdir()
    return DataSet("set", folder, source_file(tmp_path))


def run(data_set: DataSet, begin: str | None = None, end: str | None = None, **values) -> Listener:
    listener = Listener()
    calls.clear()
    engine = ThreadsEngine(1, 1 << 20)
    run_recipe(RECIPE, parameters(**values), data_set, engine, listener, begin, end)
    return listener


def test_all_steps_run_once_and_then_none(data_set: DataSet) -> None:
    assert run(data_set).ran == ["first", "second", "third"]
    assert (data_set.folder / "set.tlt").read_text() == "HELLOextra"
    again = run(data_set)
    assert again.ran == []
    assert again.kept == ["first", "second", "third"]
    assert calls == []


def test_what_is_finished_is_looked_at_once(
    data_set: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(data_set)
    looked_at = []
    look = run_module.decide

    def decide(step: Step[Any], *rest: Any, **others: Any) -> Decision:
        looked_at.append(step.name)
        return look(step, *rest, **others)

    monkeypatch.setattr(run_module, "decide", decide)
    monkeypatch.setattr(plan_module, "decide", decide)
    run(data_set)
    assert looked_at == ["first", "second", "third"]


def test_a_changed_parameter_runs_its_step_and_what_depends_on_it(data_set: DataSet) -> None:
    run(data_set)
    assert run(data_set, second={"word": "other"}).ran == ["second"]  # same output: third is kept
    assert run(data_set, first={"word": "bye"}, second={"word": "other"}).ran == [
        "first",
        "second",
        "third",
    ]


def test_a_missing_output_is_made_again(data_set: DataSet) -> None:
    run(data_set)
    data_set.path("views").unlink()
    assert run(data_set).ran == ["second"]


def test_a_file_that_another_program_changed_is_used_as_it_is(data_set: DataSet) -> None:
    run(data_set)
    data_set.path("views").write_text("EDITED")
    assert run(data_set).ran == ["third"]
    assert data_set.path("tilt_angles").read_text() == "EDITEDextra"


def test_outputs_that_are_no_longer_written_go_away(data_set: DataSet) -> None:
    run(data_set)
    assert run(data_set, second={"also_second": False}).ran == ["second", "third"]
    assert not data_set.path("coarse_shifts").exists()
    assert data_set.path("tilt_angles").read_text() == "HELLO"


def test_a_step_that_is_switched_off_takes_its_outputs_with_it(data_set: DataSet) -> None:
    run(data_set)
    with pytest.raises(TomolineError, match="RUN-02"):
        run(data_set, second={"on": False})
    assert not data_set.path("views").exists()


def test_from_and_until_take_names_and_numbers(data_set: DataSet) -> None:
    assert run(data_set, end="second").ran == ["first", "second"]
    assert run(data_set, end="4.5").ran == []
    assert run(data_set, begin="2").ran == ["third"]
    assert run(data_set, begin="second").ran == ["second", "third"]
    with pytest.raises(TomolineError, match="PARAM-05"):
        run(data_set, begin="fourth")
    with pytest.raises(TomolineError, match="PARAM-06"):
        run(data_set, begin="third", end="first")


def test_a_failure_is_recorded_and_only_the_rest_runs_afterwards(data_set: DataSet) -> None:
    with pytest.raises(TomolineError, match="SETUP-02"):
        run(data_set, second={"fail": "coded"})
    record = Record.read(data_set.record_path)
    assert [step.state for step in record.steps] == ["finished", "failed"]
    assert record.steps[1].error is not None
    assert record.steps[1].error.code == "SETUP-02"
    assert run(data_set).ran == ["second", "third"]


def test_a_bug_becomes_a_coded_error_and_its_traceback_goes_to_the_log(data_set: DataSet) -> None:
    with pytest.raises(TomolineError, match="RUN-99") as caught:
        run(data_set, second={"fail": "bug"})
    assert "Traceback" not in str(caught.value)
    assert "Traceback" in data_set.log_path.read_text()


def test_a_step_that_was_interrupted_runs_again(data_set: DataSet) -> None:
    run(data_set)
    record = Record.read(data_set.record_path)
    record.steps[1].state = "running"
    record.write(data_set.record_path)
    assert run(data_set).ran == ["second"]


def test_the_source_may_go_away_after_it_was_delivered(data_set: DataSet) -> None:
    run(data_set)
    data_set.source.unlink()
    assert run(data_set).ran == []


def test_a_replaced_source_starts_all_over(data_set: DataSet) -> None:
    run(data_set)
    data_set.source.write_text("other")
    assert run(data_set).ran[0] == "first"


def test_the_plan_says_what_would_run_and_does_nothing(data_set: DataSet) -> None:
    run(data_set)
    record = load_record(data_set, RECIPE)
    calls.clear()
    changed = parameters(first={"word": "bye"})
    decisions = plan(RECIPE, changed, data_set, record)
    assert [one.action for one in decisions] == ["run", "run", "run"]
    assert decisions[0].reason == "its parameters have changed"
    assert [one.action for one in plan(RECIPE, changed, data_set, record, first="third")] == [
        "leave",
        "leave",
        "run",
    ]
    assert calls == []


def test_two_runs_cannot_share_a_data_set(data_set: DataSet) -> None:
    with data_set.locked(), pytest.raises(TomolineError, match="RUN-06"):
        run(data_set)


def test_leftovers_of_a_killed_run_are_removed(data_set: DataSet) -> None:
    leftover = data_set.folder / ".set_views.json.1-0a0b0c0d.part"
    leftover.write_text("half")
    run(data_set)
    assert not leftover.exists()


def test_results_that_may_not_have_reached_the_disk_are_made_again(data_set: DataSet) -> None:
    run(data_set)
    record = Record.read(data_set.record_path)
    assert [step.unsynced_boot for step in record.steps] == ["", "", ""]
    record.steps[1].unsynced_boot = "another boot of the machine"
    record.write(data_set.record_path)
    assert run(data_set).ran == ["second"]


def test_warnings_and_values_are_shown(data_set: DataSet) -> None:
    assert run(data_set).warnings == ["PREP-03"]
    found = find(data_set.folder)
    document = show(found, Record.read(found.record_path), ["first", "second", "third"])
    assert document.state == "finished"
    assert document.warnings[0].code == "PREP-03"
    assert document.steps[0].values == {"letters": 5}
    assert Path(document.artifacts["views"]).read_text() == "HELLO"
    parsed = json.loads(document.model_dump_json(by_alias=True))
    assert parsed["schema"] == 1
    assert Shown.model_validate(parsed) == document


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 99}', '{"schema": 1}', "\x00"])
def test_a_record_that_cannot_be_read_is_a_coded_error(data_set: DataSet, content: str) -> None:
    data_set.record_path.write_text(content)
    with pytest.raises(TomolineError, match="RUN-04"):
        run(data_set)


def test_a_folder_without_a_record_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(TomolineError, match="RUN-05"):
        find(tmp_path)


def test_a_record_may_name_files_that_this_version_does_not_know(data_set: DataSet) -> None:
    run(data_set)
    record = json.loads(data_set.record_path.read_text())
    second = next(one for one in record["steps"] if one["name"] == "second")
    second["outputs"]["of_another_version"] = {"file": "set.old", "digest": "", "identity": ""}
    data_set.record_path.write_text(json.dumps(record))
    assert run(data_set).ran == ["second"]  # its file is missing
    record = json.loads(data_set.record_path.read_text())
    second = next(one for one in record["steps"] if one["name"] == "second")
    assert "of_another_version" not in second["outputs"]
