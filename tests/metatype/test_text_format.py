"""Forms of texts: what is accepted, in values and in the JSON Schema alike."""

from __future__ import annotations

from dataclasses import replace

import jsonschema
import pytest

from metatype import Attribute, AttributeType, ObjectClass, TextFormat, json_schema, loads

ENDPOINT = Attribute("url", AttributeType.STRING, format=TextFormat.HTTP_ENDPOINT)
DIGEST = "cf93ee54a9c5c590b62e680d8aaa78d436a936b9750ed100c7aab045810a73f0"


def is_accepted(text: str, form: TextFormat = TextFormat.HTTP_ENDPOINT) -> bool:
    object_class = ObjectClass("o", "O", attributes={"url": replace(ENDPOINT, format=form, required=False)})
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


PEM = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (
            TextFormat.SHA256_FINGERPRINT,
            ("", DIGEST),
            (" ", "AB", DIGEST[1:], DIGEST + "0", DIGEST.upper(), f" {DIGEST}"),
        ),
        (
            TextFormat.PEM_CERTIFICATE,
            ("", "\n", PEM, f"subject=CN = a\n{PEM}"),
            ("garbage", PEM * 2, PEM[:-9], PEM[9:]),
        ),
        (TextFormat.DISTINGUISHED_NAME, ("", "CN=a", " CN=a+UID=b,1.2.3=#0401\n", "O=a\\, b"), ("a", "CN=a,", "X=a")),
    ],
)
def test_a_text_has_its_form_or_is_refused(form: TextFormat, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    assert [text for text in good if not is_accepted(text, form)] == []
    assert [text for text in bad if is_accepted(text, form)] == []


def test_a_fingerprint_as_other_programs_write_it_is_refused_with_how_it_is_to_be_written() -> None:
    attribute = replace(ENDPOINT, format=TextFormat.SHA256_FINGERPRINT)
    written = ":".join(DIGEST[at : at + 2] for at in range(0, 64, 2)).upper()
    (problem,) = attribute.validate(written)
    assert problem.message.endswith(f"in lower case and without colons: {DIGEST}")
    (problem,) = attribute.validate(f"{written}:00 canary")
    assert "canary" not in problem.message
    (problem,) = replace(attribute, type=AttributeType.PASSWORD).validate(written)
    assert DIGEST not in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "CN=a" + " " * 50_000 + ",",
        "CN=" + "a+" * 50_000,
        *(PEM[:40] + much for much in ("A\n" * 50_000, " " * 50_000 + "!", "= " * 50_000)),
    ],
    ids=["blanks", "signs", "lines", "blanks in PEM", "padding in PEM"],
)
@pytest.mark.parametrize("form", TextFormat)
def test_a_long_text_is_judged_at_once(form: TextFormat, text: str) -> None:
    assert not is_accepted(text, form)
