"""What an operator is shown of a body that may name a person."""

import json
from typing import Any

import pytest

from pipeline.dead_letters.masking import HIDDEN, masked
from pipeline.events import EVENT_TYPES


def test_every_personal_field_of_every_event_type_is_hidden_however_deep_and_however_spelt() -> None:
    for spec in EVENT_TYPES.values():
        for name in spec.personal_data:
            alias = str(spec.model.model_fields[name].alias)
            for spelling in (alias, alias.upper(), alias.lower()):
                body = {"ClientId": 1, spelling: "planted", "deeper": [{spelling: {"x": "planted"}}]}
                shown = masked(json.dumps(body))
                assert "planted" not in json.dumps(shown)
                assert (shown["ClientId"], shown[spelling]) == (1, HIDDEN)


@pytest.mark.parametrize("value", ["not JSON, planted", '["planted"]', {"base64": "planted"}, '"planted"'])
def test_what_is_no_object_is_hidden_as_a_whole(value: Any) -> None:
    assert masked(value) == HIDDEN


def test_an_absent_value_stays_absent() -> None:
    assert masked(None) is None
    assert masked('{"Email": null}') == {"Email": None}


def test_free_text_is_masked_as_in_everything_that_is_derived_from_it() -> None:
    body = {"FirstName": "Planted", "deeper": [{"ErrorMessage": "call +46 70 000 00 00"}]}
    body["errormessage"] = "Planted asked planted@example.com about code 12"
    shown = masked(json.dumps(body))
    assert shown["errormessage"] == "[person] asked [e-mail] about code 12"
    assert shown["deeper"] == [{"ErrorMessage": "call [number]"}]
