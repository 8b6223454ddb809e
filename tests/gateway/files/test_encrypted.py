"""Encrypted files: what goes in comes out, and nothing that was touched opens."""

import io
import os

import pytest

from gateway.files.encrypted import (
    CHUNK_BYTES,
    HEAD_BYTES,
    TAG_BYTES,
    EncryptedReader,
    EncryptedWriter,
    Unreadable,
    seal,
    unseal,
)

KEY = bytes(range(32))
SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 200_000]


def encrypted(text: bytes, *, step: int = 10_007, file_id: str = "file-a") -> bytes:
    sink = io.BytesIO()
    writer = EncryptedWriter(sink, key=KEY, file_id=file_id)
    for start in range(0, len(text), step):
        writer.write(text[start : start + step])
    writer.finish()
    assert writer.size_bytes == len(text)
    return sink.getvalue()


def reader(blob: bytes, size: int, *, key: bytes = KEY, file_id: str = "file-a") -> EncryptedReader:
    return EncryptedReader(io.BytesIO(blob), key=key, file_id=file_id, size_bytes=size)


@pytest.mark.parametrize("size", SIZES)
def test_a_text_of_any_size_comes_back(size: int) -> None:
    text = os.urandom(size)
    blob = encrypted(text)
    assert b"".join(reader(blob, size).pieces()) == text


def test_any_part_can_be_read_by_itself() -> None:
    text = os.urandom(3 * CHUNK_BYTES + 5)
    opened = reader(encrypted(text), len(text))
    for start, length in ((0, 10), (CHUNK_BYTES - 3, 7), (CHUNK_BYTES, 2 * CHUNK_BYTES + 5)):
        assert opened.read_at(start, length) == text[start : start + length]
    assert opened.read_at(len(text) - 2, 100) == text[-2:]


def test_the_text_is_nowhere_in_the_bytes() -> None:
    assert b"patient" not in encrypted(b"patient 4711 " * 20_000)


def test_two_files_of_one_text_have_nothing_in_common() -> None:
    text = bytes(CHUNK_BYTES)
    first, second = encrypted(text), encrypted(text)
    assert first[HEAD_BYTES : HEAD_BYTES + 64] != second[HEAD_BYTES : HEAD_BYTES + 64]


def altered(blob: bytes) -> dict[str, bytes]:
    sealed = CHUNK_BYTES + TAG_BYTES
    first = blob[HEAD_BYTES : HEAD_BYTES + sealed]
    second = blob[HEAD_BYTES + sealed : HEAD_BYTES + 2 * sealed]
    rest = blob[HEAD_BYTES + 2 * sealed :]
    flipped = bytearray(blob)
    flipped[HEAD_BYTES + 100] ^= 1
    return {
        "a bit flipped": bytes(flipped),
        "chunks exchanged": blob[:HEAD_BYTES] + second + first + rest,
        "the end cut off": blob[:-20],
        "a chunk missing": blob[:HEAD_BYTES] + first + rest,
        "another salt": b"SLF1\n" + bytes(16) + blob[HEAD_BYTES:],
        "no header": blob[3:],
    }


@pytest.mark.parametrize("how", sorted(altered(bytes(3 * (CHUNK_BYTES + TAG_BYTES)))))
def test_what_was_altered_does_not_open(how: str) -> None:
    size = 2 * CHUNK_BYTES + 100
    blob = altered(encrypted(bytes(size)))[how]
    with pytest.raises(Unreadable):
        list(reader(blob, size).pieces())


def test_a_file_cut_at_a_chunk_does_not_pass_for_a_shorter_one() -> None:
    blob = encrypted(bytes(2 * CHUNK_BYTES))[: HEAD_BYTES + CHUNK_BYTES + TAG_BYTES]
    with pytest.raises(Unreadable):
        list(reader(blob, CHUNK_BYTES).pieces())


def test_another_key_and_another_file_do_not_open_it() -> None:
    blob = encrypted(b"text")
    with pytest.raises(Unreadable):
        list(reader(blob, 4, key=bytes(32)).pieces())
    with pytest.raises(Unreadable):
        list(reader(blob, 4, file_id="file-b").pieces())


def test_a_sealed_value_opens_in_its_context_only() -> None:
    sealed = seal(KEY, b"name", context="file-a")
    assert unseal(KEY, sealed, context="file-a") == b"name"
    with pytest.raises(Unreadable):
        unseal(KEY, sealed, context="file-b")
