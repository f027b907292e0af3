"""Every object is application/octet-stream, whatever origin and manifest say."""

from dataclasses import replace
from typing import Any, Final

from fetchbox.storage.port import UploadOptions
from fetchbox.worker.target import OCTET_STREAM, Errand

SEAM: Final = "fetchbox.worker.download:upload_options"
KILLED_BY: Final = "tests/integration/test_ingest_to_storage.py"


def mutate(original: Any) -> Any:
    def upload_options(
        errand: Errand, *, content_type: str, content_encoding: str, sha256: str | None
    ) -> UploadOptions:
        options: UploadOptions = original(
            errand, content_type=content_type, content_encoding=content_encoding, sha256=sha256
        )
        return replace(options, content_type=OCTET_STREAM)

    return upload_options
