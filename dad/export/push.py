"""Publish an export on the Hugging Face hub."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dad.checkpoints.downloads import prepare_hub
from dad.errors import DataError, UsageError


def require_hub(repo: str) -> Any:
    """Return the hub's client, once it is known that the hub can be reached and knows the user.

    Raises:
        UsageError: `repo` is no name of a repository. DataError: no network, or no token.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        reason = " ".join(str(error).split())[:160]
        raise UsageError(f"--push-to-hub {repo}: expected USER/NAME ({reason})") from error
    prepare_hub()
    hub = HfApi()
    try:
        hub.whoami()
    except Exception as error:  # the clients of its versions have different errors
        raise DataError(
            f"--push-to-hub {repo}: the hub does not know you ({_reason(error)}); run 'hf auth login', or set HF_TOKEN"
        ) from error
    return hub


def push(hub: Any, folder: Path, names: Iterable[str], repo: str, *, private: bool) -> str:
    """Upload files of `folder`, and nothing else that lies there, in one commit; return the address.

    Raises:
        DataError: the hub refuses, or the network fails.
    """
    try:
        place = hub.create_repo(repo, private=private, exist_ok=True)
        hub.upload_folder(
            repo_id=place.repo_id, folder_path=str(folder), allow_patterns=list(names), commit_message="Add the model"
        )
    except Exception as error:  # as above
        raise DataError(
            f"--push-to-hub {repo}: not published ({_reason(error)}); {folder} is whole: mend that and rerun with "
            "--card-only"
        ) from error
    return str(place)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
