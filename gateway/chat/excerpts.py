"""What is shown of a text that a search found: some of it, with the hits marked."""

from collections.abc import Iterator

from gateway.chat.sealing import words_of

EXCERPT_CHARS = 160


def excerpt(text: str, query: str) -> tuple[str, ...]:
    """Some of the text around the first hit; parts at odd places are hits."""
    wanted = words_of([query])
    first = next((start for start, _, _ in _hits(text, wanted)), 0)
    begin = max(0, first - EXCERPT_CHARS // 3)
    end = min(len(text), begin + EXCERPT_CHARS)
    parts = ["…" if begin else ""]
    at = begin
    for start, stop, _ in _hits(text, wanted, at=first):
        if stop > end:
            break
        parts[-1] += text[at:start]
        parts += [text[start:stop], ""]
        at = stop
    parts[-1] += text[at:end] + ("…" if end < len(text) else "")
    return tuple(" ".join(part.split("\n")) for part in parts)


def hits_of(text: str, query: str) -> set[str]:
    """The words of `query` that are in `text`, or begin a word there."""
    wanted = words_of([query])
    found: set[str] = set()
    for _, _, words in _hits(text, wanted):
        found |= words
        if found == wanted:
            break
    return found


def _hits(text: str, wanted: set[str], *, at: int = 0) -> Iterator[tuple[int, int, set[str]]]:
    """(start, end, which) of what stands between spaces and has a word that begins as wanted."""
    for word in text[at:].split():
        start = text.index(word, at)
        at = start + len(word)
        # Files are long: most of their words are put aside without being taken apart.
        if word.isascii() and not any(each in word.lower() for each in wanted):
            continue
        here = words_of([word])
        if which := {each for each in wanted if any(found.startswith(each) for found in here)}:
            yield start, at, which
