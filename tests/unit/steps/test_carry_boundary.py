"""The boundary model of axis a on axis b: carried over where sure, never over a user's own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline.engine import ThreadsEngine
from tomoline.errors import Notice, TomolineError
from tomoline.files import imod_model
from tomoline.files.imod_model import Contour, Model, ModelObject
from tomoline.recipes import RECIPES
from tomoline.simulate.tilt import simulate_dual
from tomoline.simulate.truth import Truth
from tomoline.steps import Step
from tomoline.steps.acquisition import Acquisition
from tomoline.workflow.dataset import DataSet
from tomoline.workflow.execution import run_and_report
from tomoline.workflow.plan import plan
from tomoline.workflow.record import Record, StepRecord
from tomoline.workflow.run import load_record

WIDTH, HEIGHT, VIEWS = 320, 256, 5
TILT = RECIPES["tilt"]
GRID = np.array([[-90.0, -70], [95, -80], [80, 75], [-60, 85], [-100, 10]])


class Quiet:
    """Listens to a run and keeps the names of the steps that ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def step_starts(self, step: Step[Any], reason: str) -> None:
        self.ran.append(step.name)

    def step_kept(self, step: Step[Any], reason: str) -> None:
        pass

    def step_ended(self, record: StepRecord) -> None:
        pass

    def warned(self, step: Step[Any], notice: Notice) -> None:
        pass


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return simulate_dual(
        tmp_path_factory.mktemp("sources"),
        "ts",
        seed=8,
        width=WIDTH,
        height=HEIGHT,
        views=VIEWS,
        max_tilt_deg=24.0,
        beads=30,
        thickness_nm=60.0,
    )


@pytest.fixture
def axes(stacks: tuple[Path, Path], tmp_path: Path) -> tuple[DataSet, DataSet]:
    """Both axes with their stacks in a folder of sources, a boundary drawn on the middle of a."""
    sources = tmp_path / "in"
    shutil.copytree(stacks[0].parent, sources)
    folder = tmp_path / "out" / "ts"
    folder.mkdir(parents=True)
    a, b = (DataSet(f"ts{axis}", folder, sources / f"ts{axis}.mrc") for axis in "ab")
    draw(sources / "tsa_rawbound.mod", truth(a), VIEWS // 2)
    return a, b


def truth(data_set: DataSet) -> Truth:
    return Truth.read(data_set.source.with_name(f"{data_set.root}_truth.json"))


def draw(path: Path, seen: Truth, view: int) -> None:
    """Write a model with the contour `GRID`, in the specimen's middle plane, as seen in a view."""
    flat = np.column_stack([GRID, np.zeros(len(GRID))])
    points = seen.bead_positions(flat)[view] + [(WIDTH - 1) / 2, (HEIGHT - 1) / 2]
    contour = Contour(np.column_stack([points, np.full(len(points), float(view))]))
    part = ModelObject((contour,), name="cell", flags=0)
    imod_model.write(path, Model((part,), (WIDTH, HEIGHT, VIEWS), 1.0))


def set_up(data_set: DataSet, **values: Any) -> tuple[Record, list[str]]:
    quiet = Quiet()
    parameters: Mapping[str, Any] = {
        step.name: step.validate(values if step.name == "setup" else {}) for step in TILT.steps
    }
    record, _ = run_and_report(
        TILT,
        parameters,
        data_set,
        ThreadsEngine(1, 1 << 30),
        quiet,
        tell=lambda notice: None,
        last="setup",
    )
    return record, quiet.ran


def values(record: Record) -> Mapping[str, Any]:
    found = record.step("setup")
    assert found is not None
    return found.values


def codes(record: Record) -> list[str]:
    found = record.step("setup")
    assert found is not None
    return [one.code for one in found.warnings]


def contour_of(data_set: DataSet) -> NDArray[np.float64]:
    return imod_model.read(data_set.path("boundary")).contours[0].points


@pytest.mark.parametrize("view", [VIEWS // 2, VIEWS // 2 + 1])
def test_contours_lie_where_the_specimen_is(axes: tuple[DataSet, DataSet], view: int) -> None:
    a, b = axes
    draw(a.source.with_name("tsa_rawbound.mod"), truth(a), view)
    set_up(a)
    record, _ = set_up(b, boundary_from="tsa")
    seen = truth(b)
    angle = np.radians(seen.turned_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = np.column_stack([GRID @ turn.T + seen.moved_px, np.zeros(len(GRID))])
    expected = seen.bead_positions(moved)[VIEWS // 2] + [(WIDTH - 1) / 2, (HEIGHT - 1) / 2]
    found = contour_of(b)
    # On a tilted view, the gold of one surface lies beside the middle plane that is asked for.
    aside = 30.0 * abs(np.sin(np.radians(truth(a).nominal_tilt_deg[view])))
    assert np.linalg.norm(found[:, :2] - expected, axis=1).max() < 0.02 * WIDTH + aside
    assert set(found[:, 2]) == {VIEWS // 2}
    told = values(record)
    assert told["boundary_turn_deg"] == pytest.approx(seen.turned_deg, abs=1.0)
    assert told["boundary"] == "carried over from tsa_rawbound.mod"
    assert told["boundary_contours"] == 1
    assert told["boundary_confidence"] > 0.55
    part = imod_model.read(b.path("boundary")).objects[0]
    assert (part.name, part.is_closed) == ("cell", True)


def test_it_is_carried_over_once_and_again_when_it_changes(axes: tuple[DataSet, DataSet]) -> None:
    a, b = axes
    set_up(a)
    assert set_up(b, boundary_from="tsa")[1] == ["setup"]
    assert set_up(b, boundary_from="tsa")[1] == []
    before = contour_of(b)
    draw(a.source.with_name("tsa_rawbound.mod"), truth(a), VIEWS // 2 + 1)
    set_up(a)
    assert set_up(b, boundary_from="tsa")[1] == ["setup"]
    assert not np.array_equal(contour_of(b), before)


def test_a_stack_in_place_settles_as_well(axes: tuple[DataSet, DataSet]) -> None:
    """Results beside the stack are not taken for what the user gave with it."""
    folder = axes[0].folder
    for path in axes[0].source.parent.iterdir():
        shutil.copy(path, folder)
    a, b = (DataSet(f"ts{axis}", folder, folder / f"ts{axis}.mrc") for axis in "ab")
    set_up(a)
    set_up(b, boundary_from="tsa")
    assert set_up(b, boundary_from="tsa")[1] == []
    assert set_up(a)[1] == []


def test_a_users_model_is_left_as_it_is(axes: tuple[DataSet, DataSet]) -> None:
    a, b = axes
    set_up(a)
    own = b.source.with_name("tsb_rawbound.mod")
    draw(own, truth(b), 1)
    record, _ = set_up(b, boundary_from="tsa")
    assert b.path("boundary").read_bytes() == own.read_bytes()
    assert values(record)["boundary"] == "the user's own"


def test_a_carried_model_that_was_changed_by_hand_is_kept(axes: tuple[DataSet, DataSet]) -> None:
    a, b = axes
    set_up(a)
    set_up(b, boundary_from="tsa")
    draw(b.path("boundary"), truth(b), 1)
    changed = b.path("boundary").read_bytes()
    for name in ("tsa", None, "tsa"):
        # Another parameter, so that the set-up runs again each time.
        set_up(b, boundary_from=name, voltage_kv=100.0 + len(str(name)))
        assert b.path("boundary").read_bytes() == changed


def test_what_was_carried_over_goes_when_it_is_not_wanted(axes: tuple[DataSet, DataSet]) -> None:
    a, b = axes
    set_up(a)
    set_up(b, boundary_from="tsa")
    set_up(b)
    assert not b.path("boundary").exists()
    assert not list(b.folder.glob(".*.json"))


def test_a_reset_leaves_no_boundary_that_passes_for_the_users(
    axes: tuple[DataSet, DataSet],
) -> None:
    """Whoever deletes results and record leaves boundary models; they are carried over anew."""
    a, b = axes
    set_up(a)
    set_up(b, boundary_from="tsa")
    before = contour_of(b)
    b.record_path.unlink()
    b.path("acquisition").unlink()
    draw(a.source.with_name("tsa_rawbound.mod"), truth(a), VIEWS // 2 + 1)
    set_up(a)
    set_up(b, boundary_from="tsa")
    assert not np.array_equal(contour_of(b), before)
    b.record_path.unlink()
    set_up(b)
    assert not b.path("boundary").exists()


def test_nothing_is_said_where_axis_a_has_no_boundary(axes: tuple[DataSet, DataSet]) -> None:
    a, b = axes
    a.source.with_name("tsa_rawbound.mod").unlink()
    set_up(a)
    record, _ = set_up(b, boundary_from="tsa")
    assert codes(record) == []
    assert "boundary" not in values(record)


def test_doubt_leaves_axis_b_without_a_boundary(
    axes: tuple[DataSet, DataSet], tmp_path: Path
) -> None:
    a, b = axes
    set_up(a)
    set_up(b, boundary_from="tsa")
    # Another specimen altogether.
    _, other = simulate_dual(
        tmp_path / "other", "ts", seed=77, width=WIDTH, height=HEIGHT, views=VIEWS
    )
    for path in other.parent.glob("tsb*"):
        shutil.copy(path, b.source.parent)
    record, _ = set_up(b, boundary_from="tsa")
    assert codes(record) == ["SETUP-12"]
    assert not b.path("boundary").exists()
    assert values(record)["boundary"] == "none; it could not be carried over"
    assert set_up(b, boundary_from="tsa")[1] == []


def test_a_contour_on_a_steep_view_is_not_carried_over(axes: tuple[DataSet, DataSet]) -> None:
    a, b = axes
    set_up(a)
    known = Acquisition.read(a.path("acquisition"))
    steep = [view.model_copy(update={"tilt_deg": view.tilt_deg + 45}) for view in known.views]
    known.model_copy(update={"views": tuple(steep)}).write(a.path("acquisition"))
    record, _ = set_up(b, boundary_from="tsa")
    assert codes(record) == ["SETUP-12"]


def test_an_axis_has_no_boundary_from_itself(axes: tuple[DataSet, DataSet]) -> None:
    with pytest.raises(TomolineError, match="PARAM-02"):
        set_up(axes[1], boundary_from="tsb")


def test_both_axes_say_that_they_are_not_combined(axes: tuple[DataSet, DataSet]) -> None:
    for data_set, other in zip(axes, ("tsb", "tsa"), strict=True):
        record, _ = set_up(data_set, dual_axis=True)
        assert codes(record) == ["SETUP-08"]
        told = next(step for step in record.steps if step.name == "setup").warnings[0]
        assert f"not combined with that of {other}" in told.found
        assert "IMOD" in told.remedy


def test_seeds_are_looked_for_again_when_the_boundary_changes(
    axes: tuple[DataSet, DataSet],
) -> None:
    a, _ = axes
    record, _ = set_up(a)
    given = {step.name: step.validate({}) for step in TILT.steps}
    finder = next(step for step in TILT.steps if step.name == "find_fiducials")

    def inputs() -> Mapping[str, str]:
        decisions = plan(TILT, given, a, load_record(a, TILT))
        return next(one.inputs for one in decisions if one.step is finder)

    before = inputs()["boundary"]
    draw(a.path("boundary"), truth(a), 1)
    assert inputs()["boundary"] != before
    assert record.step("find_fiducials") is None
