"""Texts as models read them: in windows, and in tokens whose places have to be found again.

A server that classifies tokens says how likely each is a name, and not where in the text it
stands. Its tokens are laid along the text here.

INVARIANT: a place is either exact or it is None. Whoever gets None must take the whole window.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache

Place = tuple[int, int]

# How far back from its end a window looks for a space to be cut at: a quarter of its length.
_LOOK_BACK = 4
# What pieces of words are written with: WordPiece, byte-level BPE, SentencePiece.
_CONTINUES = "##"
_SPACES = {"Ġ": " ", "▁": " ", "Ċ": "\n", "ĉ": "\t", "č": "\r"}


def windows(text: str, size: int, overlap: int) -> list[Place]:
    """Places that together cover the text, in order. `overlap` is less than half of `size`.

    Cut at white space where there is some near the end; two neighbours share at least `overlap`
    characters, so that what stands across a cut is whole in one of them.
    """
    found: list[Place] = []
    start = 0
    while len(text) - start > size:
        end = start + size
        for place in range(end, end - size // _LOOK_BACK, -1):
            if text[place].isspace():
                end = place
                break
        found.append((start, end))
        start = max(end - overlap, start + 1)
        while start > found[-1][0] + 1 and not text[start - 1].isspace():
            if found[-1][1] - start >= 2 * overlap:
                break
            start -= 1
    found.append((start, len(text)))
    return found


def token_places(text: str, tokens: Sequence[str]) -> list[Place | None] | None:
    """Where each token stands in the text; None for one that stands nowhere ([CLS], <s>).

    None in all when they cannot be laid along the text without a doubt.
    """
    folded, origin = _folded(text)
    found: list[Place | None] = []
    position = 0
    lost: list[int] = []  # tokens since the last one that was found
    for number, token in enumerate(tokens):
        found.append(None)
        piece = _piece(token)
        start = _past_spaces(folded, position)
        if piece and folded.startswith(piece, start):
            at = start
        elif piece and lost:
            at = _next_word(folded, piece, start)
        else:
            at = -1
        if at < 0:
            lost.append(number)
            continue
        if not _account_for(lost, folded, (start, at), origin, found):
            return None
        lost = []
        position = at + len(piece)
        found[number] = (origin[at], origin[position - 1] + 1)
    start = _past_spaces(folded, position)
    end = len(folded.rstrip())
    if start < end and not _account_for(lost, folded, (start, end), origin, found):
        return None
    return found


def _account_for(
    lost: list[int],
    folded: str,
    gap: Place,
    origin: list[int],
    found: list[Place | None],
) -> bool:
    """Give what was passed over to the token that stands for it; False: in doubt.

    Of [CLS] [UNK] [SEP] one does, and nobody says which: each of them gets the place.
    """
    start, end = gap
    passed = folded[start:end].rstrip()
    if not passed:
        return True
    if not lost or any(character.isspace() for character in passed):
        return False
    for number in lost:
        found[number] = (origin[start], origin[start + len(passed) - 1] + 1)
    return True


def _next_word(folded: str, piece: str, start: int) -> int:
    """The piece at the beginning of a word behind `start`; -1: there is none."""
    at = folded.find(piece, start)
    while at > start and folded[at - 1].isalnum() and piece[0].isalnum():
        at = folded.find(piece, at + 1)
    return at


def _past_spaces(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _folded(text: str) -> tuple[str, list[int]]:
    """The text without case and accents, and for each character where it came from."""
    characters: list[str] = []
    origin: list[int] = []
    for place, character in enumerate(text):
        for each in _fold(character):
            characters.append(each)
            origin.append(place)
    return "".join(characters), origin


def _fold(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(each for each in apart if not unicodedata.combining(each)).lower()


def _piece(token: str) -> str:
    """What of the text a token stands for, folded; empty where it says nothing."""
    token = token.removeprefix(_CONTINUES)
    decoded = _from_bytes(token)
    if decoded is None:
        decoded = "".join(_SPACES.get(character, character) for character in token)
    return _fold(decoded).strip()


def _from_bytes(token: str) -> str | None:
    """A token of byte-level BPE as text; None for one that is not written that way."""
    table = _byte_table()
    if not any(ord(character) > 0x7F for character in token):
        return None
    try:
        return bytes([table[character] for character in token]).decode()
    except (KeyError, UnicodeDecodeError):
        return None


@cache
def _byte_table() -> dict[str, int]:
    """The characters that GPT-2's tokenizer writes for bytes: printable ones as themselves, the
    others from U+0100 on."""
    table: dict[str, int] = {}
    above = 0x100
    for byte in range(256):
        if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or 0xAE <= byte <= 0xFF:
            table[chr(byte)] = byte
        else:
            table[chr(above)] = byte
            above += 1
    return table
