"""Following an acquisition that is still being recorded.

What a recipe can do with the frames that are there is done as they come; its steps find it with
`StepContext.recall` when the recipe itself runs, after the last frame.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any

from tomoline import errors
from tomoline.files.atomic import translate_os_error
from tomoline.params import StepParams
from tomoline.recipes import Recipe
from tomoline.steps import Engine
from tomoline.steps.following import Follower
from tomoline.workflow.dataset import DataSet, RunContext
from tomoline.workflow.held import Held

# How often a folder is looked at while nothing can be done.
POLL_S = 0.5


def follow(
    follower: Follower,
    patience_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Mapping[str, Any]:
    """Work on an acquisition until all of it is there, and return what was prepared.

    Parameters
    ----------
    follower : Follower
        Of the recipe.
    patience_s : float
        How long to wait while nothing new comes.
    clock, sleep : callable
        Time, for tests.

    Raises
    ------
    TomolineError
        RUN-09 if nothing more has come for that long and something is missing.
    """
    files, since = -1, clock()
    while True:
        arrived = follower.look()
        if arrived.files != files:
            files, since = arrived.files, clock()
        worked = follower.work()
        if arrived.complete:
            return follower.prepared()
        if worked:
            continue
        if clock() - since >= patience_s:
            if arrived.whole:
                return follower.prepared()
            raise errors.running.INCOMPLETE.error(
                "", f"nothing new for {patience_s:g} s: {arrived.missing.rstrip('.')}."
            )
        sleep(POLL_S)


def follow_recipe(
    recipe: Recipe,
    parameters: Mapping[str, StepParams],
    data_set: DataSet,
    engine: Engine,
    patience_s: float,
) -> Mapping[str, Any]:
    """Follow the acquisition of a data set, and return what the recipe's steps may recall.

    Raises
    ------
    TomolineError
        PARAM-06 for a recipe whose acquisitions cannot be followed; RUN-06 if another process
        works on the data set; RUN-09 as `follow`; and whatever the frames' readers find.
    """
    if recipe.follower is None:
        raise errors.parameters.BAD_OPTION.error(
            "--follow", f"acquisitions of the recipe {recipe.name} cannot be followed."
        )
    # What is made early lies apart: the record knows nothing of it.
    folder = data_set.folder / f".{data_set.root}.following"
    with data_set.locked():
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir()
        except OSError as error:
            raise translate_os_error(error, data_set.folder) from error
        try:
            apart = DataSet(data_set.root, folder, data_set.source)
            context = RunContext(apart, engine, Held())
            return follow(recipe.follower(parameters, context), patience_s)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
