"""Samples on the border of two strips of the grid, whose places rounding can move."""

from __future__ import annotations

import numpy as np

from tomoline.kernels import _gridding_numba as loops
from tomoline.kernels.gridding import GriddingPlan


def test_samples_on_a_border_fall_into_their_own_strip() -> None:
    # With 300 angles over half a turn and these sizes, the lines at 30 and 150 degrees meet the
    # strips' borders within rounding; a sample that fell out of its strip was written before the
    # cells, into other memory. A margin before them shows it.
    plan = GriddingPlan(np.arange(300) * np.pi / 300, 344, 171.489, mask_radius_px=163.0)
    assert (plan.samples, plan.grid) == (360, 432)
    values = np.ones(len(plan._lines) * plan.samples * loops.LANES + 64, np.float32)
    rows = loops.TILE_ROWS + loops.HALO
    margin = plan._wide * loops.LANES
    guarded = np.zeros(margin + rows * margin, np.float32)
    total = 0.0
    for strip in range(plan._strips):
        guarded[:] = 0.0
        loops.grid_strip(
            values,
            plan.samples,
            plan._ends,
            plan._runs,
            strip,
            plan._across,
            plan.grid,
            plan._rows_step,
            plan._columns_step,
            guarded[margin:],
            plan._wide,
        )
        assert not guarded[:margin].any()
        total += float(guarded.sum())
    assert total > 0
