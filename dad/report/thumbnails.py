"""Small pictures inside a page."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path

from dad.images.decoding import UnreadableError, open_rgb

_QUALITY = 82


def thumbnail(path: Path, side: int) -> str | None:
    """Return an image file, shrunk to at most `side` pixels a side, as a JPEG data URI; None if it cannot be read."""
    try:
        image = open_rgb(path)
    except UnreadableError:
        return None
    image.thumbnail((side, side))
    content = BytesIO()
    image.save(content, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{b64encode(content.getvalue()).decode()}"
