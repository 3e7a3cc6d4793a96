"""A conversation with a finished run: what was said so far, and the next answer, word by word."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ftkit.adapters.objective import Prediction
from ftkit.data.conversations import ConversationExample, Message, answer_turn, led_by, user_turn
from ftkit.errors import UserError

if TYPE_CHECKING:
    from ftkit.inference.predictor import Predictor


class Chat:
    """One conversation.

    Attributes:
        messages: said so far, what leads the conversation first.
        was_cut: whether the oldest turns were left out when the last question was asked.
    """

    def __init__(self, predictor: Predictor, system: str | None = None) -> None:
        """Begins a conversation.

        Args:
            system: what leads it.

        Raises:
            UserError: the run does not answer conversations.
        """
        if not predictor.adapter.objective.talks:
            raise UserError(
                f"{predictor.folder} does not answer conversations: it was trained for {predictor.kind.name}, and not "
                "on conversations. ftkit predict uses it."
            )
        self._predictor, self._system = predictor, system
        self.messages: list[Message] = []
        self.was_cut = False
        self.reset()

    def reset(self) -> None:
        """Forgets what was said."""
        self.messages = list(led_by(self._system, ()))

    def answer(self, text: str, on_text: Callable[[str], None]) -> Prediction:
        """Answers what a user says; what was written when it is interrupted counts as the answer.

        Args:
            on_text: called with the answer piece by piece, while it is written.

        Returns:
            `prediction`, and whether it was `cut_off`.
        """
        import torch

        from ftkit.models.attention_kernels import attention_of_any_shape

        adapter, model = self._predictor.adapter, self._predictor.model
        asked = (*self.messages, user_turn(text))
        encoded = adapter.preprocessor.encode([ConversationExample(id=0, messages=asked)], targets=False)
        batch = adapter.preprocessor.collate(encoded.rows.__getitems__([0]), training=False, rngs=None)
        self.was_cut = any(encoded.cut.values())
        told: list[str] = []

        def tell(piece: str) -> None:
            told.append(piece)
            on_text(piece)

        try:
            with torch.inference_mode(), attention_of_any_shape():
                found = adapter.objective.stream(model, batch.to(model.device), tell)
        except KeyboardInterrupt:
            found = {"prediction": "".join(told).strip(), "cut_off": True}
        self.messages = [*asked, answer_turn(str(found["prediction"]))]
        return found
