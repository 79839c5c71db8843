"""What went wrong at a model hub, in one sentence that says what to do."""

from collections.abc import Iterator

GATED = (
    'The repository is gated: accept its licence on the page of the model and log in with `hf auth '
    'login` (`huggingface-cli login` in older versions), or give the path of a local copy.')
NOT_FOUND = (
    'The model hub has no such repository, or it is private: check the spelling, log in with '
    '`hf auth login`, or give the path of a local folder.')
OUT_OF_REACH = (
    'It is no local folder, it is not in the local cache, and the model hub cannot be reached. '
    'Give the path of a local copy, or fill the cache on a machine with a network and point '
    'HF_HOME at it (HF_HUB_OFFLINE=1 then skips the attempts to connect).')


def hub_failure(error: BaseException) -> str:
    """Why huggingface_hub, or transformers through it, could not give a file.

    Args:
        error: what was raised; its causes are looked through.

    Returns:
        A sentence, or '' where the error is not of the hub's.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
    )
    causes = list(_causes(error))
    responses = (getattr(cause, 'response', None) for cause in causes)
    status = next((x.status_code for x in responses if hasattr(x, 'status_code')), None)
    for kinds, sentence in (
            (GatedRepoError, GATED),
            (RepositoryNotFoundError, NOT_FOUND),
            (RemoteEntryNotFoundError, ''),
            (HfHubHTTPError, f'The model hub answers with status {status}: try again later, or '
                             'give the path of a local copy.'),
            ((LocalEntryNotFoundError, OfflineModeIsEnabled, ConnectionError), OUT_OF_REACH)):
        if any(isinstance(cause, kinds) for cause in causes):
            return sentence
    # Of httpx, whose name has changed between versions of the hub's client.
    names = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    return OUT_OF_REACH if 'TransportError' in names else ''


def is_gated(error: BaseException) -> bool:
    """Whether the hub wants a licence to be accepted first."""
    return hub_failure(error) == GATED


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
