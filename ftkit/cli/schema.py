"""`ftkit schema`: the JSON schema of a config, for editors."""

from __future__ import annotations


def command() -> None:
    """Print the JSON schema of a config.

    Editors complete and check keys when a YAML file's first line names it:
    # yaml-language-server: $schema=schema.json
    """
    from ftkit.config.run_config import json_schema
    from ftkit.console import say_json

    say_json(json_schema())
