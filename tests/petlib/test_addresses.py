"""What is an address of a store and what a path: nothing that looks like an address becomes a folder."""

import argparse
from pathlib import Path

import pytest

from petlib.addresses import READABLE, address_of, check_address, local_path
from petlib.errors import ConfigError


@pytest.mark.parametrize("text", ["s3://bucket", "gs://bucket/a/b", "az://box/", "abfss://box@account/a"])
def test_addresses_of_stores_are_taken(text: str) -> None:
    assert check_address(text, place="--out", expected="one") == address_of(text) == text
    assert check_address(str(Path(text)), place="--out", expected="one") == text.rstrip("/")


@pytest.mark.parametrize("text", ["results", "/a/b", "~/a", "s3", "a:b", "s3:run/1", "C:/data", ""])
def test_paths_are_none(text: str) -> None:
    assert check_address(text, place="--out", expected="one") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://x", "^--out ftp://x: an address expected$"),
        ("S3://bucket", "an address expected"),
        ("https://example.org/a", "^--out https://example.org/a: an address expected$"),
        ("s3://", "^--out s3://: the bucket is missing, s3://bucket/prefix expected$"),
        ("gs:", "^--out gs:: the bucket is missing, gs://bucket/prefix expected$"),
        ("gs:/", "the bucket is missing, gs://bucket/prefix expected"),
        ("az:///prefix", "^--out az:///prefix: the bucket is missing, az://bucket/prefix expected$"),
    ],
)
def test_what_is_no_store_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_address(text, place="--out", expected="an address")


def test_servers_can_be_read_but_not_written() -> None:
    assert check_address("https://example.org/a", place="path", expected="one", schemes=READABLE) == "https://example.org/a"
    with pytest.raises(ConfigError, match="^path http://: the host is missing, http://host/path expected$"):
        check_address("http://", place="path", expected="one", schemes=READABLE)


def test_an_option_for_a_path_takes_no_address() -> None:
    assert local_path("a/b") == Path("a/b")
    with pytest.raises(argparse.ArgumentTypeError, match="^s3://bucket/x: an address given, and a path of this machine expected$"):
        local_path("s3://bucket/x")
