"""The truth of a simulated tilt series: all that a result can be compared with."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.simulate.specimen import Floats, Specimen


@dataclass(frozen=True)
class Truth:
    """Geometry and contents of a simulated tilt series.

    Attributes
    ----------
    transforms : (view, 2, 3) float64
        From raw to aligned views, in raw pixels, as an ``.xf`` file has them.
    nominal_tilt_deg : (view,) float64
        What the microscope said, as in ``.rawtlt``.
    tilt_offset_deg, pitch_deg : float
        How the slab lies: `tilt_deg` and `pitch_deg` together project its own coordinates.
    tilt_error_deg : (view,) float64
        By how much the stage missed each nominal angle.
    tilt_axis_deg : float
        Mean angle of the tilt axis in the raw views.
    specimen : Specimen
        In its own coordinates, in which the slab is level.
    field_px : (float, float)
        Width and height of the aligned field, within which the beads that count lie.
    dark_views : tuple of int
        Views without beam, from 0.
    spikes : tuple
        For each view the (x, y) of its X-ray hits.
    hot_pixels : tuple
        (x, y) of pixels that are too bright in all views.
    settings : dict
        The settings of the simulation.
    turned_deg : float
        By how much the specimen is turned about z from where it lay for the first axis; 0 there.
    moved_px : (float, float)
        By how much it was moved after that, x and y.
    """

    transforms: Floats
    nominal_tilt_deg: Floats
    tilt_offset_deg: float
    pitch_deg: float
    tilt_error_deg: Floats
    tilt_axis_deg: float
    specimen: Specimen
    field_px: tuple[float, float]
    dark_views: tuple[int, ...] = ()
    spikes: tuple[tuple[tuple[int, int], ...], ...] = ()
    hot_pixels: tuple[tuple[int, int], ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    turned_deg: float = 0.0
    moved_px: tuple[float, float] = (0.0, 0.0)

    @property
    def tilt_deg(self) -> Floats:
        """Tilt angles (view,) that, with `pitch_deg`, project the level specimen."""
        return self.nominal_tilt_deg + self.tilt_error_deg + self.tilt_offset_deg

    @property
    def good_views(self) -> NDArray[np.bool_]:
        """(view,) True where the view is not dark."""
        good = np.ones(len(self.nominal_tilt_deg), dtype=np.bool_)
        good[list(self.dark_views)] = False
        return good

    @property
    def beads_px(self) -> Floats:
        """Centres (bead, 3) of the gold within the field, in the level specimen."""
        beads = self.specimen.beads[:, :3]
        inside = np.all(np.abs(beads[:, :2]) <= np.array(self.field_px) / 2, axis=1)
        selected: Floats = beads[inside]
        return selected

    def seen_beads(self, share: float = 0.7, margin_px: float = 8.0) -> Floats:
        """Return those of `beads_px` that lie within at least this share of the good views.

        Beads that drift took out of most views cannot be found in a tomogram.
        """
        beads = self.beads_px
        half = np.array([self.settings["width"], self.settings["height"]]) / 2 - margin_px
        inside = np.all(np.abs(self.bead_positions(beads)) <= half, axis=-1)
        selected: Floats = beads[np.mean(inside[self.good_views], axis=0) >= share]
        return selected

    def bead_positions(self, beads_px: Floats | None = None) -> Floats:
        """Return where beads lie in the raw views, (view, bead, 2), relative to the views' centres.

        All beads of the specimen, or those given by their centres (bead, 3).
        """
        points = self.specimen.beads[:, :3] if beads_px is None else beads_px
        aligned = geometry.project(points, np.radians(self.tilt_deg), np.radians(self.pitch_deg))
        return geometry.apply(geometry.invert(self.transforms)[:, None], aligned)

    def write(self, path: Path) -> None:
        """Write the truth as JSON."""
        record = {
            "version": 1,
            "transforms": self.transforms.tolist(),
            "nominal_tilt_deg": self.nominal_tilt_deg.tolist(),
            "tilt_offset_deg": self.tilt_offset_deg,
            "pitch_deg": self.pitch_deg,
            "tilt_error_deg": self.tilt_error_deg.tolist(),
            "tilt_axis_deg": self.tilt_axis_deg,
            "specimen": self.specimen.to_json(),
            "field_px": list(self.field_px),
            "dark_views": list(self.dark_views),
            "spikes": self.spikes,
            "hot_pixels": self.hot_pixels,
            "settings": self.settings,
            "turned_deg": self.turned_deg,
            "moved_px": self.moved_px,
        }
        path.write_text(json.dumps(record), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Truth:
        """Read what `write` wrote."""
        record = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            transforms=np.array(record["transforms"]),
            nominal_tilt_deg=np.array(record["nominal_tilt_deg"]),
            tilt_offset_deg=record["tilt_offset_deg"],
            pitch_deg=record["pitch_deg"],
            tilt_error_deg=np.array(record["tilt_error_deg"]),
            tilt_axis_deg=record["tilt_axis_deg"],
            specimen=Specimen.from_json(record["specimen"]),
            field_px=(record["field_px"][0], record["field_px"][1]),
            dark_views=tuple(record["dark_views"]),
            spikes=tuple(tuple((x, y) for x, y in view) for view in record["spikes"]),
            hot_pixels=tuple((x, y) for x, y in record["hot_pixels"]),
            settings=record["settings"],
            turned_deg=record.get("turned_deg", 0.0),
            moved_px=tuple(record.get("moved_px", (0.0, 0.0))),
        )
