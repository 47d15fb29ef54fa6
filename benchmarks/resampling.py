"""Resampling and reduction: seconds and bytes a second, beside scipy.ndimage.

    python benchmarks/resampling.py [--repeat 5] [--size 4096]

Bytes are those of the input and of the output, once each; scipy works on the same image in the
same run.
"""

from __future__ import annotations

import argparse

import numpy as np
import scipy.ndimage

from _timing import best
from tomoline import geometry
from tomoline.kernels.reduce import reduce_image
from tomoline.kernels.resample import transform_image

TARGET_S = 0.06  # bilinear, 4096 x 4096, one core


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--size", type=int, default=4096)
    options = parser.parse_args()
    size, repeat = options.size, options.repeat
    image = np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)
    out = np.empty_like(image)
    turn = np.zeros((2, 3))
    turn[:, :2], turn[:, 2] = geometry.axis_to_vertical(5.0), (3.3, -2.2)
    shift = geometry.shift_transforms(np.array([[3.3, -2.2]]))[0]
    back = geometry.invert(turn)

    def peer(order: int) -> None:
        # scipy acts on (row, column).
        scipy.ndimage.affine_transform(
            image, back[::-1, 1::-1], back[::-1, 2], order=order, output=out
        )

    print(f"{'work':32} {'seconds':>8} {'GB/s':>6}")
    for name, work, share in (
        ("turn, bilinear", lambda: transform_image(image, turn, order=1, out=out), 2.0),
        ("turn, cubic", lambda: transform_image(image, turn, order=3, out=out), 2.0),
        ("shift, cubic", lambda: transform_image(image, shift, order=3, out=out), 2.0),
        ("reduce by 2, Lanczos-3", lambda: reduce_image(image, 2), 1.25),
        ("reduce by 4, Lanczos-3", lambda: reduce_image(image, 4), 1.06),
        ("reduce by 4, box", lambda: reduce_image(image, 4, kernel="box"), 1.06),
        ("scipy.ndimage, order 1", lambda: peer(1), 2.0),
        ("scipy.ndimage, order 3", lambda: peer(3), 2.0),
    ):
        seconds = best(work, 1 if name.startswith("scipy") else repeat)
        rate = share * image.nbytes / seconds / 1e9
        note = ""
        if name == "turn, bilinear" and size == 4096:
            note = f"  target {TARGET_S} {'reached' if seconds <= TARGET_S else 'MISSED'}"
        print(f"{name:32} {seconds:8.4f} {rate:6.2f}{note}")


if __name__ == "__main__":
    main()
