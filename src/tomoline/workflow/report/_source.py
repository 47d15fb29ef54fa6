"""What a report is made from: the record, and the artifacts that are there and can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError
from tomoline.files.mrc import open_map, probe
from tomoline.geometry import Floats, compose, invert
from tomoline.recipes import RECIPES, Recipe
from tomoline.steps.acquisition import Acquisition
from tomoline.steps.artifacts import ARTIFACTS
from tomoline.steps.scan_layout import ScanLayout
from tomoline.workflow.report._slices import Slices, central_slices

_WRITER = {"prealigned_stack": "prealign", "aligned_stack": "aligned_stack"}


class Source:
    """The record of a data set and its artifacts; whatever is missing is None.

    Parameters
    ----------
    folder : Path
        Folder of the data set.
    root : str
        Its root name.
    record : mapping
        The record, or what ``tomoline show --json`` prints.
    """

    def __init__(self, folder: Path, root: str, record: Mapping[str, Any]) -> None:
        self.folder = folder
        self.root = root
        self.record = record

    @cached_property
    def steps(self) -> list[Mapping[str, Any]]:
        """The steps that have a record, in order."""
        steps = self.record.get("steps") or []
        return [step for step in steps if isinstance(step, Mapping)]

    def step(self, name: str) -> Mapping[str, Any]:
        """Return the record of a step; empty where there is none."""
        return next((step for step in self.steps if step.get("name") == name), {})

    def value(self, step: str, *names: str) -> Any:
        """Return the first of the named values that a step measured, or None."""
        values = self.step(step).get("values") or {}
        return next((values[name] for name in names if values.get(name) is not None), None)

    def number(self, step: str, *names: str) -> float | None:
        """Return the first of the named values that is a number."""
        value = self.value(step, *names)
        return float(value) if isinstance(value, int | float) else None

    def numbers(self, step: str, *names: str) -> Floats | None:
        """Return the first of the named values as an array, None in it as not-a-number."""
        value = self.value(step, *names)
        if not isinstance(value, list) or not value:
            return None
        try:
            return np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            return None

    @cached_property
    def notices(self) -> list[Mapping[str, Any]]:
        """Warnings of all steps, in order, each with its step's name."""
        own: list[Mapping[str, Any]] = [
            {**warning, "step": step.get("name", "")}
            for step in self.steps
            for warning in step.get("warnings") or []
            if isinstance(warning, Mapping)
        ]
        return own or [w for w in self.record.get("warnings") or [] if isinstance(w, Mapping)]

    @cached_property
    def failures(self) -> list[Mapping[str, Any]]:
        """Errors of the steps that failed, each with its step's name."""
        own: list[Mapping[str, Any]] = [
            {**step["error"], "step": step.get("name", "")}
            for step in self.steps
            if isinstance(step.get("error"), Mapping)
        ]
        return own or [e for e in self.record.get("errors") or [] if isinstance(e, Mapping)]

    def path(self, artifact: str) -> Path | None:
        """Return the path of an artifact that is there."""
        named = self.record.get("artifacts")
        places = []
        if isinstance(named, Mapping) and isinstance(named.get(artifact), str):
            places.append(self.folder / named[artifact])
        if artifact in ARTIFACTS:
            places.append(self.folder / ARTIFACTS[artifact].file_name(self.root))
        return next((place for place in places if place.exists()), None)

    @cached_property
    def recipe(self) -> Recipe | None:
        """The recipe that the data set was made by; None for one that is not known."""
        return RECIPES.get(str(self.record.get("recipe")))

    @property
    def result(self) -> str:
        """The artifact that the recipe is run for."""
        return self.recipe.result if self.recipe else "tomogram"

    def map(self, artifact: str) -> NDArray[np.generic] | None:
        """Open a stack or volume, memory-mapped (section, y, x)."""
        path = self.path(artifact)
        try:
            return None if path is None else open_map(path)
        except TomolineError:
            return None

    @cached_property
    def volume_name(self) -> str:
        """The artifact that is shown as the tomogram: the trimmed one, else the whole one."""
        return "tomogram" if self.path("tomogram") else "full_tomogram"

    @cached_property
    def volume(self) -> NDArray[np.generic] | None:
        """The tomogram (z, y, x); the whole one is turned as trimming would turn it."""
        volume = self.map(self.volume_name)
        if volume is None or self.volume_name == "tomogram":
            return volume
        return volume.transpose(1, 0, 2)[::-1]

    @cached_property
    def slices(self) -> Slices | None:
        """The central slices of the tomogram."""
        volume = self.volume
        return None if volume is None or 0 in volume.shape else central_slices(volume)

    def pixel_nm(self, artifact: str) -> float | None:
        """Return the pixel size in x that the header of a stack or volume tells.

        Where the raw pixel is not known, headers hold a filler, and this is None.
        """
        path = self.path(artifact) if self.pixel_size_nm else None
        try:
            size = None if path is None else probe(path).pixel_size_nm
        except TomolineError:
            return None
        return None if size is None else float(size[0])

    def transforms(self, artifact: str) -> Floats | None:
        """Read transforms (view, 2, 3)."""
        from tomoline.files.transforms import read

        path = self.path(artifact)
        try:
            return None if path is None else read(path)
        except TomolineError:
            return None

    def json(self, artifact: str) -> Mapping[str, Any]:
        """Read an artifact of readable text; empty where it is not there."""
        path = self.path(artifact)
        try:
            content = json.loads(path.read_text(encoding="utf-8")) if path else {}
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, Mapping) else {}

    @cached_property
    def acquisition(self) -> Acquisition | None:
        """What is known of the recording, with the views that take part."""
        for artifact in ("views", "acquisition"):
            path = self.path(artifact)
            if path is not None:
                try:
                    return Acquisition.read(path)
                except (OSError, ValueError):
                    continue
        return None

    @cached_property
    def layout(self) -> ScanLayout | None:
        """What is known of a scan."""
        path = self.path("scan_layout")
        try:
            return None if path is None else ScanLayout.read(path)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @cached_property
    def pixel_size_nm(self) -> float | None:
        """Size of a raw pixel; None where the set-up did not find one worth trusting."""
        return self.acquisition.pixel_size_nm if self.acquisition else None

    def binning(self, artifact: str) -> float:
        """Return how many raw pixels a pixel of a stack is wide."""
        told = self.number(_WRITER.get(artifact, ""), "binning")
        if told is not None and told > 0:
            return told
        size = self.pixel_nm(artifact)
        if size is None or not self.pixel_size_nm:
            return 1.0
        ratio = size / self.pixel_size_nm
        return float(round(ratio)) if abs(ratio - round(ratio)) < 0.02 and ratio > 0.5 else ratio

    @cached_property
    def from_prealigned(self) -> Floats | None:
        """Transforms (view, 2, 3) from the prealigned to the aligned frame, raw pixels."""
        own = self.transforms("fiducial_transforms")
        if own is not None:
            return own
        whole, coarse = self.transforms("transforms"), self.transforms("coarse_transforms")
        if whole is None or coarse is None or whole.shape != coarse.shape:
            return None
        return compose(invert(coarse), whole)
