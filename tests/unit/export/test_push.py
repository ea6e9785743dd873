"""What arrives at the hub, and what a user is told when it does not: the hub is a small server here."""

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from huggingface_hub import constants

from dad.errors import DataError, UsageError
from dad.export.push import push, require_hub


class Hub(BaseHTTPRequestHandler):
    """Knows one user, takes every file inline, and remembers what came."""

    created: dict[str, Any]
    files: dict[str, bytes]
    knows_user = accepts = True

    def do_GET(self) -> None:
        self._answer({"name": "me", "type": "user"} if self.knows_user else {"error": "Invalid token"}, self.knows_user)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            type(self).created = json.loads(body)
            self._answer({"url": f"{constants.ENDPOINT}/me/model", "id": "me/model"})
        elif self.path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(body)["files"]]
            self._answer({"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]})
        elif self.path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            url = f"{constants.ENDPOINT}/me/model/commit/0"
            self._answer({"commitUrl": url, "commitOid": "0" * 40, "hookOutput": ""}, self.accepts)
        else:
            self._answer({"errors": [], "warnings": []})

    def _answer(self, content: dict[str, Any], is_fine: bool = True) -> None:
        body = json.dumps(content).encode()
        self.send_response(200 if is_fine else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    class Own(Hub):
        files: dict[str, bytes] = {}  # noqa: RUF012

    with ThreadingHTTPServer(("127.0.0.1", 0), Own) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
        yield Own
        server.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("README.md", "model.safetensors", "results.json"):
        (tmp_path / name).write_text(f"---\nlicense: mit\n---\n{name}")
    return tmp_path


def test_the_files_that_are_named_arrive_and_no_others(hub: type[Hub], folder: Path) -> None:
    url = push(require_hub("me/model"), folder, ["README.md", "model.safetensors"], "me/model", private=True)
    assert hub.files == {name: (folder / name).read_bytes() for name in ("README.md", "model.safetensors")}
    asked = hub.created.get("private") or hub.created.get("visibility") == "private"  # by the version of the client
    assert asked and url.endswith("me/model")


def test_whom_the_hub_does_not_know_is_told_before_any_work(hub: type[Hub]) -> None:
    hub.knows_user = False
    with pytest.raises(DataError, match=r"^--push-to-hub me/model: the hub does not know you .*hf auth login"):
        require_hub("me/model")


def test_a_hub_that_refuses_leaves_the_export_and_says_what_to_do(hub: type[Hub], folder: Path) -> None:
    client = require_hub("me/model")
    hub.accepts = False
    with pytest.raises(DataError, match=r"^--push-to-hub me/model: not published .*is whole: .*--card-only$"):
        push(client, folder, ["README.md"], "me/model", private=False)


def test_without_a_network_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    with pytest.raises(DataError, match=r"^--push-to-hub me/model: the hub does not know you \("):
        require_hub("me/model")


@pytest.mark.parametrize("name", ["a b", "a/b/c", "-a"])
def test_what_is_no_name_of_a_repository_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"^--push-to-hub {name}: expected USER/NAME"):
        require_hub(name)
