"""The component's descriptors: two notations of one model, which says what the design says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import components.scep.component
import metatype
from components.scep.component import PID
from metatype import AttributeType, ChangePolicy, Secret

FOLDER = Path(components.scep.component.__file__).parent


@pytest.fixture(scope="module")
def object_class() -> metatype.ObjectClass:
    found = metatype.load(FOLDER / "scep.xml").object_class_for(PID)
    assert found is not None
    return found


def test_xml_and_json_load_to_the_same_model() -> None:
    xml, json = metatype.load(FOLDER / "scep.xml"), metatype.load(FOLDER / "scep.json")
    assert xml == json
    assert xml.warnings == json.warnings == ()


@dataclass(frozen=True)
class Row:
    name: str
    type: AttributeType
    default: Any
    change: ChangePolicy = ChangePolicy.MODIFY


TABLE = (
    Row("enabled", AttributeType.BOOLEAN, False, ChangePolicy.REACTIVATE),
    Row("KeystoreService.target", AttributeType.STRING, "(kura.service.pid=EnrollmentKeystore)"),
    Row("server.url", AttributeType.STRING, "http://scep-server-endpoint:8999", ChangePolicy.BOOTSTRAP),
    Row("server.ca.verification.method", AttributeType.STRING, "FINGERPRINT"),
    Row("server.bootstrap-certificate", AttributeType.STRING, "", ChangePolicy.BOOTSTRAP),
    Row("server.ca.fingerprint", AttributeType.STRING, "", ChangePolicy.BOOTSTRAP),
    Row("server.rollover", AttributeType.BOOLEAN, True),
    Row("certificate.expiration.check.time", AttributeType.INTEGER, 240),
    Row("connect.retry-interval", AttributeType.INTEGER, 60),
    Row("client.challenge.password", AttributeType.PASSWORD, Secret("")),
    Row("client.renew", AttributeType.BOOLEAN, False),
    Row("client.subject.dn", AttributeType.STRING, ""),
    Row("client.keypair.size", AttributeType.INTEGER, 2048),
    Row("client.subject.alternative-names", AttributeType.STRING, []),
    Row("server.ca.identifier", AttributeType.STRING, ""),
    Row("server.tls.ca-bundle", AttributeType.STRING, ""),
    Row("security.profile", AttributeType.STRING, "standard"),
)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
@pytest.mark.requirement("design 6: properties")
def test_a_property_is_as_the_design_has_it(object_class: metatype.ObjectClass, row: Row) -> None:
    attribute = object_class.attributes[row.name]
    assert (attribute.type, attribute.change) == (row.type, row.change)
    assert object_class.coerce({})[row.name] == row.default
    assert attribute.name
    assert attribute.description


@pytest.mark.requirement("design 6: properties")
def test_there_is_no_other_property(object_class: metatype.ObjectClass) -> None:
    assert set(object_class.attributes) == {row.name for row in TABLE}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("server.ca.verification.method", "PROVIDED_CERTIFICATE", "provided"),
        ("client.keypair.size", "4096", "1536"),
        ("certificate.expiration.check.time", "1", "0"),
        ("connect.retry-interval", "1", "0"),
        ("security.profile", "legacy", "none"),
        ("enabled", "true", "yes"),
    ],
)
def test_bounds_and_options(object_class: metatype.ObjectClass, name: str, good: str, bad: str) -> None:
    assert object_class.attributes[name].validate(good) == ()
    assert object_class.attributes[name].validate(bad) != ()
