"""The innermost loop of gridding, on vectors of four complex numbers.

Written in LLVM's own terms for the reason that `tomoline.kernels._lanes` has: the window's weights
stay in registers, and the four pairs of slices share them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from tomoline.kernels._gridding_window import DEGREE, WIDTH, coefficients

PAIRS = 4
"""Pairs of slices that are gridded together; a pair is one complex number."""

LANES = 2 * PAIRS
"""Numbers of a cell of the grid: real and imaginary part of each pair."""

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_FLAGS = ("contract",)


def _constant(values: Any) -> Any:
    return ir.Constant(_VECTOR, [float(value) for value in values])


def _pick(builder: Any, vector: Any, lane: int) -> Any:
    """Return a vector of equal elements, those of one lane."""
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [lane] * LANES)
    return builder.shuffle_vector(vector, ir.Constant(_VECTOR, ir.Undefined), mask)


def _spread(builder: Any, scalar: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    return _pick(builder, builder.insert_element(nothing, scalar, ir.IntType(32)(0)), 0)


def _weights(builder: Any, fraction: Any) -> Any:
    """Return the weights of `WIDTH` neighbours in the first lanes of a vector."""
    pieces = coefficients()
    powers = [list(pieces[:, power]) + [0.0] * (LANES - WIDTH) for power in range(DEGREE + 1)]
    place = builder.fsub(_spread(builder, fraction), _constant([0.5] * LANES))
    total = _constant(powers[DEGREE])
    for power in range(DEGREE - 1, -1, -1):
        product = builder.fmul(total, place, flags=_FLAGS)
        total = builder.fadd(product, _constant(powers[power]), flags=_FLAGS)
    return total


@intrinsic
def spread_sample(
    typingctx: Any,
    tile: Any,
    at: Any,
    stride: Any,
    samples: Any,
    sample_at: Any,
    row_fraction: Any,
    column_fraction: Any,
) -> Any:
    """Add ``samples[sample_at : sample_at + LANES]`` to `WIDTH` x `WIDTH` cells of a tile.

    The arrays are flat float32, places are counted in elements (int64): `at` is the first cell,
    `stride` the elements of a row of cells. The fractions (float32) are how far the sample lies
    beyond the grid point before it.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, at, stride, samples, sample_at, row_fraction, column_fraction = (
            cgutils.create_struct_proxy(kind)(context, builder, value).data  # type: ignore[no-untyped-call]
            if isinstance(kind, types.Array)
            else value
            for kind, value in zip(signature.args, args, strict=True)
        )
        long = ir.IntType(64)

        def vector_at(pointer: Any, place: Any) -> Any:
            return builder.bitcast(builder.gep(pointer, [place]), _VECTOR.as_pointer())

        value = builder.load(vector_at(samples, sample_at), align=4)
        rows = _weights(builder, row_fraction)
        columns = _weights(builder, column_fraction)
        spread = [_pick(builder, columns, n) for n in range(WIDTH)]
        for row in range(WIDTH):
            weighted = builder.fmul(value, _pick(builder, rows, row))
            start = builder.add(at, builder.mul(stride, long(row)))
            for column in range(WIDTH):
                place = vector_at(tile, builder.add(start, long(column * LANES)))
                product = builder.fmul(weighted, spread[column], flags=_FLAGS)
                total = builder.fadd(builder.load(place, align=4), product, flags=_FLAGS)
                builder.store(total, place, align=4)
        return context.get_dummy_value()

    arguments = (tile, at, stride, samples, sample_at, row_fraction, column_fraction)
    return types.void(*arguments), codegen


@intrinsic
def fetch(typingctx: Any, samples: Any, at: Any) -> Any:
    """Ask for the line of the cache that ``samples[at]`` is in, which is needed soon."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0])  # type: ignore[no-untyped-call]
        pointer = builder.bitcast(builder.gep(array.data, [args[1]]), ir.IntType(8).as_pointer())
        whole = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), whole, whole, whole])
        function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, kind, "llvm.prefetch.p0"
        )
        builder.call(function, [pointer, whole(0), whole(3), whole(1)])
        return context.get_dummy_value()

    return types.void(samples, at), codegen
