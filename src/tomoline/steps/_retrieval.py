"""What the retrieved projections are: the artifact ``retrieval``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomoline.files.atomic import write_text
from tomoline.steps.scan_layout import ScanLayout


@dataclass(frozen=True)
class Retrieval:
    """Unit and state of the projections.

    Attributes
    ----------
    quantity : {"phase", "absorption"}
        Line integrals, positive in matter: phase shift, or -ln(transmission).
    unit : {"rad", "1"}
        Unit of a projection; a reconstructed slice has it per pixel.
    delta_per_unit : float or None
        A reconstructed density per pixel times this is delta; None for absorption.
    pixel_size_um : float or None
        Size of a pixel in the specimen's plane.
    excluded : dict of int to str
        Projections left out on top of the layout's, by place, with the reason.
    """

    quantity: Literal["phase", "absorption"]
    unit: Literal["rad", "1"]
    delta_per_unit: float | None
    pixel_size_um: float | None
    excluded: dict[int, str] = field(default_factory=dict)

    def taking_part(self, layout: ScanLayout) -> NDArray[np.bool_]:
        """Return for each projection whether it takes part, (angles,) bool."""
        mask = layout.taking_part
        mask[list(self.excluded)] = False
        return mask

    def write(self, path: Path) -> None:
        """Write as JSON."""
        write_text(path, json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, path: Path) -> Retrieval:
        """Read what `write` wrote."""
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        excluded = {int(place): why for place, why in content.pop("excluded").items()}
        return cls(**content, excluded=excluded)
