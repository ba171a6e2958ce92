"""The request that docs/norce.md shows."""

from __future__ import annotations

import os
import subprocess

from tests.docs.markdown import blocks
from tests.webhook.support import SECRET, Connector


def test_the_request_on_the_page_is_taken(connector: Connector) -> None:
    (shown,) = [block.text for block in blocks("docs/norce.md") if block.text.startswith("curl")]
    line = shown.replace("http://127.0.0.1:8080/", f"{connector.url}/")
    assert line != shown

    done = subprocess.run(
        ["sh", "-c", line], env={**os.environ, "SECRET": SECRET}, capture_output=True, timeout=30, check=True
    )

    assert b" 200 " in done.stdout.splitlines()[0]
    assert "norce_webhook_requests_total" in connector.get("/metrics").text
