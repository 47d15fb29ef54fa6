"""Results that are held in memory, or in a scratch file, only as long as a run needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workflow_fakes import Listener, source_file

from tomoline.engine import ThreadsEngine
from tomoline.errors import TomolineError
from tomoline.params import StepParams, parameter
from tomoline.recipes import Recipe
from tomoline.steps import Shape, Step, StepContext
from tomoline.workflow.dataset import DataSet
from tomoline.workflow.plan import plan
from tomoline.workflow.run import load_record, run_recipe

SHAPE = (3, 4, 5)
LARGE = 1 << 20
SMALL = 100


class Params(StepParams):
    """A number."""

    number: float = parameter(1.0, help="A number.")
    fail: bool = parameter(False, help="Whether to fail.")
    chunk_bytes: int = parameter(1, help="Memory of a chunk.")


def _memory(shape: Shape, params: Params) -> int:
    return params.chunk_bytes * shape.width


def _source(params: Params, context: StepContext) -> dict[str, Any]:
    with context.writing("scan_layout") as path:
        path.write_text(str(params.number))
    return {}


def _project(params: Params, context: StepContext) -> dict[str, Any]:
    store = context.create_sinograms("projections", SHAPE)
    rows, angles, columns = SHAPE
    number = float(context.input("scan_layout").read_text())
    for angle in range(angles):
        store.write_angles(angle, np.full((1, rows, columns), number * (angle + 1), np.float32))
    return {}


def _find(params: Params, context: StepContext) -> dict[str, Any]:
    if params.fail:
        raise ZeroDivisionError("made to fail")
    total = context.sinograms("projections").read_angle(2).sum()
    with context.writing("rotation_axis") as path:
        path.write_text(str(total))
    return {"total": float(total)}


def _write(params: Params, context: StepContext) -> dict[str, Any]:
    total = context.sinograms("projections").read_rows(0, 3).sum() * params.number
    with context.writing("volume", suffix=".zarr", folder=True) as folder:
        (folder / "a").write_text(context.input("rotation_axis").read_text() + str(total))
    return {"total": float(total)}


def _step(name: str, number: int, run: Any, reads: tuple[str, ...], writes: str) -> Step[Params]:
    return Step(name, number, name, Params, run, reads, (writes,), _memory)


RECIPE = Recipe(
    "volatile",
    "volatile",
    (
        _step("source", 0, _source, (), "scan_layout"),
        _step("project", 1, _project, ("scan_layout",), "projections"),
        _step("find", 2, _find, ("projections",), "rotation_axis"),
        _step("write", 3, _write, ("projections", "rotation_axis"), "volume"),
    ),
)


@pytest.fixture
def data_set(tmp_path: Path) -> DataSet:
    folder = tmp_path / "set"
    folder.mkdir()
    return DataSet("set", folder, source_file(tmp_path))


def run(
    data_set: DataSet,
    memory: int = LARGE,
    begin: str | None = None,
    end: str | None = None,
    scratch: Path | None = None,
    **values: dict[str, Any],
) -> Listener:
    listener = Listener()
    parameters = {step.name: step.validate(values.get(step.name, {})) for step in RECIPE.steps}
    engine = ThreadsEngine(1, memory)
    run_recipe(RECIPE, parameters, data_set, engine, listener, begin, end, scratch)
    assert engine.memory_bytes == memory
    return listener


@pytest.mark.parametrize("memory", [LARGE, SMALL])
def test_they_are_made_again_only_when_a_later_step_runs(data_set: DataSet, memory: int) -> None:
    assert run(data_set, memory).ran == ["source", "project", "find", "write"]
    assert (data_set.folder / "set_volume.zarr" / "a").read_text() == "45.0150.0"
    assert not data_set.path("projections").exists()
    assert run(data_set, memory).ran == []
    assert run(data_set, memory, write={"number": 2.0}).ran == ["project", "write"]
    assert (data_set.folder / "set_volume.zarr" / "a").read_text() == "45.0300.0"


def test_a_changed_source_makes_everything_again(data_set: DataSet) -> None:
    run(data_set)
    assert run(data_set, source={"number": 3.0}).ran == ["source", "project", "find", "write"]
    assert (data_set.folder / "set_volume.zarr" / "a").read_text() == "135.0450.0"


@pytest.mark.parametrize(("memory", "again"), [(LARGE, ["project"]), (SMALL, [])])
def test_a_failure_after_them_keeps_the_scratch_file(
    data_set: DataSet, memory: int, again: list[str]
) -> None:
    with pytest.raises(TomolineError):
        run(data_set, memory, find={"fail": True})
    assert data_set.path("projections").exists() == (memory == SMALL)
    assert run(data_set, memory).ran == [*again, "find", "write"]
    assert not data_set.path("projections").exists()


def test_starting_after_them_makes_them_first(data_set: DataSet) -> None:
    run(data_set)
    parameters = {step.name: step.validate({}) for step in RECIPE.steps}
    record = load_record(data_set, RECIPE)
    decisions = plan(RECIPE, parameters, data_set, record, "write", None)
    assert [one.action for one in decisions] == ["leave", "run", "leave", "run"]
    assert run(data_set, begin="write").ran == ["project", "write"]


@pytest.mark.parametrize("name", ["project", "write"])
def test_what_is_held_leaves_room_for_the_steps_beside_it(data_set: DataSet, name: str) -> None:
    rows, angles, columns = SHAPE
    memory = 10 * 4 * rows * angles * columns
    for chunk_bytes, in_file in ((9 * 4 * rows * angles, False), (9 * 4 * rows * angles + 1, True)):
        values: dict[str, Any] = {name: {"chunk_bytes": chunk_bytes}}
        assert run(data_set, memory, "project" if in_file else None, "find", **values).ran
        assert data_set.path("projections").exists() == in_file


def test_the_scratch_file_lies_where_it_is_told(data_set: DataSet, tmp_path: Path) -> None:
    scratch = tmp_path / "fast disk"
    scratch.mkdir()
    run(data_set, SMALL, end="project", scratch=scratch)
    assert [path.name for path in scratch.iterdir()] == [".set_projections.scratch"]
    assert run(data_set, SMALL, scratch=scratch).ran == ["find", "write"]
    assert list(scratch.iterdir()) == []
