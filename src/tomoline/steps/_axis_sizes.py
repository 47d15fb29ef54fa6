"""Bounds on the memory of the search for the rotation axis; apart, so that declarations are light.

Each is what one call of the engine holds.
"""

from __future__ import annotations

LANES = 32
# More angles and columns tell the wedge's misfit nothing.
WEDGE_ANGLES, WEDGE_COLUMNS = 720, 1024
SWEEP_SIDE_PX, SWEEP_ANGLES = 256, 900
SLICE_COLUMNS, SLICE_ANGLES, SLICE_SIDE_PX = 720, 400, 560


def bytes_of_block(angles: int, width: int, together: int) -> int:
    """Bound on reading and averaging one block of rows."""
    return 4 * angles * width * (together + 4)


def bytes_of_slices(width: int, angles: int, size: int) -> int:
    """Bound on the slices for 32 axes: filtered rows with margins, and slices."""
    columns = max(2 * width, 2 * size) + 16
    return 4 * LANES * (angles * columns + 2 * size * size)


def bytes_of_measuring(angles: int, width: int, together: int) -> int:
    """Bound on one block: its rows, the wedge's spectra, the pairs' transforms."""
    # The wedge's rows are brought to this many angles and columns, padded to twice of each.
    turns, columns = min(WEDGE_ANGLES, 2 * angles + 8), min(WEDGE_COLUMNS, width)
    wedge = 8 * 2 * turns * (columns + 1) * 6 + 4 * 2 * turns * 2 * columns * 2
    pairs = 64 * width * 4 * 12 + 5 * 64 * 2 * width * 8
    halves = min(720, angles) * width * 4 * 8
    return bytes_of_block(angles, width, together) + wedge + pairs + halves


def memory_bytes(angles: int, width: int, together: int) -> int:
    """Bound on any chunk of the step."""
    sweep = bytes_of_slices(width, min(angles, SWEEP_ANGLES), SWEEP_SIDE_PX)
    sharp = bytes_of_slices(min(width, SLICE_COLUMNS), min(angles, SLICE_ANGLES), SLICE_SIDE_PX)
    block = bytes_of_block(angles, width, together)
    return max(bytes_of_measuring(angles, width, together), block + max(sweep, sharp))
