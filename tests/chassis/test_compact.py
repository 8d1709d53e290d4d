"""What is kept for a month is compressed, and comes back as it was."""

import zlib
from base64 import b85decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services._chassis.compact import WORTH_IT, compact, compact_answer, expand, expand_answer, short

KEPT = b85decode(
    "c=^b9r0%OGT>c?vS$%jO)lb$hCbwiv1$hNu;aHTK3<{r0vI|MvZpL1G8tWPw>KdAa7#Ud^8e19REj|gGO-{jDguP@<Hl%ggnv7An7GspIMc9hhEY$"
    "KfIkBJw7=OCOd5HzUEK)*5c}pN2r{w3Ql9HAIMr!6X"
)
"""What an installation has kept of an answer; later versions must read it."""


@given(st.binary(max_size=600) | st.binary(max_size=300).map(lambda data: b"\x00z" + data))
def test_all_bytes_come_back(data: bytes) -> None:
    assert expand(compact(data)) == data


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300)))
def test_all_fields_come_back(fields: dict[str, str]) -> None:
    given_fields = {name: value.encode() for name, value in fields.items()}
    assert expand_answer(compact_answer(given_fields)) == {name.encode(): value for name, value in given_fields.items()}


def test_what_was_kept_of_an_answer_is_read_for_ever() -> None:
    fields = expand_answer(KEPT)
    assert (fields[b"topic"], fields[b"key"]) == (b"phase.results.v1", b"123456789012/us-west-2/c/s")
    assert b'["ce_causeid","c1"]' in fields[b"headers"]
    assert fields[b"value"].endswith(b'"cause":null,"summary":"done","output":null,"policy_digest":""}')
    assert len(KEPT) < sum(map(len, fields.values())) / 4


def test_what_is_no_answer_or_half_of_it_is_told() -> None:
    for other in (b"{}", KEPT[: len(KEPT) // 2]):
        with pytest.raises(zlib.error):
            expand_answer(other)


def test_json_shrinks_and_what_the_version_before_kept_is_read_as_it_is() -> None:
    json = b'{"gate": "error_rate", "verdict": "pass"}' * 20
    assert len(compact(json)) < len(json) / 3
    assert expand(json) == json
    assert compact(json[: WORTH_IT - 1]) == json[: WORTH_IT - 1]


def test_a_short_name_is_of_one_text_and_has_one_length() -> None:
    names = {short(f"{number}:a") for number in range(1000)} | {short("")}
    assert len(names) == 1001
    assert {len(name) for name in names} == {22}
