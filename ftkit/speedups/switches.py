"""Variables of the environment that switch off the speed-ups of a whole process, which no key of a config reaches."""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLES: Mapping[str, str] = {
    "FTKIT_FILL_ROWS": "rows of products are filled up, so that there are fewer sizes",
    "FTKIT_REST_COLLECTOR": "Python's cycle collector rests while a command starts",
}
"""Variable -> what is switched off where it is 0. glibc's own variables do so for the memory that is kept."""


def is_switched_on(variable: str) -> bool:
    """Tells whether a speed-up of the process is in effect: it is unless its variable is 0."""
    assert variable in VARIABLES
    return os.environ.get(variable, "").strip() != "0"
