"""Recipes: a sentence is filled, shown with what it would add and what may surprise, and added."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from frontend.policies import words as w
from frontend.policies.drafting import Came, as_yaml
from frontend.policies.places import address, project_to_edit, whose
from frontend.policies.rule_form import Picks
from frontend.policies.saving import save, version_of
from gateway.accounts.access import may
from gateway.accounts.models import Project, User
from gateway.accounts.roles import Role
from policies.engine.blanks import BlankKind, WrongAnswer
from policies.engine.recipes import RECIPES, Built
from policies.services import editing
from policies.services.conflicts import Conflict
from policies.services.drafts import draft_of
from policies.services.recipes import Cooked, cook, offered

_LABELS = {
    "what": gettext_lazy("What"),
    "to": gettext_lazy("May go to"),
    "masked": gettext_lazy("With these masked"),
    "regions": gettext_lazy("Only in these regions"),
    "group": gettext_lazy("Who"),
    "amount": gettext_lazy("At most, in dollars a month"),
}

_BLANKS = {
    "what": gettext_lazy("what"),
    "to": gettext_lazy("where"),
    "masked": gettext_lazy("which data"),
    "regions": gettext_lazy("which"),
    "group": gettext_lazy("who"),
    "amount": gettext_lazy("how much"),
}


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def recipes_page(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """Every sentence, for a project's policy or the organisation's; `?recipe=` opens one."""
    user = cast("User", request.user)
    project = project_to_edit(user, slug)
    known = {str(each["id"]): each for each in offered(by=user, project=project)}
    chosen = request.GET.get("recipe", "")
    if chosen and chosen not in known:
        raise Http404
    form = _form(known[chosen], request.POST or None) if chosen else None
    came, cooked = Came(), None
    if request.method == "POST" and form is not None:
        cooked = _cook(form, chosen, user, project)
        if cooked is not None and request.POST.get("act") == "add":
            came = _add(request, user, project, cooked)
            if came.done:
                messages.success(request, came.done)
                return HttpResponseRedirect(address("policy-draft", project))
    draft = draft_of(project)
    context = whose(project) | {
        "recipes": [{"id": key, "words": sentence_parts(key)} for key in known],
        "chosen": chosen,
        "form": form,
        "cooked": _shown(cooked, project) if cooked is not None else None,
        "wrong": _wrong(form),
        "came": came,
        "may_clear": user.is_admin,
        "may_budget": user.is_admin if project is None else may(user, project, Role.OWNER),
        "version": version_of(request.POST, draft),
    }
    if request.headers.get("hx-request"):
        return render(request, "frontend/policies/recipe_preview.html", context)
    status = came.status if form is None or not form.errors else 400
    return render(request, "frontend/policies/recipes.html", context, status=status)


def sentence_parts(recipe: str) -> list[dict[str, str]]:
    """A recipe's sentence in pieces: words, and blanks with their names."""
    pieces: list[dict[str, str]] = []
    for piece in RECIPES[recipe].sentence.split("{"):
        blank, brace, rest = piece.partition("}")
        if not brace:
            pieces.append({"words": piece})
            continue
        pieces.append({"blank": str(_BLANKS.get(blank, blank))})
        pieces.append({"words": rest})
    return [each for each in pieces if each.get("words") != ""]


def _form(recipe: Mapping[str, Any], data: Any) -> forms.Form:
    """The blanks as fields, in the order of the sentence."""
    form = forms.Form(data)
    for blank in recipe["blanks"]:
        name, kind = blank["name"], BlankKind(blank["kind"])
        form.fields[name] = _field(str(_LABELS.get(name, name)), kind, blank["choices"])
    return form


def _field(label: str, kind: BlankKind, choices: list[str]) -> forms.Field:
    if kind is BlankKind.AMOUNT:
        return forms.IntegerField(label=label, min_value=1, max_value=10**9)
    shown = w.plain(choices)
    if kind is BlankKind.CATEGORIES:
        shown = w.categories(choices)
    elif kind is BlankKind.DATA_CLASSES:
        shown = w.classes(choices)
    hint = "" if choices else _("There is none yet.")
    if kind is BlankKind.GROUP:
        return forms.ChoiceField(label=label, choices=shown, help_text=hint)
    return forms.MultipleChoiceField(
        label=label,
        choices=shown,
        widget=Picks,
        help_text=hint,
        error_messages={"required": _("Choose at least one.")},
    )


def _wrong(form: forms.Form | None) -> list[str]:
    """What is wrong with the answers, but for those that are still open."""
    told = form.errors.as_data() if form is not None and form.is_bound else {}
    return [
        str(sentence)
        for errors in told.values()
        for error in errors
        if error.code != "required"
        for sentence in error.messages
    ]


def _cook(form: forms.Form, recipe: str, user: User, project: Project | None) -> Cooked | None:
    if not form.is_valid():
        return None
    try:
        return cook(by=user, project=project, recipe=recipe, answers=form.cleaned_data)
    except WrongAnswer as wrong:
        form.add_error(wrong.blank if wrong.blank in form.fields else None, str(wrong))
        return None


def _add(request: HttpRequest, user: User, project: Project | None, cooked: Cooked) -> Came:
    given = cast("Mapping[str, str]", request.POST)
    try:
        came = save(cooked.document, given, by=user, project=project)
    except Conflict as error:
        return Came(problems=[str(error)], conflict=True)
    except ValidationError as error:
        return Came(problems=list(error.messages))
    came.done = _("Added to the draft: %(sentence)s") % {"sentence": cooked.built.sentence}
    return came


def _mended(sentence: str, built: Built) -> dict[str, Any]:
    """A sentence with the deployments whose form would change it."""
    return {
        "sentence": sentence,
        "mended": sentence in built.forms,
        "deployments": built.forms.get(sentence, ()),
        "budget": built.budgets.get(sentence),
    }


def _shown(cooked: Cooked, project: Project | None) -> dict[str, Any]:
    """What a filled sentence comes to, in words."""
    built = cooked.built
    names = ("kind", "project", "categories")
    alone = {name: cooked.document[name] for name in names if name in cooked.document}
    alone["rules"] = list(built.rules)
    return {
        "sentence": built.sentence,
        "rules": editing.rule_lines_of(alone, project=project),
        "never": editing.never_lines_of({**alone, "never": list(built.never)}, project=project),
        "tests": len(built.tests),
        "yaml": as_yaml(
            {
                section: [
                    deepcopy(dict(part)) for part in parts
                ]  # YAML would point to what is shared
                for section, parts in (
                    ("rules", built.rules),
                    ("never", built.never),
                    ("tests", built.tests),
                )
                if parts
            }
        ),
        "needs": [_mended(each, built) for each in built.needs],
        "surprises": [_mended(each, built) for each in built.surprises],
        "problems": [f"{each.sentence} {each.advice}" for each in cooked.problems],
    }
