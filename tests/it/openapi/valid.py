"""Says whether the document on stdin is one of OpenAPI, and with an exit status other than 0 what is wrong with it."""

import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

faults = list(OpenAPIV31SpecValidator(json.load(sys.stdin)).iter_errors())
for fault in faults:
    print(fault, file=sys.stderr)
sys.exit(1 if faults else 0)
