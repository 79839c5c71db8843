"""Whether a model is at hand, and whether the hub answers, without waiting for it."""

import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from .pretrained import PretrainedModelError, resolve_model_source

SECONDS = 5.0


def is_at_hand(model: str) -> bool:
    """Whether a model's weights are a local path, part of a package, or in the hub's cache.

    A name that cannot be resolved counts: loading it says why.
    """
    from huggingface_hub import try_to_load_from_cache
    try:
        source = resolve_model_source(model)
    except PretrainedModelError:
        return True
    return Path(source).exists() or isinstance(
        try_to_load_from_cache(source, 'config.json'), str)


def hub_answers() -> bool:
    """Whether the model hub may be reached; behind a proxy nobody knows, and it may."""
    from huggingface_hub import constants
    if constants.HF_HUB_OFFLINE:
        return False
    if getproxies():
        return True
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (80 if address.scheme == 'http' else 443)
    try:
        socket.create_connection((address.hostname, port), SECONDS).close()
    except OSError:
        return False
    return True
