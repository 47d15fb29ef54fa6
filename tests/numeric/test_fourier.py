"""The transforms, against numpy's in double precision: libraries have faults at single lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline.kernels import fourier

Array = NDArray[Any]

# Faults were met at 40 and 48 (along columns, in place) and at some lengths above 4096 (single).
SHORT = range(1, 131)
LONG = [144, 250, 540, 1024, 2048, 2450, 3650, 4096, 4100, 4116, 4374, 4802, 6250, 8000, 8192]
LONGEST = [8232, 8748, 9450, 10290, 12500, 14580, 16000, 16384, 17150, 18750, 20000]
LENGTHS = [*SHORT, *LONG, *LONGEST]
TOLERANCE = 3e-6


def cases() -> Iterator[tuple[int, int]]:
    for length in LENGTHS:
        yield from ((length, count) for count in ((1, 2, 3, 8, 33) if length < 3000 else (1, 2)))


def noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def is_near(found: Array, expected: Array) -> bool:
    """Whether no number is wrong by more than rounding; the largest sets the scale."""
    if found.dtype not in (np.float32, np.complex64):
        return False
    with np.errstate(invalid="ignore"):
        return bool(np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max())


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("margin", [0, 3], ids=["whole", "part"])
def test_complex_numbers_are_transformed_in_place_for_every_length(axis: int, margin: int) -> None:
    """Also where they are part of a wider image, as groups of columns are."""
    wrong = []
    for length, count in cases():
        shape = (length, count) if axis == 0 else (count, length)
        wide = noise(shape[0], 2 * (shape[1] + margin)).view(np.complex64)
        beside = wide[:, shape[1] :].copy()
        part = wide[:, : shape[1]]
        before = part.astype(np.complex128)
        fourier.forward_along(part, axis)
        if not is_near(part, np.fft.fft(before, axis=axis)):
            wrong.append((length, count, "forward"))
        part[...] = np.fft.fft(before, axis=axis)
        fourier.inverse_along(part, axis)
        if not is_near(part, before):
            wrong.append((length, count, "inverse"))
        if not np.array_equal(wide[:, shape[1] :], beside):
            wrong.append((length, count, "what lies beside"))
    assert wrong == []


def test_unscaled_inverse_is_larger_by_the_length() -> None:
    for shape in ((40, 5), (540, 5), (1, 4374)):
        spectrum = noise(shape[0], 2 * shape[1]).view(np.complex64)
        axis = int(np.argmax(shape))
        expected = np.fft.ifft(spectrum.astype(np.complex128), axis=axis) * max(shape)
        fourier.inverse_along(spectrum, axis, scaled=False)
        assert is_near(spectrum, expected)


@pytest.mark.parametrize("given", [False, True], ids=["new", "out"])
def test_real_rows_go_there_and_back_for_every_length(given: bool) -> None:
    wrong = []
    for length, count in cases():
        rows = noise(count, length + 2)[:, 1:-1]
        kept = rows.copy()
        expected = np.fft.rfft(rows.astype(np.float64))
        out = np.empty((count, length // 2 + 3), np.complex64)[:, 1:-1] if given else None
        spectrum = fourier.forward_rows(rows, out)
        if not is_near(spectrum, expected):
            wrong.append((length, count, "forward"))
        back = np.empty((count, length + 2), np.float32)[:, 1:-1] if given else None
        coefficients = expected.astype(np.complex64)
        found = fourier.inverse_rows(coefficients, length, back)
        if not is_near(found, kept):
            wrong.append((length, count, "inverse"))
        for asked, result in ((out, spectrum), (back, found)):
            if asked is not None and not np.array_equal(asked, result):
                wrong.append((length, count, "not where asked"))
        if not np.array_equal(rows, kept) or not np.array_equal(
            coefficients, expected.astype("c8")
        ):
            wrong.append((length, count, "changes what it is given"))
    assert wrong == []


@pytest.mark.parametrize(
    "part",
    [
        lambda rows: rows[0, 0],
        lambda rows: rows[:1, :1],
        lambda rows: rows[:, 1:3],
        lambda rows: rows[::2, ::2],
        lambda rows: rows[:, 0],
    ],
)
def test_rows_that_lie_apart_go_back(part: Callable[[Array], Array]) -> None:
    for length in (48, 8232, 8748, 12348):
        rows = noise(3, 4, length)
        spectra = np.fft.rfft(rows.astype(np.float64)).astype(np.complex64)
        assert is_near(fourier.inverse_rows(part(spectra), length), part(rows))


def test_images_go_there_and_back_for_every_height() -> None:
    wrong = []
    sizes = [(height, width) for height in SHORT for width in (1, 2, 5, 40, 48)]
    sizes += [(40, 9000), (2450, 8), (4116, 2), (4374, 1), (1, 8748), (2, 8748), (8232, 3)]
    for shape in sizes:
        image = noise(*shape)
        expected = np.fft.rfft2(image.astype(np.float64))
        out = np.empty(expected.shape, np.complex64)
        spectra = (fourier.forward_2d(image), fourier.forward_2d(image, out), out)
        if not all(is_near(found, expected) for found in spectra):
            wrong.append((shape, "forward"))
        spectrum = expected.astype(np.complex64)
        back = np.empty(shape, np.float32)
        images = (fourier.inverse_2d(spectrum, shape), fourier.inverse_2d(spectrum, shape, back))
        if not all(is_near(found, image) for found in (*images, back)):
            wrong.append((shape, "inverse"))
        if not np.array_equal(spectrum, expected.astype(np.complex64)):
            wrong.append((shape, "changes what it is given"))
    assert wrong == []


def test_results_do_not_depend_on_where_the_numbers_lie() -> None:
    """Neither on the address nor on how many are transformed together."""
    room = np.zeros(9 * 2 * 2450 + 64, np.float32)
    for length in (48, 540, 2450):
        values = noise(9, 2 * length)
        found: dict[str, set[bytes]] = {}
        for skip in (0, 2, 4, 8, 10):
            rows = room[skip : skip + values.size].reshape(values.shape)
            rows[...] = values
            spectrum = fourier.forward_rows(rows[:, :length])
            found.setdefault("real", set()).add(spectrum.tobytes())
            found.setdefault("real few", set()).add(
                fourier.forward_rows(rows[:3, :length]).tobytes() + spectrum[3:].tobytes()
            )
            fourier.forward_along(rows.view(np.complex64), 1)
            found.setdefault("complex", set()).add(rows.tobytes())
            rows[...] = values
            fourier.forward_along(rows[:4].view(np.complex64), 1)
            fourier.forward_along(rows[4:].view(np.complex64), 1)
            found["complex"].add(rows.tobytes())
        found["real"] |= found.pop("real few")
        assert {kind: len(results) for kind, results in found.items()} == {"real": 1, "complex": 1}
