"""Parameters that a project's table of data sets shows, and the queue reads by itself."""

from __future__ import annotations

DUAL = "setup.dual_axis"
MONTAGE = "setup.montage"
TWO_SURFACES = "find_fiducials.two_surfaces"
BOUNDARY = "find_fiducials.boundary_model"
EXCLUDED = "setup.exclude_views"
BOXES = (DUAL, MONTAGE, TWO_SURFACES)
"""Those that a new line of the table takes over from the line before."""
TABLE_RECIPE = "tilt"
"""Recipe whose steps have these parameters; the others have none of them."""
