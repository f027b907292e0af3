"""Example bodies for the OpenAPI document. Each is checked against its schema by a test."""

from typing import Any, Final

JOB_ID: Final = "0198c1c5-3c1e-7d0a-9f6b-2f6f3b1c9a10"

MANIFEST: Final[dict[str, Any]] = {
    "manifest_version": "v1",
    "metadata": {"gallery": "spring"},
    "resources": [
        {
            "id": "cover.jpg",
            "url": "https://images.example.com/cover.jpg",
            "headers": {"Accept": "image/jpeg"},
            "tags": {"content_type": "image/jpeg"},
        },
        {"id": "page-1.html", "url": "https://www.example.com/gallery?page=1"},
    ],
    "attributes": {"tenant": "acme", "crawl_id": "c-42"},
}

ACCEPTED: Final[dict[str, Any]] = {
    "job_id": JOB_ID,
    "manifest_key": f"s3://fetchbox-default/manifests/default/{JOB_ID}/metadata.json",
    "resource_count": 2,
}

JOB: Final[dict[str, Any]] = {
    "job_id": JOB_ID,
    "job_type": "default",
    "tenant": "acme",
    "status": "in_progress",
    "state": "in_progress",
    "created_at": "2025-08-19T09:30:00.000Z",
    "updated_at": "2025-08-19T09:30:01.250Z",
    "resource_total": 2,
    "resource_completed": 1,
    "resource_failed": 0,
    "manifest_key": ACCEPTED["manifest_key"],
    "log_cursor": {"stream": "jobs.logs", "partition": 2, "offset": 1041},
    "last_error": None,
    "dlq": None,
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "origin": "api",
}

FAILED_JOB: Final[dict[str, Any]] = {
    **JOB,
    "status": "failed",
    "state": "partial",
    "resource_failed": 1,
    "last_error": {
        "code": "DOWNLOAD_HTTP_5XX",
        "message": "origin answered 503",
        "context": {"proxy": "proxies/eu-primary#1", "attempt": "3", "status": "503"},
    },
    "dlq": {"stream": "jobs.dlq", "partition": 1, "offset": 7},
}

DEAD_LETTER: Final[dict[str, Any]] = {
    "partition": 1,
    "offset": 7,
    "job_id": JOB_ID,
    "job_type": "default",
    "tenant": "acme",
    "resource_id": "page-1.html",
    "url": "https://www.example.com/gallery?page=1",
    "code": "DOWNLOAD_HTTP_5XX",
    "message": "origin answered 503",
    "attempts": 3,
    "attempt": 1,
    "failed_at": "2025-08-19T09:30:07.500Z",
    "trace_id": JOB["trace_id"],
    "context": {"status": "503"},
}

LOG_STREAM: Final = (
    "id: 1041\nevent: log\n"
    f'data: {{"job_id":"{JOB_ID}","resource_id":"cover.jpg","level":"info",'
    '"message":"task completed","fields":{"event":"task.completed","bytes":"48213"},'
    '"timestamp_ms":1755595801250,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736",'
    '"offset":1041,"partition":2}\n\n'
    'event: end\ndata: {"next_offset":1042,"count":1,"reason":"tail"}\n\n'
)

EXPORT: Final = f'{{"job_id":"{JOB_ID}","state":"completed","resources":[]}}\n'

_OK: Final = {"status": "ok", "detail": None}

HEALTHY: Final[dict[str, Any]] = {
    "status": "ok",
    "components": {
        "api": _OK,
        "ledger": _OK,
        "broker": {"status": "ok", "detail": "sqlite"},
        "storage": {"status": "ok", "detail": "local"},
        "proxy_pools": {"status": "ok", "detail": "2 pools"},
    },
    "version": "0.1.0",
}

DEGRADED: Final[dict[str, Any]] = {
    **HEALTHY,
    "status": "degraded",
    "components": {
        **HEALTHY["components"],
        "storage": {"status": "degraded", "detail": "no answer within 2 s"},
    },
}
