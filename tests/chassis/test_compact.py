"""What is kept for a month is compressed, and comes back as it was."""

from hypothesis import given
from hypothesis import strategies as st

from services._chassis.compact import WORTH_IT, compact, compact_fields, expand, expand_fields, short


@given(st.binary(max_size=600) | st.binary(max_size=300).map(lambda data: b"\x00z" + data))
def test_all_bytes_come_back(data: bytes) -> None:
    assert expand(compact(data)) == data


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300)))
def test_all_fields_come_back(fields: dict[str, str]) -> None:
    given_fields = {name: value.encode() for name, value in fields.items()}
    assert expand_fields(compact_fields(given_fields)) == {name.encode(): value for name, value in given_fields.items()}


def test_json_shrinks_and_what_the_version_before_kept_is_read_as_it_is() -> None:
    json = b'{"gate": "error_rate", "verdict": "pass"}' * 20
    assert len(compact(json)) < len(json) / 3
    assert expand(json) == json
    assert compact(json[: WORTH_IT - 1]) == json[: WORTH_IT - 1]


def test_a_short_name_is_of_one_text_and_has_one_length() -> None:
    names = {short(f"{number}:a") for number in range(1000)} | {short("")}
    assert len(names) == 1001
    assert {len(name) for name in names} == {22}
