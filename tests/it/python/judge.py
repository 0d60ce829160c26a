"""Judges values by the schemas of a document.

Standard input: {"dialect": URI, "document": …, "cases": [{"at": JSON pointer, "value": …}]}.
Standard output: a list with null for each case that is valid, and with a text otherwise.
"""

import json
import sys
from urllib.parse import quote

from jsonschema.validators import validator_for
from referencing import Registry
from referencing.jsonschema import specification_with

DOCUMENT = "urn:kite:document"


def main():
    asked = json.load(sys.stdin)
    dialect = asked["dialect"]
    resource = specification_with(dialect).create_resource(asked["document"])
    registry = Registry().with_resource(DOCUMENT, resource)
    validator = validator_for({"$schema": dialect}, default=None)

    def judge(case):
        schema = {"$ref": DOCUMENT + "#" + quote(case["at"])}
        faults = validator(schema, registry=registry).iter_errors(case["value"])
        return next((f"{fault.json_path}: {fault.message}" for fault in faults), None)

    json.dump([judge(case) for case in asked["cases"]], sys.stdout)


main()
