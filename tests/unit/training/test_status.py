"""status.json holds the whole state, and replaces the one before."""

import json
from dataclasses import asdict
from pathlib import Path

from dad.training.status import NAME, Status


def test_a_status_is_written_whole_and_changed_by_name(tmp_path: Path) -> None:
    first = Status(metric="top1")
    first.write(tmp_path)
    second = first.with_(state="done", best=80.0, exit_code=0)
    second.write(tmp_path)
    assert json.loads((tmp_path / NAME).read_text()) == asdict(second)
    assert first.state == "running" and [path.name for path in tmp_path.iterdir()] == [NAME]
