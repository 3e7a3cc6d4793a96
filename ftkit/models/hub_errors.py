"""What went wrong between here and the Hub, as one message with its remedy; no token, address or header in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ftkit.errors import CheckpointError, FtkitError, HubError

STATUS_PAGE = "https://status.huggingface.co"
TOKEN_PAGE = "https://huggingface.co/settings/tokens"


def hub_error(error: Exception, what: str, *, repository: str, reading: bool = False) -> FtkitError:
    """Returns what to raise for an error of huggingface_hub or of the network beneath it.

    Args:
        what: the beginning of the message: what cannot be done.
        repository: `owner/name` or `owner/name@revision`.
        reading: a wrong name is then the user's mistake, which ends with exit code 2.
    """
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    name, _, revision = repository.partition("@")
    for cause in _causes(error):
        if isinstance(cause, RevisionNotFoundError):
            remedy = "Its page lists branches, tags and commits"
            made = "" if reading else f"; to make a branch: hf repos branch create {name} {revision}"
            return _not_found(f"{what}: {name} has no revision {revision or 'main'!r}. {remedy}{made}", reading)
        if isinstance(cause, GatedRepoError):
            return HubError(f"{what}: it is gated. Accept its terms on its page, then log in: hf auth login")
        if isinstance(cause, RepositoryNotFoundError):
            return _not_found(
                f"{what}: the Hub has no model repository {name!r}, or none that your token may see. Check the "
                "spelling; if it is private, log in (hf auth login) or set HF_TOKEN.",
                reading,
            )
    status, retry_after = _status(error)
    if status is not None:
        return HubError(f"{what}: {_of_status(status, retry_after, name)}")
    return HubError(f"{what}: {_of_network(error)}")


def _not_found(message: str, reading: bool) -> FtkitError:
    return CheckpointError(message) if reading else HubError(message)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error and what it was raised from: a broken upload arrives wrapped twice."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _status(error: Exception) -> tuple[int | None, str | None]:
    """Returns the HTTP status that an error comes from, and its Retry-After."""
    for cause in _causes(error):
        response: Any = getattr(cause, "response", None)
        status = getattr(response, "status_code", None)
        if isinstance(status, int):
            return status, response.headers.get("Retry-After")
    return None, None


def _of_status(status: int, retry_after: str | None, name: str) -> str:
    if status == 401:
        return f"the Hub does not know the token (401). Log in again (hf auth login), or set HF_TOKEN: {TOKEN_PAGE}"
    if status == 403:
        return f"the token may not do that to {name} (403). Take one with the role 'write' for its owner: {TOKEN_PAGE}"
    if status == 404:
        return f"the Hub does not find {name} (404). Check the spelling, and that HF_ENDPOINT is a Hub."
    if status in (409, 412):
        return f"somebody else changed {name} meanwhile ({status}). Run the same command again."
    if status == 413:
        return (
            "the Hub refuses the size (413). Push a trained adapter instead of a whole model (tuner.method: lora), "
            "or leave out --with-predictions."
        )
    if status == 429:
        waiting = f"in {retry_after} seconds" if retry_after and retry_after.isdigit() else "in some minutes"
        return f"the Hub has had too many requests (429). Run the same command again {waiting}."
    if status >= 500:
        return f"the Hub has a fault of its own ({status}). Run the same command again later; see {STATUS_PAGE}"
    return f"the Hub refuses ({status}). Check the name, the token and HF_ENDPOINT."


_CHECK = "Check the network, a proxy, and HF_ENDPOINT"


def _of_network(error: Exception) -> str:
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    causes = list(_causes(error))
    if any(isinstance(cause, OfflineModeIsEnabled) for cause in causes):
        return "HF_HUB_OFFLINE=1 forbids the network, and the cache does not have it. Unset HF_HUB_OFFLINE."
    names = {type(cause).__name__ for cause in causes}
    if names & {"ReadError", "WriteError", "RemoteProtocolError", "ReadTimeout", "WriteTimeout", "BrokenPipeError"}:
        return "the connection broke. Run the same command again: what has arrived is not sent twice."
    if names & {"ConnectError", "ConnectTimeout", "ProxyError", "PoolTimeout", "ConnectionError"}:
        return (
            "the Hub cannot be reached. Check the network, a proxy, and HF_ENDPOINT; then run the same command again."
        )
    if any(isinstance(cause, LocalEntryNotFoundError) for cause in causes):
        return (
            "the Hub cannot be reached, and the cache does not have it. Check the network, a proxy, and HF_ENDPOINT."
        )
    if "OSError" in names and any(getattr(cause, "errno", None) == 28 for cause in causes):
        return "no space is left on the disk. Free some, or set HF_HOME to a folder on another one."
    first = causes[-1]  # what it began with; the others say where it passed through
    reason = (str(first).strip() or type(first).__name__).splitlines()[0]
    return f"{type(first).__name__}: {reason[:300]}"
