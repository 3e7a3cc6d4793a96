"""What the steps of a run so far add up to: a part of every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ftkit.data.files import atomic_write_json
from ftkit.json_file import read_json_object

TOTALS_FILE = "totals.json"


@dataclass(frozen=True)
class Totals:
    """What the steps so far add up to, which the Trainer forgets when a run is interrupted.

    Attributes:
        logged_loss: sum of the losses of the steps up to the last logged one, averaged over ranks.
        unlogged_losses: sum of the losses of those after it, of each rank.
        unlogged_items: terms of the loss in those steps, of all ranks; None where an earlier release has made the
            checkpoint.
        last_logged_step: the step up to which losses have been logged.
        skipped_steps: steps that were left out since their loss or gradient was not finite.
        evaluation_is_due: whether the run was interrupted in the middle of an evaluation.
        max_positions_at_once: to how many positions parts of a batch have been limited since memory was too small for
            more; 0: it was not.
    """

    logged_loss: float = 0.0
    unlogged_losses: tuple[float, ...] = (0.0,)
    unlogged_items: int | None = None
    last_logged_step: int = 0
    skipped_steps: int = 0
    evaluation_is_due: bool = False
    max_positions_at_once: int = 0

    def save(self, folder: Path) -> None:
        """Writes them into a checkpoint."""
        known = {name: value for name, value in asdict(self).items() if value is not None}
        atomic_write_json(folder / TOTALS_FILE, known)

    @classmethod
    def load(cls, folder: Path) -> Totals | None:
        """Reads them from a checkpoint; None where an earlier release has made the checkpoint.

        Raises:
            ValueError: the file holds something else.
        """
        path = folder / TOTALS_FILE
        if not path.is_file():
            return None
        values = read_json_object(path)
        losses = values.pop("unlogged_losses", None)
        is_known = values.keys() <= {field.name for field in fields(cls)} and isinstance(losses, list) and losses
        if not is_known or not all(isinstance(value, (int, float)) for value in (*values.values(), *losses)):
            raise ValueError("it does not hold what ftkit wrote")
        return cls(**values, unlogged_losses=tuple(losses))
