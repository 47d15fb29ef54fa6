"""The words of SerialEM that a simulated tilt series carries."""

from __future__ import annotations

from tomoline.simulate.settings import TiltSimulation
from tomoline.simulate.truth import Truth


def axis_title(settings: TiltSimulation) -> str:
    """Return the title by which SerialEM tells the tilt axis angle."""
    return f"    Tilt axis angle = {settings.tilt_axis_deg:.1f}, binning = 1  spot = 6  camera = 0"


def mdoc_text(settings: TiltSimulation, truth: Truth, image: str) -> str:
    """Return the text of a SerialEM ``.mdoc`` with angles and doses, acquired in file order."""
    dose = settings.dose_e_per_a2 / settings.views
    lines = [
        f"PixelSpacing = {settings.pixel_size_nm * 10:g}",
        f"Voltage = {settings.voltage_kv:g}",
        f"ImageFile = {image}",
        f"ImageSize = {settings.width} {settings.height}",
        "DataMode = 1",
        "",
        f"[T = {axis_title(settings)}]",
        "",
    ]
    for view, angle in enumerate(truth.nominal_tilt_deg):
        lines += [
            f"[ZValue = {view}]",
            f"TiltAngle = {angle:.2f}",
            f"PixelSpacing = {settings.pixel_size_nm * 10:g}",
            f"ExposureDose = {dose:.4f}",
            f"PriorRecordDose = {dose * view:.4f}",
            f"TargetDefocus = {-settings.defocus_um:g}",
            # SerialEM counts the camera's rotation from another direction than the title does.
            f"RotationAngle = {_wrapped(settings.tilt_axis_deg + 90):.2f}",
            "",
        ]
    return "\n".join(lines)


def _wrapped(angle_deg: float) -> float:
    """Bring an angle into -180 to 180 degrees."""
    return (angle_deg + 180) % 360 - 180
