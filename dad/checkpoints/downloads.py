"""Weights that are fetched, and a network that may not be there: its absence is found in seconds, not after a minute of
retries."""

import logging
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from dad.errors import DataError

_logger = logging.getLogger(__name__)
_PATIENCE = 5.0  # seconds
_TRUE = ("1", "ON", "YES", "TRUE")  # as huggingface_hub reads its variables
_PROXIES = ("https_proxy", "http_proxy", "all_proxy")


def prepare_hub() -> None:
    """Let huggingface_hub look into its cache alone if there is no way to the hub; call it before the hub is asked."""
    from huggingface_hub import constants  # slow to import, and most runs fetch nothing

    if constants.HF_HUB_OFFLINE or can_reach(constants.ENDPOINT):
        return
    _logger.info("no way to %s: what is not in its cache is not there", constants.ENDPOINT)
    constants.HF_HUB_OFFLINE = True  # as the variable of that name does, which is read at import only


def is_offline() -> bool:
    """Whether the user has said by HF_HUB_OFFLINE that there is no network, wherever weights are."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in _TRUE


def can_reach(url: str) -> bool:
    """Whether the host of an address answers within seconds, and may be asked."""
    return not is_offline() and _is_reachable(url)


def require_reachable(what: str, url: str, advice: str) -> None:
    """Raise a DataError if the host of `url`, which has `what`, cannot be reached, or must not be asked."""
    why = "and HF_HUB_OFFLINE says that there is no network" if is_offline() else "which cannot be reached"
    if not can_reach(url):
        raise DataError(f"{what}: its weights are at {urlsplit(url).hostname}, {why}; {advice}")


def find_in_torch_cache(url: str) -> bool:
    """Whether torch has a file of this address already."""
    from torch.hub import get_dir

    return (Path(get_dir()) / "checkpoints" / Path(urlsplit(url).path).name).is_file()


def _is_reachable(url: str) -> bool:
    if any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES):
        return True  # only the proxy knows
    parts = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_PATIENCE).close()
    except OSError:
        return False
    return True
