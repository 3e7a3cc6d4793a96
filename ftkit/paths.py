"""Paths as users write them: told apart from what no file system takes, before anything is opened or made."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from ftkit.errors import UserError

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def user_path(given: str | Path, name: str = "") -> Path:
    """Returns the path that a user names, with `~` as the home folder; nothing need be there.

    Args:
        name: the setting that names it, such as `output_dir`; part of the message.

    Raises:
        UserError: no file system takes it: it is too long, holds a NUL, or names the home of nobody.
    """
    text, about = os.fspath(given), f"{name}: " if name else ""
    try:
        path = Path(text).expanduser()
        os.lstat(path)
    except RuntimeError:
        raise UserError(f"{about}{shown(text)}: there is no user of this name. Write the path without ~.") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(
                f"{about}{shown(text)} is too long for a path: {len(text):,} characters. Name a file or folder."
            ) from None
    except ValueError:
        raise UserError(f"{about}{shown(text)} is no path: it holds a character that no path has.") from None
    return path


def check_can_make(path: Path, name: str) -> None:
    """Refuses the path of a file or folder that is to be written where nothing can be.

    Args:
        path: what `user_path` gave.
        name: the setting that names it.

    Raises:
        UserError: a folder above it is a file, nothing may be written there, or its name has control characters.
    """
    if _CONTROL.search(str(path)):
        raise UserError(f"{name}: {shown(str(path))} holds a control character, or one that is no UTF-8. Remove it.")
    above = next((place for place in path.absolute().parents if os.path.lexists(place)), Path("/"))
    if not above.is_dir():
        raise UserError(f"{name}: {path} cannot be made, as {above} is a file. Name a place in a folder.")
    folder = path if path.is_dir() else above
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(
            f"{name}: {path} cannot be written: {folder} is read-only, or not yours. Choose another place; nothing "
            "was written."
        )


def shown(text: str) -> str:
    """Returns a path in quotes as a message shows it: of a long one the beginning."""
    return repr(text if len(text) <= 200 else f"{text[:80]}...")
