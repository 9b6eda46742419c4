"""xs:dateTime is read by one strict grammar; what the standard library would also take is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saml_slo.errors import MessageRefused, Reason
from saml_slo.wire import instants

MOMENT = datetime(2026, 11, 20, 6, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T06:26:00Z", MOMENT),
        ("2026-11-20T06:26:00.1Z", MOMENT + timedelta(milliseconds=100)),
        ("2026-11-20T06:26:00.123456Z", MOMENT + timedelta(microseconds=123_456)),
        ("2026-11-20T06:26:00.1234567Z", MOMENT + timedelta(microseconds=123_456)),  # .NET writes seven digits
        ("2026-11-20T06:26:00.999999999999999999Z", MOMENT + timedelta(microseconds=999_999)),
        ("2026-11-20T06:26:00+00:00", MOMENT),
        ("2026-11-20T06:26:00-00:00", MOMENT),
        ("2026-11-20T07:56:00+01:30", MOMENT),
        ("2026-11-19T16:26:00-14:00", MOMENT),
        ("2026-11-20T20:26:00+14:00", MOMENT),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_in_utc(text, expected):
    """A time with a zone is that instant in UTC; fractions beyond microseconds are cut, never rounded."""
    assert instants.parse(text) == expected
    assert instants.parse(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-20T06:26:00",  # naive
        "2026-11-20",
        "2026-W47-5T06:26:00Z",  # week dates, which fromisoformat takes
        "2026-324T06:26:00Z",
        "20261120T062600Z",
        "2026-11-20 06:26:00Z",
        "2026-11-20t06:26:00z",
        "2026-11-20T06:26Z",
        "2026-11-20T06Z",
        "2026-11-20T06:26:00,5Z",
        "2026-11-20T06:26:00.Z",
        "2026-11-20T06:26:00.1234567890123456789Z",
        "2026-11-20T06:26:60Z",  # a leap second: Core 1.3.3 forbids them
        "2016-12-31T23:59:60Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T06:60:00Z",
        "2026-02-29T06:26:00Z",
        "2026-13-01T06:26:00Z",
        "2026-00-01T06:26:00Z",
        "2026-11-31T06:26:00Z",
        "0000-01-01T00:00:00Z",
        "-2026-11-20T06:26:00Z",
        "12026-11-20T06:26:00Z",
        "2026-11-20T06:26:00+15:00",
        "2026-11-20T06:26:00+14:01",
        "2026-11-20T06:26:00-14:59",
        "2026-11-20T06:26:00+01:60",
        "2026-11-20T06:26:00+0100",
        "2026-11-20T06:26:00+01",
        "2026-11-20T06:26:00+01:00:00",
        "2026-11-20T06:26:00ZZ",
        "2026-11-20T06:26:00UTC",
        "0001-01-01T00:00:00+14:00",  # before the first year there is
        "9999-12-31T23:59:59-00:01",  # after the last
        " 2026-11-20T06:26:00Z",
        "2026-11-20T06:26:00Z ",
        "2026-11-20T06:26:00Z\n",
        "\uff12\uff10\uff12\uff16-11-20T06:26:00Z",  # digits, but not ASCII
        "2026-11-20T06:26:00\u0661Z",
        "+2026-11-20T06:26:00Z",
        "2026-11-2 0T06:26:00Z",
        "9" * 100_000,
    ],
)
def test_everything_else_is_refused(text):
    """Whatever is not exactly a date, a time and a zone is a schema violation, told shortly."""
    with pytest.raises(MessageRefused) as refused:
        instants.parse(text)
    assert refused.value.reason == Reason.SCHEMA_VIOLATION
    assert len(str(refused.value)) < 200


@given(st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 30)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 - the zone is drawn too
def test_what_is_rendered_is_read(naive, minutes):
    """Every instant, whatever its zone, is read back as it was written, to the millisecond."""
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = instants.render(moment)
    assert text.endswith("Z")
    assert timedelta() <= moment - instants.parse(text) < timedelta(milliseconds=1)


@given(st.text(max_size=30) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"))
def test_nothing_but_a_refusal_is_raised(text):
    """Any text is an instant or a refusal, never another error."""
    try:
        instants.parse(text)
    except MessageRefused:
        return
