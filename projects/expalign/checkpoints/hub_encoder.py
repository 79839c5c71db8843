"""A text encoder of the model hub, brought into the hub's cache before a model asks for it.

transformers fetches without a word; here size and terms are said, the weights are checked by their
hash, and what goes wrong is one line.
"""

import hashlib
import sys
from pathlib import Path
from typing import NamedTuple

from expalign.utils.download import BLOCK, FetchError, hub_endpoint, is_offline
from expalign.utils.hub_errors import OUT_OF_REACH, hub_failure


class HubEncoder(NamedTuple):
    """Files of a repository.

    Attributes:
        repository: its name on the hub.
        files: what is needed of it, the weights last.
        sha256: of the weights.
        megabytes: of all, about.
        terms: who made it, and under which licence it is.
    """

    repository: str
    files: tuple[str, ...]
    sha256: str
    megabytes: int
    terms: str


def is_cached(encoder: HubEncoder) -> bool:
    """Whether the hub's cache has the weights, in this or another form."""
    from huggingface_hub import try_to_load_from_cache
    return any(isinstance(try_to_load_from_cache(encoder.repository, name), str)
               for name in (encoder.files[-1], 'model.safetensors'))


def fetch_encoder(encoder: HubEncoder) -> None:
    """Bring the files into the hub's cache; those that are there already stay.

    Raises:
        FetchError: the hub cannot be reached, has no such file, or another one.
    """
    if is_cached(encoder):
        return
    from huggingface_hub import hf_hub_download, hf_hub_url
    endpoint = hub_endpoint()
    address = hf_hub_url(encoder.repository, encoder.files[-1], endpoint=endpoint)
    remedy = "fill the hub's cache on another machine and point HF_HOME at it"
    if is_offline():
        raise FetchError(f'{address} was not fetched, because HF_HUB_OFFLINE is set. Unset it, or '
                         f'{remedy}')
    print(f'Fetching {address} ({encoder.megabytes} MB). {encoder.terms}', file=sys.stderr,
          flush=True)
    try:
        for name in encoder.files:
            path = Path(hf_hub_download(encoder.repository, name, endpoint=endpoint))
    except (OSError, ValueError, RuntimeError) as error:
        reason = hub_failure(error) or ' '.join(str(error).split()) or type(error).__name__
        reason = 'it is out of reach.' if reason == OUT_OF_REACH else reason
        raise FetchError(f'{address} cannot be fetched: {reason} Try again, or {remedy}') from error
    _check(path, encoder, address)


def _check(path: Path, encoder: HubEncoder, address: str) -> None:
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != encoder.sha256:
        for name in (path.resolve(), path):
            name.unlink(missing_ok=True)
        raise FetchError(
            f'{address} is not the file that is expected: its sha256 is {digest.hexdigest()}, and '
            f'should be {encoder.sha256}. It was removed: try again')
