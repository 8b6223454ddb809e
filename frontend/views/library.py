"""The prompt library, and files on their way into a message."""

from typing import Any, cast

from asgiref.sync import sync_to_async
from django import forms
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from frontend.access import chat_project
from frontend.showing import file_shown
from frontend.views.answers import held_page, in_our_shape, person_of, told, writable_project
from gateway.accounts.models import Project, User
from gateway.chat import attachments, prompts
from gateway.chat.prompts import Content
from gateway.protocol.errors import InvalidRequest, NotFound, UnderLegalHold

EXAMPLES = 3


class PromptForm(forms.Form):
    """A prompt of the library."""

    title = forms.CharField(label=_("Title"), max_length=120)
    text = forms.CharField(
        label=_("Prompt"),
        widget=forms.Textarea,
        help_text=_("Write {{name}} where something is to be filled in each time."),
    )
    system = forms.CharField(
        label=_("System prompt"),
        widget=forms.Textarea,
        required=False,
        help_text=_("What the model is told before anybody speaks. May be empty."),
    )
    shared = forms.BooleanField(label=_("Share with the members of the project"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for at in range(1, EXAMPLES + 1):
            for part, label in (("question", _("Example %s: question")), ("answer", _("answer"))):
                field = forms.CharField(
                    label=label % at if part == "question" else label,
                    widget=forms.Textarea,
                    required=False,
                )
                self.fields[f"{part}_{at}"] = field

    def content(self) -> Content:
        """What is kept of it."""
        data = self.cleaned_data
        pairs = [(data[f"question_{at}"], data[f"answer_{at}"]) for at in range(1, EXAMPLES + 1)]
        return Content(
            title=data["title"].strip(),
            text=data["text"],
            system=data["system"].strip(),
            examples=[pair for pair in pairs if pair[0].strip() and pair[1].strip()],
        )

    @property
    def main_fields(self) -> list[forms.BoundField]:
        """Title, text and system prompt."""
        return [self[name] for name in ("title", "text", "system")]

    @property
    def example_fields(self) -> list[forms.BoundField]:
        """Questions and answers, in order."""
        return [self[name] for name in self.fields if name.startswith(("question_", "answer_"))]


@never_cache
@login_required
@require_safe
def prompts_page(request: HttpRequest, slug: str) -> HttpResponse:
    """The prompts of a project that one may use."""
    user = cast("User", request.user)
    project = chat_project(user, slug)
    return render(
        request,
        "frontend/prompts.html",
        {"page": "prompts", "project": project, "prompts": prompts.list_prompts(user, project)},
    )


@never_cache
@login_required
def edit_prompt(request: HttpRequest, slug: str, pid: int | None = None) -> HttpResponse:
    """Make a prompt, or change one's own."""
    user = cast("User", request.user)
    project = chat_project(user, slug)
    form = PromptForm(request.POST or None, initial=_initial(user, project, pid))
    if request.method == "POST" and form.is_valid():
        shared = form.cleaned_data["shared"]
        try:
            prompts.save_prompt(user, project, form.content(), shared=shared, prompt_id=pid)
        except InvalidRequest as error:
            form.add_error(error.param if error.param in form.fields else None, error.message)
        except NotFound:
            raise chat_missing() from None
        else:
            return HttpResponseRedirect(reverse("prompts", args=[slug]))
    context = {"page": "prompts", "project": project, "form": form, "pid": pid}
    return render(request, "frontend/prompt.html", context)


def _initial(user: User, project: Project, pid: int | None) -> dict[str, Any]:
    if pid is None:
        return {}
    try:
        entry = prompts.get_prompt(user, project, pid)
    except NotFound:
        raise chat_missing() from None
    if not entry.mine:
        raise chat_missing()
    content = entry.content
    initial: dict[str, Any] = {
        "title": content.title,
        "text": content.text,
        "system": content.system,
        "shared": entry.shared,
    }
    for at, (question, answer) in enumerate(content.examples[:EXAMPLES], start=1):
        initial |= {f"question_{at}": question, f"answer_{at}": answer}
    return initial


def chat_missing() -> Exception:
    """A 404 that tells nothing."""
    return Http404("No such prompt.")


@require_POST
@login_required
def delete_prompt(request: HttpRequest, slug: str, pid: int) -> HttpResponse:
    """Delete one's own prompt."""
    user = cast("User", request.user)
    try:
        prompts.delete_prompt(user, chat_project(user, slug), pid)
    except NotFound:
        raise chat_missing() from None
    except UnderLegalHold as held:
        return held_page(request, held)
    return HttpResponseRedirect(reverse("prompts", args=[slug]))


@require_POST
@in_our_shape
async def upload(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Keep a file for the next message; answers with its card."""
    user = await person_of(request)
    return told(await sync_to_async(_upload)(request, user, slug))


def _upload(request: HttpRequest, user: User, slug: str) -> dict[str, Any]:
    project = writable_project(user, slug)
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        raise InvalidRequest(gettext("There is no file."), param="file")
    row = attachments.attach(user, project, name=file.name or "file", content=file.read())
    shown = file_shown(row)
    html = render_to_string("attachment/attachment.html", {"file": shown, "may_drop": True})
    return {"id": row.pk, "kind": row.kind, "name": shown["name"], "html": html}


@require_POST
@in_our_shape
async def drop_file(request: HttpRequest, aid: str) -> HttpResponseBase:
    """Delete a file that was not sent."""
    user = await person_of(request)
    await sync_to_async(attachments.drop)(user, aid)
    return told({})
