"""Template tags of the pages: icons, badges, the rail, and what components bring along."""

from typing import Any

from django import template
from django.template.context import Context
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from frontend import navigation
from frontend.badges import WORDS, Badge
from frontend.component_files import SHARED, modules, style_sheets
from frontend.drawings import drawing
from frontend.overview.first_steps import first_steps as steps_of
from frontend.policies.emphasis import emphasised
from gateway.deployments.services.egress import egress_stopped

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


@register.inclusion_tag("badge/badge.html")
def badge(kind: str) -> dict[str, object]:
    """The badge `kind`: icon, word and border."""
    return {"kind": Badge(kind), "word": WORDS[Badge(kind)]}


@register.simple_tag
def badge_kinds() -> list[str]:
    """Every kind there is, for the templates that scripts clone."""
    return [kind.value for kind in Badge]


@register.simple_tag
def shared_styles() -> SafeString:
    """The style sheets of the components that every page has."""
    return _links(style_sheets(SHARED))


@register.simple_tag
def styles(names: str) -> SafeString:
    """The style sheets of components: `{% styles "rail frame" %}`."""
    return _links(style_sheets(names.split()))


@register.simple_tag
def scripts(names: str) -> SafeString:
    """The modules of components: `{% scripts "frame" %}`."""
    return format_html_join(
        "\n",
        '<script type="module" src="{}"></script>',
        ((static(path),) for path in modules(names.split())),
    )


register.filter("emphasised", emphasised)


@register.inclusion_tag("rail/rail.html", takes_context=True)
def rail(context: Context) -> dict[str, Any]:
    """The rail, for whoever is signed in. Reads `page` and `project` of the page's context."""
    request = context["request"]
    return {
        **navigation.rail_of(request, project=context.get("project")),
        "request": request,
        "page": context.get("page", ""),
        "conversation": context.get("conversation"),
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("firsts/firsts.html", takes_context=True)
def first_steps(context: Context) -> dict[str, Any]:
    """The first steps of the installation, for admins, while some are left."""
    return _steps_left(context)


@register.inclusion_tag("firsts/line.html", takes_context=True)
def next_step(context: Context) -> dict[str, Any]:
    """The next of the first steps in one line, where there is no room for all."""
    shown = _steps_left(context)
    steps = shown["steps"]
    return shown | {
        "next": next((step for step in steps if step.now), None),
        "done": sum(step.done for step in steps),
    }


def _steps_left(context: Context) -> dict[str, Any]:
    request = context["request"]
    return {
        "steps": steps_of(request, request.user) if request.user.is_authenticated else (),
        "back": request.path,
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("stopped/stopped.html", takes_context=True)
def stopped(context: Context) -> dict[str, Any]:
    """The line that says that nothing leaves, while that is so. One query."""
    user = getattr(context.get("request"), "user", None)
    signed_in = bool(user and user.is_authenticated)
    return {
        "stopped": signed_in and egress_stopped(),
        "is_admin": signed_in and getattr(user, "is_admin", False),
    }


def _links(paths: list[str]) -> SafeString:
    return format_html_join(
        "\n", '<link rel="stylesheet" href="{}">', ((static(path),) for path in paths)
    )
