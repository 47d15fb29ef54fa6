"""Registration of distances and joining of halves: core-seconds, bytes, flops, precision.

    python benchmarks/registration.py [--repeat 5]

For one angle and one distance of frames of 2048 x 2048: the spectrum of the corrected frame, the
match, and both together with the window moved along (`measure`). The peer is what HiTT's ancestor
does: phase correlation of the central half, its peak refined to a hundredth of a pixel by a
matrix transform (Guizar-Sicairos 2008), here in numpy and float32. Precision is that of both on
simulated frames of two distances (8000 counts, residual stripes of 1 %).

Then one row of 1810 projections over a full turn, 2048 columns, joined with an overlap of 300.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from _timing import best
from tomoline.kernels import halves
from tomoline.kernels.distance_shift import DistanceMatcher

Real = NDArray[np.float32]

SIZE = 2048
STRENGTHS = (11.9, 15.0)
TARGET_S = 0.10  # core-seconds an anchor and distance, reading and flats included
ELSEWHERE_S = 0.03  # of them for reading and flats, see benchmarks/flats.py
SHIFT = (1.3, -2.4)


def frames(seed: int, size: int = SIZE) -> list[Real]:
    """Return transmissions at two distances, the second displaced by minus `SHIFT`."""
    rng = np.random.default_rng(seed)
    q_y, q_x = np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :]
    q = np.hypot(q_y, q_x)
    # Random matter: the phase's spectrum falls with the 1.5th power of the frequency.
    phase = scipy.fft.ifft2(scipy.fft.fft2(rng.normal(size=(size, size))) / (q + 0.003) ** 1.5)
    phase = 0.3 * (phase.real - phase.real.min()) / np.ptp(phase.real)
    spectrum = scipy.fft.fft2(np.exp(-(1j + 0.1) * phase))
    result = []
    for strength, (dy, dx) in zip(STRENGTHS, ((0.0, 0.0), SHIFT), strict=True):
        ramp = np.exp(2j * np.pi * (q_y * dy + q_x * dx) - 1j * np.pi * strength * q**2)
        image = np.abs(scipy.fft.ifft2(spectrum * ramp)) ** 2
        image *= 1 + 0.01 * rng.normal(size=(size, 1))
        result.append((rng.poisson(8000 * image) / 8000).astype(np.float32))
    return result


def phase_correlation(first: Real, second: Real) -> tuple[float, float]:
    """Return (dy, dx) by phase correlation of the central half, to a hundredth of a pixel."""
    quarter = len(first) // 4
    middle = slice(quarter, 3 * quarter)
    one, two = (scipy.fft.fft2(image[middle, middle]) for image in (first, second))
    product = one * two.conj()
    product /= np.maximum(np.abs(product), 1e-6)
    size = len(product)
    peak = np.unravel_index(int(np.argmax(np.abs(scipy.fft.ifft2(product)))), product.shape)
    coarse = [(int(place) + size // 2) % size - size // 2 for place in peak]
    q = scipy.fft.fftfreq(size)
    fine = np.arange(-75, 76) / 100
    rows = np.exp(2j * np.pi * np.outer(coarse[0] + fine, q)).astype(np.complex64)
    columns = np.exp(2j * np.pi * np.outer(q, coarse[1] + fine)).astype(np.complex64)
    y, x = np.unravel_index(int(np.argmax(np.abs(rows @ product @ columns))), (151, 151))
    return coarse[0] + fine[y], coarse[1] + fine[x]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    first, second = frames(0)
    matcher = DistanceMatcher((SIZE, SIZE), STRENGTHS, 2)
    one, two = matcher.prepare(first), matcher.prepare(second)
    seconds = {
        "spectrum of a frame": best(lambda: matcher.prepare(second), repeat),
        "match of two spectra": best(lambda: matcher.match(one, two, (0, 1)), repeat),
        "measure, window moved": best(lambda: matcher.measure(one, second, (0, 1)), repeat),
        "phase correlation, numpy": best(lambda: phase_correlation(first, second), repeat),
    }
    binned = SIZE // matcher.binning
    transform = 2.5 * binned**2 * math.log2(binned**2)
    flops = {
        "spectrum of a frame": transform + 8 * SIZE**2,
        "match of two spectra": transform + 3 * 20 * binned**2,
    }
    moved = {
        "spectrum of a frame": 4 * SIZE**2 + 3 * 4 * binned**2,
        "match of two spectra": 8 * 4 * binned**2,
    }
    print(f"{'2048 x 2048, one distance':28} {'core-s':>8} {'Gflop/s':>8} {'GB/s':>6} {'ratio':>6}")
    own = seconds["measure, window moved"]
    for name, taken in seconds.items():
        speed = f"{flops[name] / taken / 1e9:8.1f}" if name in flops else f"{'':8}"
        rate = f"{moved[name] / taken / 1e9:6.1f}" if name in moved else f"{'':6}"
        print(f"{name:28} {taken:8.4f} {speed} {rate} {taken / own:6.1f}")
    total = own + ELSEWHERE_S
    verdict = "reached" if total < TARGET_S else "MISSED"
    print(f"with reading and flats {total:.3f}; target {TARGET_S} {verdict}")
    errors: dict[str, list[float]] = {"measure": [], "phase correlation": []}
    for seed in range(3):
        first, second = frames(seed)
        match = matcher.measure(matcher.prepare(first), second, (0, 1))
        errors["measure"] += [match.dy_px - SHIFT[0], match.dx_px - SHIFT[1]]
        dy, dx = phase_correlation(first, second)
        errors["phase correlation"] += [dy - SHIFT[0], dx - SHIFT[1]]
    for name, found in errors.items():
        print(f"{name:28} rms error {np.sqrt(np.mean(np.square(found))):.4f} pixels")
    turn = np.random.default_rng(1).normal(size=(1810, SIZE)).astype(np.float32)
    taken = best(lambda: halves.glue(turn, 150.3), repeat)
    size = turn.nbytes + 905 * (2 * SIZE - 302) * 4
    print(f"{'one row of 905 pairs joined':28} {taken:8.4f} {'':8} {size / taken / 1e9:6.1f}")


if __name__ == "__main__":
    main()
