"""The recipes: the ordered steps for one kind of acquisition.

The tables name the steps; a step's file is loaded when it is asked for, so that telling the recipe
of a file, or looking up one parameter, does not load what computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline import errors

if TYPE_CHECKING:
    from tomoline.params import StepParams
    from tomoline.steps import Step, StepContext
    from tomoline.steps.following import Follower


@dataclass(frozen=True)
class Recipe:
    """An ordered list of steps with a name.

    Attributes
    ----------
    name, title : str
        Name, and what kind of acquisition it is for.
    members : tuple of str or Step
        The steps in order, by name where their files need not be loaded yet; the first one finds
        the acquisition and has a parameter ``name``, the root name.
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
    members: tuple[str | Step[Any], ...]
    suffixes: tuple[str, ...] = ()
    result: str = ""
    in_place: bool = False
    follower: Callable[[Mapping[str, StepParams], StepContext], Follower] | None = None

    @cached_property
    def steps(self) -> tuple[Step[Any], ...]:
        """The steps in order; asking for them loads all their files."""
        return tuple(_loaded(member) for member in self.members)

    @property
    def step_names(self) -> tuple[str, ...]:
        """Names of the steps in order; loads nothing."""
        return tuple(one if isinstance(one, str) else one.name for one in self.members)

    @property
    def setup(self) -> Step[Any]:
        """The step that finds the acquisition."""
        return _loaded(self.members[0])

    def step(self, name_or_number: str, *, last: bool = False) -> Step[Any]:
        """Return the step of that name or batchruntomo number.

        A number between two steps means the next one, or with `last` the one before: as in
        batchruntomo, which runs the steps with start - 0.005 <= number <= end + 0.005.

        Raises
        ------
        TomolineError
            PARAM-05 if there is none.
        """
        if name_or_number in self.step_names:
            return _loaded(self.members[self.step_names.index(name_or_number)])
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


def _loaded(member: str | Step[Any]) -> Step[Any]:
    """Return a step; that of name N is called N, in capitals, in its file ``steps/N.py``."""
    if not isinstance(member, str):
        return member
    step: Step[Any] = getattr(import_module(f"tomoline.steps.{member}"), member.upper())
    return step


class _Steps(Mapping[str, "Step[Any]"]):
    """The steps of all recipes by name, each loaded when it is asked for."""

    def __init__(self, recipes: Mapping[str, Recipe]) -> None:
        self._members = {
            name: member
            for recipe in recipes.values()
            for name, member in zip(recipe.step_names, recipe.members, strict=True)
        }

    def __getitem__(self, name: str) -> Step[Any]:
        return _loaded(self._members[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)


TILT = Recipe(
    "tilt",
    "electron tilt series",
    (
        "setup",
        "preprocess",
        "coarse_align",
        "prealign",
        "find_fiducials",
        "track",
        "align",
        "position",
        "aligned_stack",
        "filter_stack",
        "reconstruct",
        "trim",
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
    ("scan", "flats", "register", "retrieve", "axis", "stitch", "slices", "output"),
    suffixes=(".par", ".h5", ".hdf5", ".hdf", ".nxs", ".nx", ".txrm", ".xrm"),
    result="volume",
    follower=_follow_scan,
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (TILT, SCAN)}
STEPS: Mapping[str, Step[Any]] = _Steps(RECIPES)


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
