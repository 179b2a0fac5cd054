"""Forms of texts: what is accepted, in values and in the JSON Schema alike."""

from __future__ import annotations

import jsonschema
import pytest

from metatype import Attribute, AttributeType, ObjectClass, TextFormat, json_schema, loads

ENDPOINT = Attribute("url", AttributeType.STRING, format=TextFormat.HTTP_ENDPOINT)


def is_accepted(text: str) -> bool:
    object_class = ObjectClass("o", "O", attributes={"url": ENDPOINT})
    accepted = not object_class.validate({"url": text})
    assert jsonschema.Draft202012Validator(json_schema(object_class)).is_valid({"url": text}) is accepted
    return accepted


@pytest.mark.parametrize(
    "text",
    [
        *("http://scep-server-endpoint:8999", "https://ca.example", "http:scep-server:8999", "HTTP://CA/"),
        *("http://10.0.0.1/scep", "http://[fe80::1]:80/cgi-bin/pkiclient.exe", " http://ca ", "http://ca/a@b"),
    ],
)
def test_a_server_is_an_endpoint(text: str) -> None:
    assert is_accepted(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "not a url", "ftp://ca", "http://", "http:///scep", "http:/ca", "http://ca:port", "http://a b"),
        *("http://user:canary@ca", "http://canary@ca/scep", "http:user:canary@ca", "http://user:canary\\@ca"),
        *("http://ca?key=canary", "http://ca/scep#canary", "http://ca/scep?canary"),
    ],
)
def test_what_is_none_is_refused_and_not_repeated(text: str) -> None:
    assert not is_accepted(text)
    (problem,) = ENDPOINT.problems(text)
    assert (problem.rule, problem.value) == ("format", None)
    assert "without user, password" in problem.message
    assert "canary" not in repr(problem)


def test_a_format_of_what_is_no_text_is_odd() -> None:
    text = (
        """{"objectClasses": [{"id": "o", "attributes": [{"id": "a", "type": "Long", "format": "http-endpoint"}]}]}"""
    )
    (warning,) = loads(text).warnings
    assert "is one of texts" in warning.message
