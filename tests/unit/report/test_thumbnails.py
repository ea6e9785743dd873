"""Small pictures inside a page."""

import os
from pathlib import Path

from PIL import Image

from dad.report.thumbnails import thumbnail


def test_thumbnails_are_small_and_none_is_made_of_other_files(tmp_path: Path) -> None:
    Image.effect_noise((2000, 1000), 80).save(tmp_path / "large.png")
    (tmp_path / "text.png").write_text("no image")
    assert len(thumbnail(tmp_path / "large.png", 96) or "") < 12_000
    assert thumbnail(tmp_path / "text.png", 96) is None and thumbnail(tmp_path, 96) is None
    os.mkfifo(tmp_path / "pipe.png")
    assert thumbnail(tmp_path / "pipe.png", 96) is None
