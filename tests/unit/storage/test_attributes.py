from email.header import decode_header, make_header

from hypothesis import given
from hypothesis import strategies as st

from fetchbox.storage.attributes import header_attributes, plain_attributes
from fetchbox.storage.port import UploadOptions


def options(**metadata: str) -> UploadOptions:
    return UploadOptions(bucket="bkt", key="k", content_type="text/plain", metadata=metadata)


def test_names_are_lower_case_and_values_as_they_are() -> None:
    found = header_attributes(options(Owner="Me & Co"))
    assert found == {"content-type": "text/plain", "owner": "Me & Co"}
    assert plain_attributes(options(Owner="Mé")) == {"content-type": "text/plain", "owner": "Mé"}


def test_metadata_cannot_replace_the_content_headers() -> None:
    metadata = {"Content-Type": "evil/x", "content-encoding": "br"}
    given_options = UploadOptions(
        bucket="bkt", key="k", content_type="text/plain", content_encoding="gzip", metadata=metadata
    )
    expected = {"content-type": "text/plain", "content-encoding": "gzip"}
    assert header_attributes(given_options) == expected
    assert plain_attributes(given_options) == expected


def test_a_name_keeps_only_what_a_header_name_may_have() -> None:
    found = header_attributes(options(**{"my naïve: name": "x", "ü": "gone"}))
    assert found == {"content-type": "text/plain", "my-na-ve-name": "x"}


@given(st.text())
def test_a_value_is_printable_ascii_and_can_be_read_back(value: str) -> None:
    found = header_attributes(options(note=value))["note"]
    assert found.isascii()
    assert found.isprintable()
    if not value.isascii():
        clean = value.encode(errors="replace").decode()
        assert str(make_header(decode_header(found))) == clean


def test_an_unusable_content_type_becomes_the_default_and_an_encoding_goes() -> None:
    bad = UploadOptions(bucket="bkt", key="k", content_type="a\nb", content_encoding="gz\x00ip")
    assert header_attributes(bad) == {"content-type": "application/octet-stream"}
