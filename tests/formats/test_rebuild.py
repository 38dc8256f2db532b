from __future__ import annotations

import collections
import pickle
from collections.abc import Callable

import format_files as files
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from elf.errors import ElfError
from elf.formats.found import Found
from elf.formats.pickles import Persistent, load
from elf.formats.rebuild import Storage, tensors_in

FLOATS = np.arange(60, dtype="<f4")


def _storage(array: np.ndarray, dtype: str = "f32", *, big_endian: bool = False) -> Storage:
    raw = np.frombuffer(array.tobytes(), np.uint8)
    return Storage(dtype, 1000, raw.size, lambda: raw, big_endian=big_endian)


def _found(root: object, storage: Storage | None = None) -> dict[str, Found]:
    return _from_pickle(files.pickled(root), lambda _: storage or _storage(FLOATS))


def _from_pickle(raw: bytes, resolve: Callable[[Persistent], Storage]) -> dict[str, Found]:
    found = tensors_in(load(memoryview(raw)).root, resolve, np.frombuffer(raw, np.uint8))
    return {item.name: item for item in found}


def _view(offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> files.Calls:
    return files.view(files.Stored(0), offset, shape, strides)


def test_names_are_paths_and_modules_leave_no_trace() -> None:
    tensor = _view(0, (2, 3), (3, 1))
    ordered = files.Calls(files.Name("collections", "OrderedDict"), ((("inner", 1),),))
    conv = files.Calls(files.Name("my.net", "Conv"), (), {"_buffers": {"b": tensor}})
    state = {"_parameters": {"w": files.parameter(tensor)}, "_modules": {"conv": conv}}
    module = files.Calls(files.Name("my.net", "Net"), (), state)
    root = {"state_dict": {"a.b": tensor}, "net": module, "list": [1, tensor], 7: (tensor,), "config": ordered}
    assert set(_found(root)) == {"state_dict.a.b", "net.w", "net.conv.b", "list.1", "7.0"}


def test_a_contiguous_view_is_a_range_of_its_storage() -> None:
    item = _found({"w": _view(4, (2, 3), (3, 1))})["w"]
    assert (item.start, item.length, item.decode) == (1016, 24, None)


@given(st.data())
def test_any_view_is_gathered_as_numpy_would(data: st.DataObject) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    strides = data.draw(st.tuples(*[st.integers(0, 4)] * len(shape)))
    offset = data.draw(st.integers(0, 10))
    big_endian = data.draw(st.booleans())
    stored = FLOATS.astype(">f4") if big_endian else FLOATS
    item = _found({"w": _view(offset, shape, strides)}, _storage(stored, big_endian=big_endian))["w"]
    want = np.array([FLOATS[offset + np.dot(index, strides)] for index in np.ndindex(shape)], "<f4").tobytes()
    raw = stored.tobytes()
    got = item.decode().tobytes() if item.decode else raw[item.start - 1000 :][: item.length]
    assert got == want
    if item.axes is not None:
        laid = np.frombuffer(raw[item.start - 1000 :][: item.length], "<f4")
        assert laid.reshape([shape[axis] for axis in item.axes]).transpose(np.argsort(item.axes)).tobytes() == want


def test_a_transposed_tensor_tells_how_it_lies() -> None:
    item = _found({"w": _view(0, (3, 2, 4), (1, 12, 3))})["w"]
    assert item.axes == (1, 2, 0)
    assert _found({"w": _view(0, (3, 2), (1, 4))})["w"].axes is None


@pytest.mark.parametrize(
    ("offset", "shape", "strides", "reason"),
    [
        (0, (61,), (1,), "reaches byte 244 of a storage of 240"),
        (59, (2,), (1,), "reaches"),
        (0, (2, 2), (1 << 40, 1), "reaches"),
        (-1, (2,), (1,), "impossible offset"),
        (0, (-2,), (1,), "impossible"),
        (0, (2,), (-1,), "impossible"),
        (0, (2,), (1, 1), "1 sizes and 2 strides"),
        (0, (2.0,), (1,), "impossible"),
        (0, (True,), (1,), "impossible"),
        (0, (1,) * 65, (1,) * 65, "impossible"),
        (1 << 70, (1,), (1,), "impossible"),
    ],
)
def test_a_view_outside_its_storage_is_refused(
    offset: int, shape: tuple[int, ...], strides: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(ElfError, match=reason):
        _found({"w": _view(offset, shape, strides)})


def test_scalars_and_empty_tensors() -> None:
    found = _found({"one": _view(3, (), ()), "none": _view(0, (0, 5), (5, 1))})
    assert (found["one"].start, found["one"].length, found["one"].shape) == (1012, 4, ())
    assert (found["none"].nbytes, found["none"].length) == (0, 0)


def test_types_can_come_with_the_tensor() -> None:
    def typed(dtype: object) -> files.Calls:
        args = (files.Stored(0), 0, (4,), (1,), False, {}, dtype)
        return files.Calls(files.Name("torch._utils", "_rebuild_tensor_v3"), args)

    storage = _storage(FLOATS, "u8")
    for name, ours in (("float8_e4m3fn", "f8_e4m3"), ("bfloat16", "bf16"), ("uint16", "u16"), ("float32", "f32")):
        assert _found({"w": typed(files.Name("torch", name))}, storage)["w"].dtype == ours
    with pytest.raises(ElfError, match="unknown dtype"):
        _found({"w": typed(files.Name("torch", "float7"))}, storage)
    with pytest.raises(ElfError, match="unknown dtype"):
        _found({"w": typed("float32")}, storage)


def test_quantised_tensors_bring_their_scales() -> None:
    scales = _view(0, (4,), (1,))
    quantiser = (files.Name("torch", "per_channel_affine"), scales, scales, 0)
    args = (files.Stored(0), 0, (4, 2), (2, 1), quantiser, False, {})
    found = _found({"w": files.Calls(files.Name("torch._utils", "_rebuild_qtensor"), args)})
    assert {name: item.role for name, item in found.items()} == {
        "w": None,
        "w.quantizer.1": "scale",
        "w.quantizer.2": "scale",
    }


def test_sparse_tensors_and_subclasses_are_looked_into() -> None:
    tensor = _view(0, (4,), (1,))
    sparse = files.Calls(files.Name("torch._utils", "_rebuild_sparse_tensor"), (0, (tensor, tensor, (8,))))
    function, args = tensor.function, tensor.args
    subclass = files.Calls(
        files.Name("torch._tensor", "_rebuild_from_type_v2"), (function, files.Name("my", "Tensor"), args, {"x": 1})
    )
    assert set(_found({"s": sparse, "t": subclass})) == {"s.1.0", "s.1.1", "t"}


def test_a_tensor_used_twice_is_found_under_both_names() -> None:
    tensor = _view(0, (4,), (1,))
    raw = b"\x80\x02}(X\1\0\0\0a" + files.pickled(tensor)[2:-1] + b"q\x05X\1\0\0\0bh\x05u."
    assert set(_from_pickle(raw, lambda _: _storage(FLOATS))) == {"a", "b"}


def test_cycles_end_and_shared_containers_are_searched_once() -> None:
    raw = b"\x80\x02]q\0h\0ah\0a" + files.pickled(_view(0, (4,), (1,)))[2:-1] + b"a."
    assert set(_from_pickle(raw, lambda _: _storage(FLOATS))) == {"2"}
    doubled = b"\x80\x02)" + b"2\x86" * 200 + b"."  # 2^200 paths
    assert _from_pickle(doubled, lambda _: _storage(FLOATS)) == {}


def test_text_made_of_doubled_tuples_is_never_written_out() -> None:
    doubled = b")" + b"2\x86" * 100  # its repr would be of 2^100 characters
    dtype = b"cnumpy\ndtype\n" + doubled + b"\x85R"
    scalar = b"\x80\x02cnumpy.core.multiarray\nscalar\n" + dtype + b"C\0\x86R."
    assert _from_pickle(scalar, lambda _: _storage(FLOATS)) == {}
    keyed = b"\x80\x02}" + doubled + b"K\1s."
    assert _from_pickle(keyed, lambda _: _storage(FLOATS)) == {}


def test_wrapped_tensors_do_not_multiply() -> None:
    twice = b"\x80\x02)" + b"q\0ctorch._utils\n_rebuild_parameter\nh\0h\0\x86\x85R" * 100 + b"."  # 2^100 paths
    assert _from_pickle(twice, lambda _: _storage(FLOATS)) == {}
    nested = b"\x80\x02)" + b"q\0ctorch._utils\n_rebuild_parameter\nh\0\x85R" * 400 + b"."
    with pytest.raises(ElfError, match="wrapped more than"):
        _from_pickle(nested, lambda _: _storage(FLOATS))


def test_deep_objects_are_refused() -> None:
    with pytest.raises(ElfError, match="deep"):
        _from_pickle(b"]" * 100_000 + b"a" * 99_999 + b".", lambda _: _storage(FLOATS))


def test_calls_that_are_not_what_they_seem_are_refused() -> None:
    rebuild = files.Name("torch._utils", "_rebuild_tensor_v2")
    for args in ((), (1, 2), (1, 0, (2,), (1,)), ([], 0, 2, 1)):
        with pytest.raises(ElfError, match=r"lacks some|no storage"):
            _found({"w": files.Calls(rebuild, args)})
    assert _found({"w": files.Calls(files.Name("os", "system"), ("true",))}) == {}


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("code", ["<f4", ">f4", "|i1", "<i8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_in_pickles_are_rebuilt(protocol: int, code: str, order: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(code).copy(order=order)
    raw = pickle.dumps({"x": array, "one": array[0, 1], "mean": collections.OrderedDict(y=array.T)}, protocol)
    found = _from_pickle(raw, lambda _: _storage(FLOATS))
    little = array.astype(array.dtype.newbyteorder("<"))
    want = {"x": little, "one": little[0, 1], "mean.y": little.T}
    for name, item in found.items():
        got = item.decode().tobytes() if item.decode else raw[item.start :][: item.length]
        assert got == want.pop(name).tobytes("C")
    assert not want


def test_arrays_of_objects_and_text_are_no_tensors() -> None:
    raw = pickle.dumps([np.array([{}, None], object), np.array(["a"]), np.datetime64("2024-01-01")])
    assert _from_pickle(raw, lambda _: _storage(FLOATS)) == {}
