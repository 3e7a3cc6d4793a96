"""`ftkit schema`: the JSON schema of a config, for editors."""

from __future__ import annotations

import typer


def command() -> None:
    """Print the JSON schema of a config.

    Editors complete and check keys when a YAML file's first line names it:
    # yaml-language-server: $schema=schema.json
    """
    import json

    from ftkit.config.run_config import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
