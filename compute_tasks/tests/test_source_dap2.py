"""The texts and bytes of OPeNDAP 2."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.sources import dap2, opendap
from compute_tasks.sources.dap2 import AnswerError, Leaf

THREDDS_DDS = """Dataset {
    Float64 lat[lat = 3];
    Grid {
     ARRAY:
        Float32 tas[time = 12][lat = 3];
     MAPS:
        Float64 time[time = 12];
        Float64 lat[lat = 3];
    } tas;
    String name[5];
    Structure { Int32 a; Structure { Byte b[2]; } inner; } outer;
    Sequence { Int32 id; } obs;
    Float64 height;
} cmip6/a b:c.nc;
"""
THREDDS_DAS = r"""Attributes {
    tas {
        Float32 _FillValue 1.0E20;
        Int32 _ChunkSizes 1, 3;
        String comment "a \"quoted\" text; with {braces}, commas
and a second line, ends in a backslash \\";
        Float64 valid_range -Infinity, NaN;
        Byte flag 255;
        String empty "";
        String ns:name "x";
    }
    NC_GLOBAL { String title "T"; UInt16 n 7; }
    DODS_EXTRA { String Unlimited_Dimension "time"; }
}
"""


def test_declarations_are_read_with_the_names_requests_use():
    leaves = dap2.parse_dds(THREDDS_DDS)
    assert [leaf.path for leaf in leaves] == [
        "lat",
        "tas.tas",
        "tas.time",
        "tas.lat",
        "name",
        "outer.a",
        "outer.inner.b",
        "height",
    ]
    assert leaves[1] == Leaf("tas.tas", "float32", ("time", "lat"), (12, 3))
    assert leaves[4] == Leaf("name", "string", ("",), (5,))


def test_attributes_keep_their_declared_types():
    attributes = dap2.parse_das(THREDDS_DAS)
    tas = attributes["tas"]
    assert tas["_FillValue"].dtype == "f4"
    assert tas["_FillValue"] == np.float32(1e20)
    assert tas["_ChunkSizes"].tolist() == [1, 3]
    assert tas["comment"] == (
        'a "quoted" text; with {braces}, commas\nand a second line, ends in a backslash \\'
    )
    assert tas["valid_range"][0] == -np.inf
    assert np.isnan(tas["valid_range"][1])
    assert tas["flag"] == 255
    assert tas["empty"] == ""
    assert tas["ns:name"] == "x"
    assert attributes["NC_GLOBAL"] == {"title": "T", "n": 7}


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "Dataset { Float32 x", "Dataset { Float99 x; } a;", "Dataset { Byte x[y]; } a;"],
)
def test_what_is_no_declaration_is_refused(text):
    with pytest.raises(AnswerError):
        dap2.parse_dds(text)


@pytest.mark.parametrize(
    "text", ["", "<html>", "Attributes { x { Int32 a b; } }", "Attributes { x {"]
)
def test_what_are_no_attributes_is_refused(text):
    with pytest.raises(AnswerError):
        dap2.parse_das(text)


def encode(leaf, values):
    """Write an answer as the protocol prescribes, independently of the decoder."""
    names = {
        "int16": "i",
        "uint16": "I",
        "int32": "i",
        "uint32": "I",
        "float32": "f",
        "float64": "d",
    }
    dims = "".join(f"[x = {size}]" for size in leaf.shape)
    head = f"Dataset {{\n    {leaf.type} {leaf.path}{dims};\n}} x;\nData:\n".encode()
    flat = list(np.asarray(values, object).ravel())
    count = struct.pack(">I", len(flat))
    if leaf.type == "string":
        body = count if leaf.shape else b""
        for text in flat:
            raw = text.encode()
            body += struct.pack(">I", len(raw)) + raw + bytes(-len(raw) % 4)
        return head + body
    prefix = count * 2 if leaf.shape else b""
    if leaf.type == "byte":
        raw = bytes(flat)
        return head + prefix + raw + bytes(-len(raw) % 4)
    return head + prefix + struct.pack(f">{len(flat)}{names[leaf.type]}", *flat)


@st.composite
def arrays(draw):
    kind = draw(st.sampled_from([*dap2.WIRE, "string"]))
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    count = int(np.prod(shape, dtype=int))
    element = st.text(max_size=6) if kind == "string" else st.integers(0, 200)
    values = draw(st.lists(element, min_size=count, max_size=count))
    leaf = Leaf("v", kind, ("x",) * len(shape), shape)
    return leaf, np.array(values, leaf.dtype).reshape(shape)


@settings(deadline=None, max_examples=80)
@given(arrays())
def test_every_type_is_decoded(case):
    leaf, values = case
    found = dap2.decode(encode(leaf, values))["v"]
    assert found.dtype == leaf.dtype
    np.testing.assert_array_equal(found, values)


@settings(deadline=None, max_examples=60)
@given(arrays(), st.data())
def test_no_answer_with_bytes_missing_or_left_over_is_accepted(case, chosen):
    body = encode(*case)
    start = body.index(b"Data:") + 6
    cut = chosen.draw(st.integers(start, len(body) - 1))
    for wrong in (body[:cut], body + b"\0\0\0\0"):
        with pytest.raises(AnswerError):
            dap2.decode(wrong)


def test_a_length_that_differs_from_the_declaration_is_refused():
    body = encode(Leaf("v", "float32", ("x",), (2,)), [1, 2])
    for at in (len(body) - 16, len(body) - 12):
        wrong = body[:at] + struct.pack(">I", 3) + body[at + 4 :]
        with pytest.raises(AnswerError, match="3 values announced where 2"):
            dap2.decode(wrong)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1e20, False), (-99.9, False), (-1.26765e30, True), (9.96921e36, True), (np.nan, False)],
)
def test_a_fill_value_of_six_digits_may_have_been_rounded(value, expected):
    assert dap2.rounded(np.float32(value)) is expected


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.integers(0, 7), max_size=4).map(tuple),
    st.sampled_from([1, 4, 8]),
    st.integers(1, 400),
)
def test_pieces_cover_an_array_once_within_the_limit(shape, itemsize, limit):
    seen = np.zeros(shape, int)
    for piece in opendap.pieces(shape, itemsize, limit):
        seen[piece] += 1
        assert seen[piece].size * itemsize <= max(limit, itemsize)
    assert (seen == 1).all()
