"""The form of names that people give."""

import re

SLUG = re.compile(r"[A-Za-z0-9_-]{1,63}")
