"""Values of records as people write them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from compute.cli.columns import size
from compute.provisioner import models, schemas
from compute.provisioner.fields import (
    Address,
    Architecture,
    Bytes,
    Cores,
    LabelKey,
    Mac,
    Name,
    XName,
)

modest = settings(max_examples=50, deadline=None)
numbers = st.integers(0, 10**6)


def read(kind, value):
    return TypeAdapter(kind).validate_python(value)


def refusal(kind, value):
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    return caught.value.errors()[0]["msg"]


@modest
@given(st.integers(0, 9999), st.integers(0, 7), numbers, numbers, numbers, st.none() | numbers)
def test_an_xname_is_known_however_it_is_written(cabinet, chassis, slot, bmc, node, virtual):
    end = "" if virtual is None else f"v{virtual}"
    plain = f"x{cabinet}c{chassis}s{slot}b{bmc}n{node}{end}"
    assert read(XName, plain) == plain
    assert read(XName, f"X{cabinet:04}C{chassis}S{slot:07}B{bmc}N{node}{end.upper()}") == plain


@pytest.mark.parametrize(
    "text",
    [
        "x10000c0s0b0n0",
        "x1c8s0b0n0",
        "x1c0s0b0",
        "x1c0s0b0n",
        "x1c0r1b0n0",
        "x1c0s0b0n0 ",
        "x²c0s0b0n0",
    ],
)
def test_what_is_not_the_xname_of_a_node_is_refused_by_name(text):
    assert repr(text) in refusal(XName, text)


@modest
@given(st.binary(min_size=6, max_size=6).filter(lambda octets: not octets[0] & 1))
def test_a_mac_address_has_one_form(octets):
    plain = octets.hex(":")
    spellings = {plain, plain.upper(), octets.hex("-"), octets.hex()}
    assert {read(Mac, spelling) for spelling in spellings} == {plain}


@pytest.mark.parametrize("text", ["a4:bf:01:2b:3c", "a4:bf:01:2b:3c:4g", "01:00:5e:00:00:01", "x"])
def test_what_is_not_the_mac_address_of_a_machine_is_refused(text):
    assert repr(text) in refusal(Mac, text)


@pytest.mark.parametrize(
    "text", ["10.0.0", "300.1.1.1", "0.0.0.0", "224.0.0.1", "127.0.0.1", "host"]
)
def test_what_is_not_the_address_of_another_machine_is_refused(text):
    assert text in refusal(Address, text)


def test_addresses_have_one_form():
    assert read(Address, "FD00:0::17") == "fd00::17"
    assert read(Architecture, "ARM64") == "aarch64"
    assert "x86_64" in refusal(Architecture, "vax")


@modest
@given(st.integers(0, 2**50))
def test_bytes_are_shown_as_they_can_be_given(count):
    assert read(Bytes, size(count)) == count


@pytest.mark.parametrize(
    ("text", "count"), [("4Gi", 4 * 2**30), ("1.5 GB", 1_500_000_000), ("512MiB", 2**29), (7, 7)]
)
def test_bytes_may_have_units(text, count):
    assert read(Bytes, text) == count


@pytest.mark.parametrize("value", ["4Q", "Gi", "-1", -1, 2**63, "many"])
def test_what_is_not_a_number_of_bytes_is_refused(value):
    refusal(Bytes, value)


def test_cores_may_be_thousandths():
    assert (read(Cores, "500m"), read(Cores, "2"), read(Cores, 0.5)) == (0.5, 2, 0.5)
    refusal(Cores, float("nan"))


@pytest.mark.parametrize("text", ["", "A", "-a", "a-", "a_b", "a" * 64, "a\n", "é"])
def test_what_is_not_a_name_is_refused(text):
    refusal(Name, text)


@pytest.mark.parametrize("text", ["team", "compute.io/pool", "a.b-c_d"])
def test_keys_of_labels_may_have_a_domain(text):
    assert read(LabelKey, text) == text


@pytest.mark.parametrize(
    ("choices", "field"),
    [
        (models.Backend, "backend"),
        (models.Role, "role"),
        (models.Capacity, "capacity"),
    ],
)
def test_documents_offer_what_the_records_hold(choices, field):
    schema = schemas.PoolSpec.model_json_schema()["properties"][field]
    assert schema["enum"] == list(choices.values)


def test_a_pool_has_the_same_defaults_by_document_and_by_program():
    written = schemas.PoolSpec().model_dump()
    made = models.Pool()
    assert written == {name: getattr(made, name) for name in written}
