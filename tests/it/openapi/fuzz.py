"""The command line of the generative tester."""

from schemathesis.cli import schemathesis

schemathesis()
