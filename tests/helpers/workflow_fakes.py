"""A recipe of three tiny steps, so that the workflow can be tested without images."""

from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.params import StepParams, parameter
from tomoline.recipes import Recipe
from tomoline.steps import Shape, Step, StepContext


class WordParams(StepParams):
    """Write a word."""

    word: str = parameter("hello", help="What to write.")
    on: bool = parameter(True, help="Whether to run.")
    fail: str = parameter("", help="Kind of failure to make.")
    also_second: bool = parameter(True, help="Whether to write the second artifact too.")


calls: list[str] = []


def _memory(shape: Shape, params: WordParams) -> int:
    return 1


def _first(params: WordParams, context: StepContext) -> dict[str, Any]:
    calls.append("first")
    with context.writing("acquisition") as path:
        path.write_text(params.word)
    return {"letters": len(params.word)}


def _second(params: WordParams, context: StepContext) -> dict[str, Any]:
    calls.append("second")
    if params.fail == "coded":
        raise errors.tilt.NO_ANGLES.error("somewhere", "made to fail.")
    if params.fail == "bug":
        raise ZeroDivisionError("made to fail")
    text = context.input("acquisition").read_text()
    with context.writing("views") as path:
        path.write_text(text.upper())
    if params.also_second:
        with context.writing("coarse_shifts") as path:
            path.write_text("extra")
    context.warn(errors.tilt.DARK_VIEW.notice("view 3", "it is dark."))
    return {}


def _third(params: WordParams, context: StepContext) -> dict[str, Any]:
    calls.append("third")
    extra = context.input("coarse_shifts").read_text() if context.has("coarse_shifts") else ""
    with context.writing("tilt_angles") as path:
        path.write_text(context.input("views").read_text() + extra)
    return {}


FIRST = Step(
    name="first",
    number=0,
    title="first",
    params=WordParams,
    run=_first,
    reads=(),
    writes=("acquisition",),
    memory_bytes=_memory,
    external=lambda source, params: [source],
)
SECOND = Step(
    name="second",
    number=1,
    title="second",
    params=WordParams,
    run=_second,
    reads=("acquisition",),
    writes=("views", "coarse_shifts"),
    memory_bytes=_memory,
    active=lambda params: params.on,
)
THIRD = Step(
    name="third",
    number=5,
    title="third",
    params=WordParams,
    run=_third,
    reads=("views",),
    optional=("coarse_shifts",),
    writes=("tilt_angles",),
    memory_bytes=_memory,
)
RECIPE = Recipe("words", "words", (FIRST, SECOND, THIRD))


class Listener:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.ran: list[str] = []
        self.warnings: list[str] = []

    def step_starts(self, step: Step[Any], reason: str) -> None:
        self.ran.append(step.name)

    def step_kept(self, step: Step[Any], reason: str) -> None:
        self.kept.append(step.name)

    def step_ended(self, record: Any) -> None:
        pass

    def warned(self, step: Step[Any], notice: Any) -> None:
        self.warnings.append(notice.code)


def parameters(**values: dict[str, Any]) -> dict[str, StepParams]:
    return {step.name: step.validate(values.get(step.name, {})) for step in RECIPE.steps}


def source_file(folder: Path) -> Path:
    path = folder / "source.mrc"
    path.write_text("raw")
    return path
