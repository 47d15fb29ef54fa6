"""One file per step: its frozen parameters, what it reads and writes, its ``run``."""

from tomoline.steps._base import Engine, Shape, Step, StepContext, Values

__all__ = ["Engine", "Shape", "Step", "StepContext", "Values"]
