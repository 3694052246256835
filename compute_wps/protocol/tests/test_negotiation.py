import pytest

from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.negotiation import check_update_sequence, negotiate_language

OFFERED = ("en-US", "de", "fr-CA")


@pytest.mark.parametrize(
    ("requested", "answered"),
    [
        (None, "en-US"),
        ("", "en-US"),
        ("*", "en-US"),
        ("en", "en-US"),
        ("EN-us", "en-US"),
        ("de", "de"),
        ("de-AT", "de"),
        ("fr", "fr-CA"),
    ],
)
def test_a_language_is_answered_by_the_nearest_offered_one(requested, answered):
    assert negotiate_language(requested, OFFERED) == answered


@pytest.mark.parametrize("requested", ["it", "e", "english", "d"])
def test_an_unknown_language_is_refused_with_the_offered_ones(requested):
    with pytest.raises(ProtocolError, match="en-US, de, fr-CA") as caught:
        negotiate_language(requested, OFFERED)
    assert (caught.value.code, caught.value.locator) == ("InvalidParameterValue", "language")


@pytest.mark.parametrize(
    ("requested", "current"),
    [
        (None, "7"),
        ("7", "7"),
        ("9", "10"),
        ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
    ],
)
def test_an_equal_or_older_update_sequence_is_served(requested, current):
    check_update_sequence(requested, current)


@pytest.mark.parametrize(
    ("requested", "current"), [("10", "9"), ("2027-01-01T00:00:00Z", "2026-01-02T00:00:00Z")]
)
def test_a_later_update_sequence_is_refused(requested, current):
    with pytest.raises(ProtocolError) as caught:
        check_update_sequence(requested, current)
    assert (caught.value.code, caught.value.locator) == ("InvalidUpdateSequence", "updateSequence")
