"""The JSON Schema of a study, for editors: generated from the classes that check it, with the measures there are.

`python -m analysis.config.schema` writes configs/schema.json anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.config.load import registry, study_model

SCHEMA = Path(__file__).resolve().parents[2] / "configs" / "schema.json"


def schema_text() -> str:
    """What configs/schema.json must hold."""
    schema: dict[str, Any] = study_model(registry()).model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(head | schema, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema_text())
