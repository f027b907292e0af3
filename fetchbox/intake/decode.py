"""Bytes of a request body to a Manifest (contract 1.5, rows 6 to 12)."""

import msgspec

from fetchbox.model.failure import FailureCode, fail
from fetchbox.model.manifest import Manifest, ManifestLimits, parse_manifest


def decode_manifest(body: bytes, limits: ManifestLimits) -> Manifest:
    """Decode and validate; raises FetchBoxError VALIDATION_*."""
    return parse_manifest(_decode_json(body), limits)


def _decode_json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError as error:
        msg = "the body is not UTF-8; encode the JSON as UTF-8"
        raise fail(FailureCode.VALIDATION_INVALID_JSON, msg) from error
    except RecursionError as error:
        msg = "the JSON is nested too deeply; flatten it"
        raise fail(FailureCode.VALIDATION_INVALID_JSON, msg) from error
    except msgspec.DecodeError as error:
        msg = f"the body is not valid JSON: {error}"
        raise fail(FailureCode.VALIDATION_INVALID_JSON, msg) from error
