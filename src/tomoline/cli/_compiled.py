"""Whether the kernels have been compiled on this machine before."""

from __future__ import annotations

import os
from pathlib import Path


def kernels_are_compiled() -> bool:
    """Return whether compiled kernels are found in the places where Numba keeps them.

    Numba compiles a kernel when it is first called, and keeps the result beside the source, or
    where that cannot be written, in the user's cache (NUMBA_CACHE_DIR overrides both).
    """
    package = Path(__file__).resolve().parents[1]
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    if chosen:
        return any(Path(chosen).glob("kernels_*/*.nbi"))
    beside = package / "kernels" / "__pycache__"
    return any(beside.glob("*.nbi")) or any(Path(cache).glob("numba/kernels_*/*.nbi"))
