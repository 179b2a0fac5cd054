"""An atheris target for what reads descriptors: `python -m tools.fuzz.metatype [-max_total_time=60] [CORPUS]`.

atheris is no dependency of the project; install it where this runs: `pip install atheris`. A reader must end with a
descriptor or with a MetatypeError, and what it read must survive both notations; anything else is a finding. `check`
does the same for one input without atheris, which is how the tests use it.
"""

from __future__ import annotations

import metatype
from metatype import MetatypeError
from tools.fuzz import fuzz


def check(data: bytes) -> None:
    """Read an input as a descriptor and as a properties file, and use what was read."""
    try:
        metadata = metatype.loads(data, source="fuzz")
    except MetatypeError as error:
        if error.source != "fuzz":
            raise AssertionError("an error does not say where it comes from") from error
    else:
        _use(metadata)
    try:
        metatype.parse_properties(data, "fuzz")
    except MetatypeError as error:
        if error.line is None and len(data) <= 1024 * 1024:
            raise AssertionError("an error has no line") from error


def _use(metadata: metatype.MetaData) -> None:
    if metatype.loads(metatype.dumps(metadata, "json")) != metadata:
        raise AssertionError("JSON changed the descriptor")
    try:
        xml = metatype.dumps(metadata)
    except MetatypeError:
        return  # JSON has characters that XML cannot write
    if metatype.loads(xml) != metadata:
        raise AssertionError("XML changed the descriptor")
    for object_class in metatype.localize(metadata, {}).object_classes.values():
        metatype.json_schema(object_class)
        if any(one.rule != "required" for one in object_class.validate({})):
            raise AssertionError("nothing but what is required can be wrong with nothing")


if __name__ == "__main__":
    fuzz(check)
