"""Field numbers are final (contract 4.6), and the bindings are made of the committed .proto."""

from pathlib import Path
from typing import Final

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc  # type: ignore[import-untyped]  # ships no types

from fetchbox.wire import jobs_pb2 as pb

ROOT: Final = Path(__file__).parents[3]
PROTO: Final = ROOT / "proto"

#: Message -> its fields in the order of their numbers, from 1, as `type name`.
FIELDS: Final = {
    "HttpHeader": "string name, string value",
    "StorageHint": "string bucket, string key_prefix, map metadata, string key",
    "ProxyHint": "string primary_pool, string* fallbacks",
    "TaskAttributes": "map tags, string checksum_hint, string mime_hint, bytes extra",
    "DownloadTask": (
        "string job_id, string job_type, string resource_id, string url, HttpHeader* headers, "
        "ProxyHint proxy_hint, StorageHint storage_hint, TaskAttributes attributes, "
        "string manifest_key, uint32 attempt, string tenant, string trace_id"
    ),
    "JobStatus": (
        "string job_id, string job_type, JobState state, uint32 resources_total, "
        "uint32 resources_completed, uint32 resources_failed, string manifest_key, string tenant, "
        "string last_error_code, string last_error_message, uint64 log_offset, "
        "uint64 timestamp_ms, ResourceOutcome* outcomes, string source"
    ),
    "ResourceOutcome": (
        "string resource_id, JobState state, string failure_code, string failure_message, "
        "bool retryable, uint32 attempts, string storage_key, uint64 size_bytes, "
        "uint32 dlq_partition, uint64 dlq_offset, map context"
    ),
    "JobLog": (
        "string job_id, string resource_id, LogLevel level, string message, map fields, "
        "uint64 timestamp_ms, string trace_id"
    ),
    "DeadLetterTask": (
        "DownloadTask task, string failure_code, string failure_message, uint32 attempts, "
        "uint64 failed_at_ms, map metadata"
    ),
}
SCALARS: Final = {4: "uint64", 8: "bool", 9: "string", 12: "bytes", 13: "uint32"}


def compiled(folder: Path) -> FileDescriptorProto:
    """Compile the committed .proto."""
    out = folder / "set"
    code = protoc.main(
        ["protoc", f"-I{PROTO}", f"--descriptor_set_out={out}", str(PROTO / "jobs.proto")]
    )
    assert code == 0
    (file,) = FileDescriptorSet.FromString(out.read_bytes()).file
    return file


def committed() -> FileDescriptorProto:
    """Read what the committed bindings were made of."""
    file = FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(file)
    return file


def described(file: FileDescriptorProto) -> dict[str, dict[int, str]]:
    maps = {f".{file.package}.{m.name}.{n.name}" for m in file.message_type for n in m.nested_type}
    found: dict[str, dict[int, str]] = {}
    for message in file.message_type:
        fields = found.setdefault(message.name, {})
        for field in message.field:
            is_map = field.type_name in maps
            kind = SCALARS.get(field.type, field.type_name.rpartition(".")[2])
            many = "*" if field.label == field.LABEL_REPEATED else ""
            fields[field.number] = f"{'map' if is_map else kind + many} {field.name}"
    return found


def test_field_numbers_and_types_are_those_of_the_contract() -> None:
    expected = {
        message: dict(enumerate(fields.split(", "), start=1)) for message, fields in FIELDS.items()
    }
    assert described(committed()) == expected
    assert pb.DESCRIPTOR.package == "fetchbox.jobs"


def test_every_map_is_of_text_to_text() -> None:
    entries = [nested for message in committed().message_type for nested in message.nested_type]
    assert len(entries) == 5
    assert all([field.type for field in entry.field] == [9, 9] for entry in entries)


@pytest.mark.parametrize(
    ("enum", "names"),
    [
        (pb.JobState, "UNKNOWN QUEUED IN_PROGRESS PARTIAL COMPLETED FAILED"),
        (pb.LogLevel, "TRACE DEBUG INFO WARN ERROR"),
    ],
    ids=["JobState", "LogLevel"],
)
def test_enum_numbers_are_those_of_the_contract(enum: object, names: str) -> None:
    items = dict(enum.items())  # type: ignore[attr-defined]  # made at run time
    prefix = "JOB_STATE_" if "QUEUED" in names else "LOG_LEVEL_"
    assert items == {f"{prefix}{name}": number for number, name in enumerate(names.split())}


def test_presence_is_kept_where_the_contract_says_optional() -> None:
    optional = {
        (message.name, field.name)
        for message in committed().message_type
        for field in message.field
        if field.proto3_optional
    }
    assert optional == {
        ("DownloadTask", "proxy_hint"),
        ("DownloadTask", "storage_hint"),
        ("ResourceOutcome", "dlq_partition"),
        ("ResourceOutcome", "dlq_offset"),
    }


def test_bindings_are_made_of_the_committed_proto(tmp_path: Path) -> None:
    """`make proto` was run after the last change."""
    file = compiled(tmp_path)
    for message in file.message_type:
        for field in [*message.field, *(f for n in message.nested_type for f in n.field)]:
            field.ClearField("json_name")  # filled in by the compiler only
    assert file == committed()
