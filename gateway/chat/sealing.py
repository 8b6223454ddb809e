"""What is sealed under which key, and the keyed hashes of words that searching looks for.

A conversation's key is random and sealed under the project's file key: deleting the row makes
every copy of its messages unreadable, wherever it lies.
"""

import hmac
import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator

from gateway.accounts.models import Project
from gateway.chat.models import Conversation
from gateway.files.encrypted import seal, unseal
from gateway.files.keys import project_key

KEY_BYTES = 32
TERM_HEX = 14  # 56 bits: no two words of a project meet by chance
LONGEST_WORD, SHORTEST_PREFIX, LONGEST_PREFIX = 64, 3, 8
# PostgreSQL refuses to index a row of which the terms take more than a megabyte, 20 bytes each.
MOST_WORDS, MOST_TERMS = 15_000, 40_000
_WORD = re.compile(r"\w+")


class Seal:
    """Seals and opens what belongs to one conversation. Make one per request."""

    def __init__(self, conversation: Conversation, *, key: bytes | None = None) -> None:
        self._id = conversation.pk
        self._key = unseal(
            key or project_key(conversation.project),
            bytes(conversation.sealed_key),
            context=_context(conversation.pk),
        )

    def close(self, text: str, field: str) -> bytes:
        """`text` sealed; empty stays empty. `field` binds it to its place."""
        if not text:
            return b""
        return seal(self._key, text.encode(), context=f"{self._id}/{field}")

    def open(self, sealed: bytes | memoryview, field: str) -> str:
        """What was closed. Raises Unreadable."""
        if not sealed:
            return ""
        return unseal(self._key, bytes(sealed), context=f"{self._id}/{field}").decode()


def new_sealed_key(project: Project, conversation_id: str) -> bytes:
    """A fresh conversation key, sealed."""
    return seal(project_key(project), os.urandom(KEY_BYTES), context=_context(conversation_id))


def _context(conversation_id: str) -> str:
    return f"conversation {conversation_id}"


class Terms:
    """Keyed hashes of words. The same word has the same hash throughout a project, so that one
    index answers; who reads the database alone learns which messages share words, not which."""

    def __init__(self, project: Project) -> None:
        self._key = hmac.digest(project_key(project), b"chat search", "sha256")

    def of(self, *texts: str) -> str:
        """Every word of the texts once, sorted, with its beginnings: for the index.

        Of more than 15,000 different words the first ones; of more beginnings than there is room
        for, those of the first words.
        """
        words = list(itertools.islice(_each_word_of(texts), MOST_WORDS))
        found = {self._hash("w", word) for word in words}
        for word in words:
            if len(found) > MOST_TERMS - LONGEST_PREFIX:
                break
            longest = min(len(word) - 1, LONGEST_PREFIX)
            found.update(self._hash("p", word[:n]) for n in range(SHORTEST_PREFIX, longest + 1))
        return " ".join(sorted(found))

    def wanted(self, query: str) -> list[tuple[str, ...]]:
        """For each word of the query the terms of which one must be there."""
        return [
            (self._hash("w", word), self._hash("p", word))
            if SHORTEST_PREFIX <= len(word) <= LONGEST_PREFIX
            else (self._hash("w", word),)
            for word in sorted(words_of([query]))
        ]

    def _hash(self, kind: str, word: str) -> str:
        return kind + hmac.digest(self._key, f"{kind}:{word}".encode(), "sha256").hex()[:TERM_HEX]


def words_of(texts: Iterable[str]) -> set[str]:
    """Words as they are compared: without case and accents, cut at 64 characters."""
    return set(_each_word_of(texts))


def _each_word_of(texts: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for text in texts:
        plain = text.casefold()
        if not plain.isascii():
            plain = unicodedata.normalize("NFKD", text).casefold()
            plain = "".join(each for each in plain if not unicodedata.combining(each))
        for word in _WORD.findall(plain):
            if (cut := word[:LONGEST_WORD]) not in seen:
                seen.add(cut)
                yield cut
