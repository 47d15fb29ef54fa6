"""The recipes: the ordered steps for one kind of acquisition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.params import StepParams
from tomoline.steps import Step, StepContext
from tomoline.steps.align import ALIGN
from tomoline.steps.aligned_stack import ALIGNED_STACK
from tomoline.steps.axis import AXIS
from tomoline.steps.coarse_align import COARSE_ALIGN
from tomoline.steps.filter_stack import FILTER_STACK
from tomoline.steps.find_fiducials import FIND_FIDUCIALS
from tomoline.steps.flats import FLATS
from tomoline.steps.following import Follower
from tomoline.steps.output import OUTPUT
from tomoline.steps.position import POSITION
from tomoline.steps.prealign import PREALIGN
from tomoline.steps.preprocess import PREPROCESS
from tomoline.steps.reconstruct import RECONSTRUCT
from tomoline.steps.register import REGISTER
from tomoline.steps.retrieve import RETRIEVE
from tomoline.steps.scan import SCAN as SCAN_STEP
from tomoline.steps.setup import SETUP
from tomoline.steps.slices import SLICES
from tomoline.steps.stitch import STITCH
from tomoline.steps.track import TRACK
from tomoline.steps.trim import TRIM


@dataclass(frozen=True)
class Recipe:
    """An ordered list of steps with a name.

    Attributes
    ----------
    name, title : str
        Name, and what kind of acquisition it is for.
    steps : tuple of Step
        In order; the first one finds the acquisition and has a parameter ``name``, the root name.
    suffixes : tuple of str
        Of the files that such an acquisition is given by.
    result : str
        The artifact that it is all for.
    in_place : bool
        Whether a file in a folder of its own name is already delivered, as IMOD's data sets lie.
    follower : callable or None
        ``follower(parameters, context)``: what takes the frames of such an acquisition while it
        is recorded.
    """

    name: str
    title: str
    steps: tuple[Step[Any], ...]
    suffixes: tuple[str, ...] = ()
    result: str = ""
    in_place: bool = False
    follower: Callable[[Mapping[str, StepParams], StepContext], Follower] | None = None

    @property
    def setup(self) -> Step[Any]:
        """The step that finds the acquisition."""
        return self.steps[0]

    def step(self, name_or_number: str, *, last: bool = False) -> Step[Any]:
        """Return the step of that name or batchruntomo number.

        A number between two steps means the next one, or with `last` the one before: as in
        batchruntomo, which runs the steps with start - 0.005 <= number <= end + 0.005.

        Raises
        ------
        TomolineError
            PARAM-05 if there is none.
        """
        for step in self.steps:
            if step.name == name_or_number:
                return step
        try:
            number = float(name_or_number)
        except ValueError:
            number = float("nan")
        if last:
            reached = [step for step in self.steps if step.number <= number + 0.005]
        else:
            reached = [step for step in self.steps if step.number >= number - 0.005]
        if reached:
            return reached[-1 if last else 0]
        names = ", ".join(f"{step.name} ({step.number:g})" for step in self.steps)
        raise errors.parameters.UNKNOWN_STEP.error(
            name_or_number, f"recipe {self.name} has no such step; it has {names}."
        )


TILT = Recipe(
    "tilt",
    "electron tilt series",
    (
        SETUP,
        PREPROCESS,
        COARSE_ALIGN,
        PREALIGN,
        FIND_FIDUCIALS,
        TRACK,
        ALIGN,
        POSITION,
        ALIGNED_STACK,
        FILTER_STACK,
        RECONSTRUCT,
        TRIM,
    ),
    suffixes=(".mrc", ".st", ".tif", ".tiff"),
    result="tomogram",
    in_place=True,
)


def _follow_scan(parameters: Mapping[str, StepParams], context: StepContext) -> Follower:
    from tomoline.steps._follow_scan import ScanFollower

    return ScanFollower(parameters, context)


SCAN = Recipe(
    "scan",
    "X-ray scan",
    (SCAN_STEP, FLATS, REGISTER, RETRIEVE, AXIS, STITCH, SLICES, OUTPUT),
    suffixes=(".par", ".h5", ".hdf5", ".hdf", ".nxs", ".nx", ".txrm", ".xrm"),
    result="volume",
    follower=_follow_scan,
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (TILT, SCAN)}
STEPS: dict[str, Step[Any]] = {
    step.name: step for recipe in RECIPES.values() for step in recipe.steps
}


def recipe_for(path: Path, *, announced: bool = False) -> Recipe:
    """Return the recipe that an acquisition is for, by the suffix of its file.

    A folder, and a suffix that no recipe claims, are those of a scan: its parameter files may be
    called anything. One that is `announced` may still be empty.

    Raises
    ------
    TomolineError
        RUN-05 for a folder that holds neither a data set nor files of a scan.

    >>> recipe_for(Path("TS_01.mrc")).name
    'tilt'
    """
    if path.is_dir():
        suffixes = (*SCAN.suffixes, ".tif", ".tiff", ".txt")
        if not announced and not any(one.suffix.lower() in suffixes for one in path.iterdir()):
            raise errors.running.NO_DATA_SET.error(
                path, "it holds no record of a data set, and no files of a scan."
            )
        return SCAN
    for recipe in RECIPES.values():
        if path.suffix.lower() in recipe.suffixes:
            return recipe
    return SCAN
