"""One place that tells the libraries beneath us what not to print: ftkit says the same in fewer words."""

from __future__ import annotations

import os
import warnings


def quiet_libraries() -> None:
    """Silences loading bars and loading reports; errors still come through. TRANSFORMERS_VERBOSITY wins."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        logging.set_verbosity_error()
    # Layers of T5, for one: no model of transformers writes over what a layer has returned.
    warnings.filterwarnings("ignore", message=r"FSDP2-wrapped module .* returned a view tensor")
