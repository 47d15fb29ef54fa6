"""The innermost loops of projection and back-projection, on vectors of `LANES` slices.

Written in LLVM's own terms, because a loop over views whose sums stay in registers is beyond its
automatic vectorisation. LLVM splits the vectors into whatever the processor has.

The arrays are flat; places in them are counted in elements. `offsets[n]` is where view n's column
left of the voxel begins in `data`, `left[n]` its weight; `right[n]` is the weight of the column to
the right of it, which begins `LANES` elements later.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 32
"""Slices that share their index and weights."""

VIEW_BLOCK = 16
"""Views that are handled together."""

SQUARE = 16
"""Side of the squares that `transpose_square` turns over."""

_WIDTH = 16
_VECTORS = LANES // _WIDTH
_VECTOR = ir.VectorType(ir.FloatType(), _WIDTH)
# Contraction to fused multiply-add, nothing that reorders.
_FLAGS = ("contract",)


def _spread(builder: Any, scalar: Any) -> Any:
    """Return a vector of equal elements."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, scalar, ir.IntType(32)(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), _WIDTH), [0] * _WIDTH)
    return builder.shuffle_vector(one, nothing, mask)


class _Loop:
    """Builds the loop over views of one voxel."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.builder = builder
        voxels, self.voxel_at, self.data, self.offsets, self.left, self.right, self.count = (
            _pointers(context, builder, signature, args)
        )
        self.voxel = builder.gep(voxels, [self.voxel_at])

    def places(self, base: Any) -> list[Any]:
        """Return pointers to the vectors that follow `base`."""
        step = ir.IntType(64)
        return [
            self.builder.bitcast(self.builder.gep(base, [step(n * _WIDTH)]), _VECTOR.as_pointer())
            for n in range(_VECTORS)
        ]

    def load(self, place: Any) -> Any:
        return self.builder.load(place, align=4)

    def store(self, value: Any, place: Any) -> None:
        self.builder.store(value, place, align=4)

    def add_product(self, total: Any, a: Any, b: Any) -> Any:
        product = self.builder.fmul(a, b, flags=_FLAGS)
        return self.builder.fadd(total, product, flags=_FLAGS)

    def view(self, index: Any) -> tuple[list[Any], list[Any], Any, Any]:
        """Return the places of both columns and both weights of view `index`."""
        builder = self.builder
        offset = builder.sext(builder.load(builder.gep(self.offsets, [index])), ir.IntType(64))
        left = builder.load(builder.gep(self.left, [index]))
        right = builder.load(builder.gep(self.right, [index]))
        first = builder.gep(self.data, [offset])
        second = builder.gep(first, [ir.IntType(64)(LANES)])
        return (
            self.places(first),
            self.places(second),
            _spread(builder, left),
            _spread(builder, right),
        )


def _pointers(context: Any, builder: Any, signature: Any, args: Any) -> list[Any]:
    """Return pointers to the data of arrays, and other arguments as they are."""
    return [
        cgutils.create_struct_proxy(kind)(context, builder, value).data  # type: ignore[no-untyped-call]
        if isinstance(kind, types.Array)
        else value
        for kind, value in zip(signature.args, args, strict=True)
    ]


@intrinsic
def place_views(
    typingctx: Any,
    starts: Any,
    slopes: Any,
    bases: Any,
    sharpness: Any,
    x: Any,
    offsets: Any,
    left: Any,
    right: Any,
) -> Any:
    """Find the columns that `VIEW_BLOCK` views show at voxel `x` of a row, and their weights.

    ``u = starts + slopes * x`` (float32, not negative) gives ``offsets = bases + LANES * int(u)``
    (int32). A column at distance d of u has the weight ``s * max(0, 1 - d * s)``, s being the
    view's `sharpness`; 1 is linear interpolation.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        real, whole = ir.FloatType(), ir.IntType(32)
        start_at, slope_at, base_at, sharp_at, step, offset_at, left_at, right_at = _pointers(
            context, builder, signature, args
        )

        def vector_at(pointer: Any, kind: Any) -> Any:
            return builder.bitcast(pointer, ir.VectorType(kind, VIEW_BLOCK).as_pointer())

        def load(pointer: Any, kind: Any) -> Any:
            return builder.load(vector_at(pointer, kind), align=4)

        zero, one = (ir.Constant(_VECTOR, [value] * VIEW_BLOCK) for value in (0.0, 1.0))

        def weight(distance: Any) -> Any:
            rest = builder.fsub(one, builder.fmul(distance, sharp, flags=_FLAGS), flags=_FLAGS)
            positive = builder.select(builder.fcmp_ordered(">", rest, zero), rest, zero)
            return builder.fmul(sharp, positive)

        moved = builder.fmul(load(slope_at, real), _spread(builder, step), flags=_FLAGS)
        u = builder.fadd(load(start_at, real), moved, flags=_FLAGS)
        column = builder.fptosi(u, ir.VectorType(whole, VIEW_BLOCK))
        distance = builder.fsub(u, builder.sitofp(column, _VECTOR))
        sharp = load(sharp_at, real)
        lanes = ir.Constant(ir.VectorType(whole, VIEW_BLOCK), [LANES] * VIEW_BLOCK)
        offset = builder.add(load(base_at, whole), builder.mul(column, lanes))
        builder.store(offset, vector_at(offset_at, whole), align=4)
        builder.store(weight(distance), vector_at(left_at, real), align=4)
        builder.store(weight(builder.fsub(one, distance)), vector_at(right_at, real), align=4)
        return context.get_dummy_value()

    arguments = (starts, slopes, bases, sharpness, x, offsets, left, right)
    return types.void(*arguments), codegen


@intrinsic
def gather_views(
    typingctx: Any,
    voxels: Any,
    voxel_at: Any,
    data: Any,
    offsets: Any,
    left: Any,
    right: Any,
    count: Any,
) -> Any:
    """Add what `count` views hold at a voxel to its lanes: back-projection."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loop = _Loop(context, builder, signature, args)
        own = loop.places(loop.voxel)
        # Two sums for each vector, so that an addition need not wait for the one before it.
        zero = ir.Constant(_VECTOR, [0.0] * _WIDTH)
        start = [loop.load(place) for place in own] + [zero] * _VECTORS
        before = builder.block
        body = builder.append_basic_block("views")
        after = builder.append_basic_block("voxel_done")
        builder.cbranch(builder.icmp_signed(">", loop.count, ir.IntType(64)(0)), body, after)
        builder.position_at_end(body)
        index = builder.phi(ir.IntType(64))
        sums = [builder.phi(_VECTOR) for _ in start]
        first, second, left, right = loop.view(index)
        new = [
            loop.add_product(total, loop.load(place), left)
            for total, place in zip(sums[:_VECTORS], first, strict=True)
        ] + [
            loop.add_product(total, loop.load(place), right)
            for total, place in zip(sums[_VECTORS:], second, strict=True)
        ]
        following = builder.add(index, ir.IntType(64)(1))
        index.add_incoming(ir.IntType(64)(0), before)
        index.add_incoming(following, body)
        for n, total in enumerate(sums):
            total.add_incoming(start[n], before)
            total.add_incoming(new[n], body)
        builder.cbranch(builder.icmp_signed("<", following, loop.count), body, after)
        builder.position_at_end(after)
        results = [builder.phi(_VECTOR) for _ in start]
        for n, result in enumerate(results):
            result.add_incoming(start[n], before)
            result.add_incoming(new[n], body)
        for n, place in enumerate(own):
            loop.store(builder.fadd(results[n], results[_VECTORS + n]), place)
        return context.get_dummy_value()

    return types.void(voxels, voxel_at, data, offsets, left, right, count), codegen


@intrinsic
def scatter_views(
    typingctx: Any,
    voxels: Any,
    voxel_at: Any,
    data: Any,
    offsets: Any,
    left: Any,
    right: Any,
    count: Any,
) -> Any:
    """Add a voxel's lanes to what `count` views hold there: projection, the adjoint."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loop = _Loop(context, builder, signature, args)
        values = [loop.load(place) for place in loop.places(loop.voxel)]
        with cgutils.for_range(builder, loop.count, intp=ir.IntType(64)) as state:
            first, second, left, right = loop.view(state.index)
            for n in range(_VECTORS):
                loop.store(loop.add_product(loop.load(first[n]), values[n], left), first[n])
            for n in range(_VECTORS):
                loop.store(loop.add_product(loop.load(second[n]), values[n], right), second[n])
        return context.get_dummy_value()

    return types.void(voxels, voxel_at, data, offsets, left, right, count), codegen


@intrinsic
def transpose_square(
    typingctx: Any, source: Any, source_at: Any, out: Any, out_at: Any, out_stride: Any
) -> Any:
    """Copy `SQUARE` x `SQUARE` elements turned over: rows of source, LANES apart, to columns."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        long = ir.IntType(64)
        source, source_at, out, out_at, stride = _pointers(context, builder, signature, args)

        def vector_at(pointer: Any, place: Any) -> Any:
            return builder.bitcast(builder.gep(pointer, [place]), _VECTOR.as_pointer())

        rows = [
            builder.load(vector_at(source, builder.add(source_at, long(n * LANES))), align=4)
            for n in range(SQUARE)
        ]
        # Blocks of 1, 2, 4, 8 elements are exchanged across the diagonal in turn.
        for step in (1, 2, 4, 8):
            for n in range(SQUARE):
                if n & step:
                    continue
                upper, lower = rows[n], rows[n + step]
                places = range(SQUARE)
                high = [SQUARE + j - step if j & step else j for j in places]
                low = [SQUARE + j if j & step else j + step for j in places]
                rows[n] = builder.shuffle_vector(upper, lower, _mask(high))
                rows[n + step] = builder.shuffle_vector(upper, lower, _mask(low))
        for n, row in enumerate(rows):
            place = builder.add(out_at, builder.mul(stride, long(n)))
            builder.store(row, vector_at(out, place), align=4)
        return context.get_dummy_value()

    return types.void(source, source_at, out, out_at, out_stride), codegen


def _mask(places: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), SQUARE), places)
