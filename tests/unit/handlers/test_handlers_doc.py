"""The samples of docs/handlers.md are run, so that they stay true."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from fetchbox.handlers.port import HandlerConfig, HandlerError, ManifestContext
from fetchbox.model.failure import FailureCode
from fetchbox.model.manifest import Resource

DOC = Path(__file__).parents[3] / "docs" / "handlers.md"
HANDLER, TEST = re.findall(r"```python\n(.*?)```", DOC.read_text(), re.DOTALL)
SECTIONS = re.findall(r"^ *```toml\n(.*?)```", DOC.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def names() -> dict[str, Any]:
    """Run the samples; returns what they define."""
    names: dict[str, Any] = {"__name__": "sample", "Resource": Resource}
    for sample in (HANDLER, TEST):
        exec(compile(sample, str(DOC), "exec"), names)  # noqa: S102 - our own document
    return names


def test_sample_test_passes(names: dict[str, Any]) -> None:
    names["test_pages_and_assets_are_kept_apart"]()


async def test_sample_handler_refuses_a_manifest_without_a_crawl(names: dict[str, Any]) -> None:
    context = ManifestContext(
        job_id="j",
        job_type="crawl",
        manifest_version="v1",
        metadata={},
        resources=(),
        attributes={},
    )
    with pytest.raises(HandlerError) as caught:
        await names["CrawlHandler"]().prepare_manifest(context)
    assert caught.value.failure.code is FailureCode.HANDLER_INVALID_MANIFEST


@pytest.mark.parametrize("text", SECTIONS)
def test_sample_sections_have_known_keys(text: str) -> None:
    for section in tomllib.loads(text)["handlers"].values():
        HandlerConfig(**section)
