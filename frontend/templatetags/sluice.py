"""Template tags of the pages: icons and badges."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from frontend.badges import WORDS, Badge
from frontend.drawings import drawing

register = template.Library()


@register.simple_tag
def icon(name: str, size: int = 16) -> SafeString:
    """Icon `name`, `size` CSS pixels wide. Hidden from screen readers: words go with it."""
    return format_html(
        '<svg class="icon" width="{}" height="{}" viewBox="0 0 24 24" fill="none"'
        ' stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round"'
        ' aria-hidden="true" focusable="false">{}</svg>',
        size,
        size,
        mark_safe(drawing(name)),  # noqa: S308 - our own files
    )


@register.inclusion_tag("frontend/components/badge.html")
def badge(kind: str) -> dict[str, object]:
    """The badge `kind`: icon, word and border."""
    return {"kind": Badge(kind), "word": WORDS[Badge(kind)]}


@register.simple_tag
def badge_kinds() -> list[str]:
    """Every kind there is, for the templates that scripts clone."""
    return [kind.value for kind in Badge]
