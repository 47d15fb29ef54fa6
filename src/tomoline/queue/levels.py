"""How the log is graded and sorted; apart, because the command line knows these words at once."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """How grave an event is, in rising order."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Order(StrEnum):
    """What the log can be sorted by."""

    TIME = "time"
    PROCESSOR = "processor"
    DATA_SET = "data-set"
    STEP = "step"
    LEVEL = "level"
    KIND = "kind"
    BATCH = "batch"
    CODE = "code"
    MESSAGE = "message"
