"""The record of a data set: what was run, with what, and what came out.

One file, ``ROOT.tomoline.json``, written whole after every change. Deleting it and the results is a
full reset.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tomoline import __version__, errors
from tomoline.files.atomic import write_text

SCHEMA = 1
State = Literal["waiting", "running", "finished", "failed", "off"]


class OutputRecord(BaseModel):
    """An artifact that a step wrote."""

    model_config = ConfigDict(extra="forbid")

    file: str
    digest: str
    """Digest of the contents when it was written."""
    identity: str
    """What the fingerprints of the steps that read it are made of."""


class WarningRecord(BaseModel):
    """A warning that a step gave."""

    model_config = ConfigDict(extra="forbid")

    code: str
    where: str
    found: str
    remedy: str


class StepRecord(BaseModel):
    """What happened to one step."""

    model_config = ConfigDict(extra="forbid")

    name: str
    number: float
    title: str = ""
    state: State = "waiting"
    fingerprint: str = ""
    code_version: int = 0
    parameters: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, str] = Field(default_factory=dict)
    outputs: dict[str, OutputRecord] = Field(default_factory=dict)
    unsynced_boot: str = ""
    """Boot of the machine during which the outputs were written, until they are on the disk."""
    started: str = ""
    seconds: float = 0.0
    core_seconds: float = 0.0
    """Processor time of all threads together."""
    peak_memory_bytes: int = 0
    values: dict[str, Any] = Field(default_factory=dict)
    warnings: list[WarningRecord] = Field(default_factory=list)
    error: WarningRecord | None = None


class Record(BaseModel):
    """The whole record of a data set."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    schema_version: int = Field(SCHEMA, alias="schema")
    tomoline: str = __version__
    root: str
    recipe: str
    source: str = ""
    """The stack that was given, as an absolute path."""
    steps: list[StepRecord] = Field(default_factory=list)

    def step(self, name: str) -> StepRecord | None:
        """Return the record of the step `name`, if it is there."""
        return next((step for step in self.steps if step.name == name), None)

    def replace(self, step: StepRecord) -> None:
        """Put the record of a step in the place of its earlier one, steps in order of number."""
        self.steps = sorted(
            [other for other in self.steps if other.name != step.name] + [step],
            key=lambda one: one.number,
        )

    def artifacts(self) -> dict[str, str]:
        """Return the file name of each artifact that finished steps wrote."""
        return {
            name: output.file
            for step in self.steps
            if step.state == "finished"
            for name, output in step.outputs.items()
        }

    def write(self, path: Path) -> None:
        """Write the record whole, or leave the earlier one as it was."""
        write_text(path, self.model_dump_json(by_alias=True, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read a record.

        Raises
        ------
        TomolineError
            RUN-04 if it cannot be read or is of another schema.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(content, dict) or content.get("schema") != SCHEMA:
                found = content.get("schema") if isinstance(content, dict) else None
                raise errors.running.BAD_RECORD.error(
                    path, f"its schema is {found!r}, this version reads {SCHEMA}."
                )
            return cls.model_validate(content)
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise errors.running.BAD_RECORD.error(path, f"{error}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise errors.running.BAD_RECORD.error(path, f"{place}: {first['msg']}.") from error


def jsonable(value: Any) -> Any:
    """Turn a step's values into what JSON holds: numpy to plain, not-a-number to null.

    >>> jsonable({"shift_px": np.array([1.5, np.nan])})
    {'shift_px': [1.5, None]}
    """
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, np.generic):
        return jsonable(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value
