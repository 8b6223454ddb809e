"""The icons: drawings on a 24 x 24 grid in the text's colour, one file each in `icons/`.

Templates use `{% icon %}`; scripts copy what templates have rendered. So each is drawn once.
"""

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "icons"
_OUTER = re.compile(r"^<svg[^>]*>\s*|\s*</svg>\s*$")


@cache
def drawing(name: str) -> str:
    """The shapes of icon `name`, without the outer element. Reads its file once.

    Raises FileNotFoundError when there is no such icon.
    """
    return _OUTER.sub("", (_FOLDER / f"{name}.svg").read_text(encoding="utf-8"))
