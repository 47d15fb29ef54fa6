"""Real scans, from the file to the volume, with no parameter but what the file cannot tell."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import tifffile
import zarr
from command import shown, succeed, tomoline, values


def run(source: Path, folder: Path, *options: str) -> dict:
    succeed("run", source, "--deliver", folder, *options)
    return shown(folder / source.stem)


def as_scan(path: Path, sinogram: np.ndarray, angles_deg: np.ndarray) -> Path:
    """Write a sinogram as the only row of a Data Exchange file."""
    with h5py.File(path, "w") as file:
        file["exchange/data"] = sinogram[:, None, :]
        file["exchange/theta"] = angles_deg
    return path


def test_tooth(scan_data: Path, tmp_path: Path) -> None:
    document = run(scan_data / "tooth-aps2bm" / "tooth.h5", tmp_path)
    axis = values(document, "axis")
    assert 295.9 <= axis["rotation_axis_px"] <= 296.0
    assert axis["confidence"] > 0.5
    volume = np.asarray(zarr.open_group(document["artifacts"]["volume"], mode="r")["0"])
    assert volume.shape == (2, 640, 640)
    assert np.isfinite(volume).all()
    # Enamel stands out from the air around the tooth.
    assert np.percentile(volume[0], 99) > 20 * abs(np.median(volume[0, :60]))


def test_dendrite(scan_data: Path, tmp_path: Path) -> None:
    """Attenuation already, strong rings: sharpness alone would say 661."""
    content = scipy.io.loadmat(scan_data / "dendrite-sino" / "RealDataDend.mat")
    sinogram = np.exp(-content["sinoRD"].T.astype(np.float32) / 1000)
    angles = np.degrees(content["anglesRad"][:, 0])
    source = as_scan(tmp_path / "dendrite.h5", sinogram, angles)
    axis = values(run(source, tmp_path, "--until", "axis"), "axis")
    assert abs(axis["rotation_axis_px"] - 629.5) <= 1


@pytest.mark.parametrize(
    ("name", "axis_px", "side"),
    [
        ("sinogram_360_neutron_image.tif", 245.3, None),
        ("half_acq_cols215_end.tif", 30.3, "left"),
    ],
)
def test_full_turn_of_neutrons(
    scan_data: Path, tmp_path: Path, name: str, axis_px: float, side: str | None
) -> None:
    sinogram = tifffile.imread(scan_data / "neutron-360-sarepy" / name)
    angles = np.linspace(0, 360, len(sinogram))
    source = as_scan(tmp_path / "neutron.h5", sinogram, angles)
    document = run(source, tmp_path)
    axis = values(document, "axis")
    assert abs(axis["rotation_axis_px"] - axis_px) <= 0.3
    assert axis["side"] == side


def test_diad(scan_data: Path, tmp_path: Path) -> None:
    """A crop of 22 x 26 pixels with nothing to see: it is read, and the doubt is said."""
    done = tomoline("run", scan_data / "diad-k11-18014" / "k11-18014.nxs", "--deliver", tmp_path)
    document = shown(tmp_path / "k11-18014")
    scan = values(document, "scan")
    assert (scan["angles"], scan["flats"], scan["darks"]) == (3001, [100], [100])
    assert (scan["first_angle_deg"], scan["last_angle_deg"]) == pytest.approx(
        (89.995, 269.995), abs=1e-3
    )
    assert done.returncode == 0 or "AXIS-" in done.stderr
    if done.returncode == 0:
        axis = values(document, "axis")
        assert axis["confidence"] < 0.5 or abs(axis["rotation_axis_px"] - 12.47) <= 1
