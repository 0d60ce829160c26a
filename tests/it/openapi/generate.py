"""Generates a client from the document that is named first, as the package that is named second."""

import pathlib
import sys

from openapi_python_client.cli import app

document, package = sys.argv[1:]
settings = pathlib.Path(document).with_name("settings.yaml")
# The formatter is not installed here, and nobody reads what is made.
settings.write_text("post_hooks: []\ncontent_type_overrides: {application/yaml: text/plain}\n")
arguments = ["generate", "--path", document, "--meta", "none", "--output-path", package]
app([*arguments, "--config", str(settings), "--fail-on-warning"])
