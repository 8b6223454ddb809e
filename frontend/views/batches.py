"""The pages of the spreadsheets: upload, prompt, preview and cost, run."""

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from frontend.access import chat_project
from frontend.navigation import PROJECT_IN_SESSION
from frontend.sheet_forms import SetupForm, TableForm, initial_of
from frontend.sheet_words import (
    REASONS,
    STATUSES,
    answer_words,
    budget_words,
    chips,
    failures,
    figures,
    number,
    pieces_of,
    previewed,
    shares,
    steps,
    used,
)
from gateway.accounts.acting import actor_name
from gateway.accounts.models import Project, User
from gateway.batches.sheets import runs, services
from gateway.batches.sheets.budgets import budgets_left
from gateway.batches.sheets.delivery import delivered
from gateway.batches.sheets.models import UNDER_WAY, Sheet, SheetStatus
from gateway.batches.sheets.preview import columns_found, models_for, preview
from gateway.batches.sheets.results import some_answers
from gateway.batches.sheets.shape import shape
from gateway.batches.sheets.source import of_bytes
from gateway.batches.sheets.writing import Format
from gateway.protocol.errors import GatewayError, NotFound

PREVIEWED = 6
ANSWERS = 10
MOVING = (SheetStatus.ESTIMATING, *UNDER_WAY)


def _sheet(request: HttpRequest, slug: str, pk: str) -> tuple[User, Sheet]:
    """Raises Http404 for another project's, and for none at all."""
    user = cast("User", request.user)
    try:
        return user, services.get_sheet(chat_project(user, slug), pk)
    except NotFound as error:
        raise Http404(error.message) from None


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def listed(request: HttpRequest, slug: str) -> HttpResponse:
    """The project's sheets, and the form for another one."""
    user = cast("User", request.user)
    project = chat_project(user, slug)
    request.session[PROJECT_IN_SESSION] = project.slug
    form = TableForm()
    if request.method == "POST":
        form = TableForm(request.POST, request.FILES)
        if form.is_valid():
            made = _uploaded(user, project, form)
            if made is not None:
                return redirect("batch", slug=slug, pk=made.pk)
    after = request.GET.get("after", "")
    try:
        page = services.list_sheets(project, limit=20, after=after)
    except NotFound as error:
        raise Http404(error.message) from None
    sheets = [_row(sheet) for sheet in page.sheets]
    context = {
        "page": "batches",
        "project": project,
        "form": form,
        "sheets": sheets,
        "after": page.sheets[-1].pk if page.has_more else "",
        "most_mib": settings.MAX_BODY_BYTES // 2**20,
    }
    status = 400 if form.errors else 200
    return render(request, "frontend/batches/list.html", context, status=status)


def _uploaded(user: User, project: Project, form: TableForm) -> Sheet | None:
    given = form.cleaned_data
    file = given["table"]
    try:
        return services.create_sheet(
            user,
            project,
            of_bytes(file.name, file.read()),
            declared=given["declared"],
            sheet=given["sheet"],
        )
    except GatewayError as error:
        form.add_error("declared" if error.param == "x-sluice-declare" else "table", error.message)
        return None


def _row(sheet: Sheet) -> dict[str, Any]:
    told = shape(sheet)
    counts = told["counts"]
    return told | {
        "word": STATUSES[sheet.status],
        "made": sheet.created_at,
        "is_moving": sheet.status in MOVING,
        "asked": counts["rows"] - counts["examples"],
        "ended": counts["completed"] + counts["failed"],
    }


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: HttpRequest, slug: str, pk: str) -> HttpResponse:
    """One sheet. A POST says what is done with its rows and has the estimate made."""
    user, sheet = _sheet(request, slug, pk)
    told = shape(sheet)
    models, notice = _models(sheet)
    form = SetupForm(
        request.POST if request.method == "POST" else None,
        initial=initial_of(told["setup"], told["columns"]),
        columns=told["columns"],
        models=models,
    )
    if request.method == "POST" and form.is_valid():
        try:
            services.configure(user, sheet, form.as_setup())
            services.begin_estimate(user, sheet)
            return redirect("batch", slug=slug, pk=pk)
        except GatewayError as error:
            form.add_error(error.param if error.param in form.fields else None, error.message)
    context = {
        **_context(user, sheet, told),
        "form": form,
        "chips": chips(told["columns"], columns_found(sheet)) if models else [],
        "rows": (rows := _previewed(sheet, after=_after(request))),
        "last_row": rows[-1]["number"] if rows else 0,
        "more_rows": PREVIEWED,
        **_answers(sheet, after=_after(request)),
        "prompt": pieces_of(told["setup"]["template"]) if told["setup"] else [],
        "notice": notice,
    }
    status = 400 if form.is_bound else 200
    return render(request, "frontend/batches/one.html", context, status=status)


def _models(sheet: Sheet) -> tuple[list[str], str]:
    try:
        return models_for(sheet), ""
    except GatewayError as error:
        return [], error.message


def _answers(sheet: Sheet, *, after: int) -> dict[str, Any]:
    """Some answers on the page, once nothing moves any more."""
    if sheet.status in MOVING or not sheet.answers_file_id:
        return {}
    try:
        found = some_answers(sheet, count=ANSWERS + 1, after=after)
    except GatewayError:
        return {}  # the aside says what is wrong
    shown = [answer_words(each) for each in found[:ANSWERS]]
    return {
        "answers": shown,
        "more_answers": len(found) > ANSWERS,
        "last_answer": shown[-1]["number"] if shown else 0,
    }


def _after(request: HttpRequest) -> int:
    text = request.GET.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _previewed(sheet: Sheet, *, after: int) -> list[dict[str, Any]]:
    if sheet.status not in {SheetStatus.READY, SheetStatus.PAUSED}:
        return []
    try:
        return [previewed(row) for row in preview(sheet, count=PREVIEWED, after=after)]
    except GatewayError:
        return []  # the aside says what is wrong


def _context(user: User, sheet: Sheet, told: dict[str, Any]) -> dict[str, Any]:
    counts = told["counts"]
    estimate = told["estimate"]
    asked = counts["rows"] - counts["examples"]
    return {
        "page": "batches",
        "project": sheet.project,
        "sheet": told,
        "word": STATUSES[sheet.status],
        "reason": REASONS.get(sheet.reason, sheet.reason),
        "steps": steps(sheet.status),
        "is_moving": sheet.status in MOVING,
        "is_under_way": sheet.status in UNDER_WAY,
        "is_mine": sheet.actor == actor_name(user),
        "may_change": sheet.status in {SheetStatus.DRAFT, SheetStatus.READY} and not sheet.runs,
        "policy_changed": sheet.reason == "policy_changed",
        "shares": shares(estimate) if estimate else [],
        "figures": figures(estimate) if estimate else [],
        "budgets": [budget_words(each) for each in budgets_left(user, sheet)],
        "used": used(told["usage"]),
        "total": number(counts["rows"]),
        "estimated": number(estimate["rows"]) if estimate else "",
        "asked": asked,
        "ended": counts["completed"] + counts["failed"],
        "failures": failures(told["failures"]),
        "retry_models": _models(sheet)[0] if told["failures"] else [],
        "formats": [each.value for each in Format],
    }


@never_cache
@login_required
@require_safe
def live(request: HttpRequest, slug: str, pk: str) -> HttpResponse:
    """The counts while something moves; the whole page anew when its state changed."""
    user, sheet = _sheet(request, slug, pk)
    context = _context(user, sheet, shape(sheet))
    response = render(request, "frontend/batches/aside.html", context)
    if request.GET.get("seen") != sheet.status:
        response["HX-Refresh"] = "true"
    return response


Act = Callable[[User, Sheet, HttpRequest], object]


def _acting(act: Act, *, to_list: bool = False) -> Callable[..., HttpResponse]:
    """A view that does something to a sheet and shows it again, with what went wrong if it did."""

    @login_required
    @require_POST
    def view(request: HttpRequest, slug: str, pk: str) -> HttpResponseRedirect:
        user, sheet = _sheet(request, slug, pk)
        try:
            act(user, sheet, request)
        except GatewayError as error:
            messages.error(request, error.message)
        except PermissionDenied as error:
            messages.error(request, str(error))
        else:
            if to_list:
                return redirect("batches", slug=slug)
        return redirect("batch", slug=slug, pk=pk)

    return view


def _retry(user: User, sheet: Sheet, request: HttpRequest) -> object:
    code = request.POST.get("code", "")
    model = request.POST.get("model", "")
    return runs.retry(user, sheet, codes=[code] if code else (), model=model)


ACTIONS = {
    "estimate": _acting(lambda user, sheet, _: services.begin_estimate(user, sheet)),
    "run": _acting(
        lambda user, sheet, request: runs.run(user, sheet, notify="notify" in request.POST)
    ),
    "pause": _acting(lambda user, sheet, _: runs.pause(user, sheet)),
    "cancel": _acting(lambda user, sheet, _: runs.cancel(user, sheet)),
    "retry": _acting(_retry),
    "delete": _acting(lambda user, sheet, _: services.delete_sheet(user, sheet), to_list=True),
}


@never_cache
@login_required
@require_safe
def downloaded(request: HttpRequest, slug: str, pk: str, word: str) -> HttpResponseBase:
    """The table with its answers."""
    user, sheet = _sheet(request, slug, pk)
    try:
        return delivered(request, user, sheet, word)
    except GatewayError as error:
        messages.error(request, error.message)
        return redirect("batch", slug=slug, pk=pk)
