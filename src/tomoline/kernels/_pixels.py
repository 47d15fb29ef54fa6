"""The innermost loops of resampling, in LLVM's own terms: a few neighbours at a time as a vector.

Numba's compiler would load and weigh each neighbour by itself. Arrays are flat; places in them are
counted in elements. (Numba caches compiled callers by their own file: touch `_resample_numba` when
this one changes.)
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BLOCK = 16
"""Pixels of a row that `place_pixels` handles together."""

_REAL, _WHOLE, _LONG = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_FLAGS = ("contract", "reassoc", "nsz")
# Cubic convolution with a = -1/2 (Keys 1981): the four weights as polynomials of the fraction,
# coefficients of its powers 0 to 3.
_CUBIC = (
    (0.0, 1.0, 0.0, 0.0),
    (-0.5, 0.0, 0.5, 0.0),
    (1.0, -2.5, 2.0, -0.5),
    (-0.5, 1.5, -1.5, 0.5),
)


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return the pointer to an array's first element."""
    return cgutils.create_struct_proxy(kind)(context, builder, value).data  # type: ignore[no-untyped-call]


def _vector(count: int, kind: Any = _REAL) -> Any:
    return ir.VectorType(kind, count)


def _spread(builder: Any, scalar: Any, count: int) -> Any:
    """Return a vector of equal elements."""
    nothing = ir.Constant(_vector(count, scalar.type), ir.Undefined)
    one = builder.insert_element(nothing, scalar, _WHOLE(0))
    return builder.shuffle_vector(one, nothing, ir.Constant(_vector(count, _WHOLE), [0] * count))


def _add_product(builder: Any, total: Any, a: Any, b: Any) -> Any:
    return builder.fadd(total, builder.fmul(a, b, flags=_FLAGS), flags=_FLAGS)


@intrinsic
def place_pixels(
    typingctx: Any,
    x: Any,
    slope_x: Any,
    y: Any,
    slope_y: Any,
    stride: Any,
    offsets: Any,
    fractions_x: Any,
    fractions_y: Any,
) -> Any:
    """Find the neighbours of `BLOCK` pixels from (x, y), float32, not negative, in even steps.

    ``offsets`` (int32) become ``int(y) * stride + int(x)``, the fractions what remains.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        steps = ir.Constant(_vector(BLOCK), [float(n) for n in range(BLOCK)])
        kinds = signature.args

        def split(start: Any, slope: Any, out: int) -> Any:
            place = _add_product(
                builder, _spread(builder, start, BLOCK), _spread(builder, slope, BLOCK), steps
            )
            whole = builder.fptosi(place, _vector(BLOCK, _WHOLE))
            fraction = builder.fsub(place, builder.sitofp(whole, _vector(BLOCK)))
            target = _data(context, builder, kinds[out], args[out])
            target = builder.bitcast(target, _vector(BLOCK).as_pointer())
            builder.store(fraction, target, align=4)
            return whole

        column = split(args[0], args[1], 6)
        row = split(args[2], args[3], 7)
        lines = builder.mul(row, _spread(builder, args[4], BLOCK))
        target = _data(context, builder, kinds[5], args[5])
        target = builder.bitcast(target, _vector(BLOCK, _WHOLE).as_pointer())
        builder.store(builder.add(lines, column), target, align=4)
        return context.get_dummy_value()

    return (
        types.void(x, slope_x, y, slope_y, stride, offsets, fractions_x, fractions_y),
        codegen,
    )


@intrinsic
def linear_pixel(typingctx: Any, image: Any, at: Any, stride: Any, x: Any, y: Any) -> Any:
    """Return the bilinear mean of the pixels at `at`, right of, below and beyond it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first = builder.gep(_data(context, builder, signature.args[0], args[0]), [args[1]])
        second = builder.gep(first, [args[2]])
        upper, lower = (
            builder.load(builder.bitcast(place, _vector(2).as_pointer()), align=4)
            for place in (first, second)
        )
        down = builder.fsub(lower, upper, flags=_FLAGS)
        both = _add_product(builder, upper, down, _spread(builder, args[4], 2))
        left = builder.extract_element(both, _WHOLE(0))
        right = builder.extract_element(both, _WHOLE(1))
        return _add_product(builder, left, builder.fsub(right, left, flags=_FLAGS), args[3])

    return types.float32(image, at, stride, x, y), codegen


@intrinsic
def cubic_pixel(typingctx: Any, image: Any, at: Any, stride: Any, x: Any, y: Any) -> Any:
    """Return the cubic convolution of four by four pixels, the first of them at `at`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        coefficients = [ir.Constant(_vector(4), list(values)) for values in _CUBIC]

        def weights(fraction: Any) -> Any:
            t = _spread(builder, fraction, 4)
            value = coefficients[3]
            for lower in coefficients[2::-1]:
                value = _add_product(builder, lower, value, t)
            return value

        across, down = weights(args[3]), weights(args[4])
        place = builder.gep(_data(context, builder, signature.args[0], args[0]), [args[1]])
        total = None
        for n in range(4):
            row = builder.load(builder.bitcast(place, _vector(4).as_pointer()), align=4)
            mask = ir.Constant(_vector(4, _WHOLE), [n] * 4)
            weight = builder.shuffle_vector(down, down, mask)
            if total is None:
                total = builder.fmul(row, weight, flags=_FLAGS)
            else:
                total = _add_product(builder, total, row, weight)
            place = builder.gep(place, [args[2]])
        product = builder.fmul(total, across, flags=_FLAGS)
        result = builder.extract_element(product, _WHOLE(0))
        for n in (1, 2, 3):
            part = builder.extract_element(product, _WHOLE(n))
            result = builder.fadd(result, part, flags=_FLAGS)
        return result

    return types.float32(image, at, stride, x, y), codegen
