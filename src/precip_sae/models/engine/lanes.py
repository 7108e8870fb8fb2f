"""Sixteen models as one value of compiled code: a vector of float32, one model per lane.

Loops written with such values say which numbers stay in registers, instead of hoping that a compiler finds out. They
become 512-bit instructions where the processor has them and two, four or more narrower ones elsewhere; every lane is
rounded as IEEE 754 says, so that the width changes no bit. An array is seen as a row of values: `get(a, i)` is lanes
16 i to 16 i + 15 of the array's memory.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable
from numpy.typing import NDArray

LANES = 16

_FLOATS, _INTEGERS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(32), LANES)
_UNALIGNED = 4  # bytes that an address is sure to be a multiple of


class Lanes(types.Type):
    """The type of sixteen float32 numbers."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = Lanes()


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, _FLOATS)


def _arithmetic(symbol: Callable, instruction: str) -> None:
    """Makes `a symbol b` of two values one instruction."""

    @type_callable(symbol)
    def typed(_: Any) -> Callable:
        return lambda a, b: lanes if a is lanes and b is lanes else None

    @lower_builtin(symbol, Lanes, Lanes)
    def lowered(_: Any, builder: ir.IRBuilder, __: Any, values: Any) -> ir.Value:
        return getattr(builder, instruction)(*values)


for _symbol, _instruction in {
    operator.add: "fadd", operator.iadd: "fadd", operator.sub: "fsub", operator.isub: "fsub",
    operator.mul: "fmul", operator.imul: "fmul", operator.truediv: "fdiv",
}.items():  # fmt: skip
    _arithmetic(_symbol, _instruction)


def _place(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
    """The address of value i of an array, which has to be contiguous."""
    if signature.args[0].layout != "C":
        raise TypeError(f"{signature.args[0]} holds no values, expected a contiguous array.")
    array = context.make_array(signature.args[0])(context, builder, values[0])
    return builder.gep(builder.bitcast(array.data, _FLOATS.as_pointer()), [values[1]])


def _constant(builder: ir.IRBuilder, number: int) -> ir.Constant:
    return ir.Constant(_INTEGERS, [number] * LANES)


@intrinsic
def get(context, array, i):
    """Value i of a float32 array."""

    def build(context, builder, signature, values):
        return builder.load(_place(context, builder, signature, values), align=_UNALIGNED)

    return lanes(array, types.intp), build


@intrinsic
def put(context, array, i, value):
    """Writes value i of a float32 array."""

    def build(context, builder, signature, values):
        builder.store(values[2], _place(context, builder, signature, values), align=_UNALIGNED)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), build


@intrinsic
def accumulate(context, sums, value):
    """Adds a value to float64 sums, one per lane."""

    def build(context, builder, signature, values):
        doubles = ir.VectorType(ir.DoubleType(), LANES)
        array = context.make_array(signature.args[0])(context, builder, values[0])
        place = builder.bitcast(array.data, doubles.as_pointer())
        added = builder.fadd(builder.load(place, align=_UNALIGNED), builder.fpext(values[1], doubles))
        builder.store(added, place, align=_UNALIGNED)
        return context.get_dummy_value()

    return types.void(sums, value), build


@intrinsic
def spread(context, number):
    """A float32 number in every lane."""

    def build(context, builder, signature, values):
        one = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), values[0], ir.IntType(32)(0))
        return builder.shuffle_vector(one, ir.Constant(_FLOATS, ir.Undefined), _constant(builder, 0))

    return lanes(types.float32), build


def _selecting(comparison: str) -> Callable:
    @intrinsic
    def chosen(context, a, b, then, otherwise):
        def build(context, builder, signature, values):
            a, b, then, otherwise = values
            return builder.select(builder.fcmp_ordered(comparison, a, b), then, otherwise)

        return lanes(a, b, then, otherwise), build

    return chosen


where_above = _selecting(">")  # (a, b, then, otherwise): lane by lane `then` where a > b, else `otherwise`
where_equal = _selecting("==")  # the same where a == b


def _of_one(build: Callable[[ir.IRBuilder, ir.Value], ir.Value]) -> Callable:
    @intrinsic
    def function(context, x):
        return lanes(x), lambda context, builder, signature, values: build(builder, values[0])

    return function


def _root(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    kind = ir.FunctionType(_FLOATS, [_FLOATS])
    return b.call(cgutils.get_or_insert_function(b.module, kind, f"llvm.sqrt.v{LANES}f32"), [x])


def _magnitude(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    return b.bitcast(b.and_(b.bitcast(x, _INTEGERS), _constant(b, 0x7FFFFFFF)), _FLOATS)


def _truncated(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    return b.sitofp(b.fptosi(x, _INTEGERS), _FLOATS)


def _power_of_two(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    biased = b.add(b.fptosi(x, _INTEGERS), _constant(b, 127))
    return b.bitcast(b.shl(biased, _constant(b, 23)), _FLOATS)


def _exponent(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    biased = b.lshr(b.bitcast(x, _INTEGERS), _constant(b, 23))
    return b.sitofp(b.sub(biased, _constant(b, 126)), _FLOATS)


def _mantissa(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
    bits = b.and_(b.bitcast(x, _INTEGERS), _constant(b, 0x007FFFFF))
    return b.bitcast(b.or_(bits, _constant(b, 0x3F000000)), _FLOATS)


root = _of_one(_root)
magnitude = _of_one(_magnitude)  # |x|
truncated = _of_one(_truncated)  # the whole number towards zero
power_of_two = _of_one(_power_of_two)  # 2^x of whole numbers from -126 to 127
exponent = _of_one(_exponent)  # x = mantissa 2^exponent for positive x
mantissa = _of_one(_mantissa)  # in [0.5, 1)


def aligned(*shape: int) -> NDArray[np.float32]:
    """Zeros in memory that begins at a cache line: no value then lies across two of them."""
    size = int(np.prod(shape))
    memory = np.zeros(size + LANES, np.float32)
    skip = -(memory.ctypes.data // memory.itemsize) % LANES
    return memory[skip : skip + size].reshape(shape)
