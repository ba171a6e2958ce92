"""The query API against its own OpenAPI document: requests that fit it, and requests that do not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.query.conftest import Api

pytestmark = pytest.mark.asyncio(loop_scope="package")

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)


async def test_no_request_gets_an_answer_that_the_document_does_not_promise(api: Api, tmp_path: Path) -> None:
    schemathesis = Path(sys.executable).parent / "schemathesis"
    options = ["--phases", "fuzzing", "--checks", ",".join(CHECKS), "--max-examples", "8", "--seed", "7", "--no-color"]
    process = await asyncio.create_subprocess_exec(
        schemathesis,
        "run",
        f"{api.url}/api/v1/openapi.json",
        *options,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    text = said.decode()
    assert process.returncode == 0, text
    assert "18 passed" in text
