"""Where a step's chunks run: threads here; other engines offer the same `map`.

The interface that they offer is `tomoline.steps.Engine`. An engine knows chunks, not steps.
"""

from tomoline.engine._base import Progress, SilentProgress
from tomoline.engine.threads import ThreadsEngine

ENGINES = {"threads": ThreadsEngine}

__all__ = ["ENGINES", "Progress", "SilentProgress", "ThreadsEngine"]
