"""Addresses of the policy routes: below /api/organisation and below /api/projects/SLUG."""

from django.urls import URLPattern, path

from gateway.admin_api.policies import classes, documents, models, reviews, suspensions, waiting
from gateway.admin_api.policies.reading import PolicyView

_BOTH: tuple[tuple[str, type[PolicyView], str], ...] = (
    ("policy", documents.Policy, "policy"),
    ("policy/revisions", documents.Revisions, "revisions"),
    ("policy/revisions/<int:number>", documents.Revision, "revision"),
    ("policy/diff", documents.Diff, "diff"),
    ("policy/draft", documents.Draft, "draft"),
    ("policy/check", documents.Check, "check"),
    ("policy/tests", documents.Tests, "tests"),
    ("policy/prove", documents.Prove, "prove"),
    ("policy/lint", documents.Lint, "lint"),
    ("policy/publish", documents.Publish, "publish"),
    ("policy/rollback", documents.RollBack, "rollback"),
    ("recognizers", classes.RecognizerList, "recognizers"),
    ("recognizers/<slug:name>", classes.OneRecognizer, "recognizer"),
    ("model-recognizers", models.ModelRecognizerList, "model-recognizers"),
    ("model-recognizers/<slug:name>", models.OneModelRecognizer, "model-recognizer"),
)
_PROJECT = "projects/<slug:slug>"

urlpatterns: list[URLPattern] = [
    *(
        path(f"organisation/{route}", view.as_view(), name=f"api-organisation-{name}")
        for route, view, name in _BOTH
    ),
    *(
        path(f"{_PROJECT}/{route}", view.as_view(), name=f"api-project-{name}")
        for route, view, name in _BOTH
    ),
    path(f"{_PROJECT}/exceptions", suspensions.Exceptions.as_view(), name="api-exceptions"),
    path(
        f"{_PROJECT}/exceptions/<uuid:key>",
        suspensions.OneException.as_view(),
        name="api-exception",
    ),
    path(f"{_PROJECT}/shadow", suspensions.InShadow.as_view(), name="api-shadow"),
    path(
        f"{_PROJECT}/shadow/results",
        suspensions.ShadowResults.as_view(),
        name="api-shadow-results",
    ),
    path(
        "organisation/shadow/results",
        suspensions.OrganisationShadowResults.as_view(),
        name="api-organisation-shadow-results",
    ),
    path(f"{_PROJECT}/word-lists", classes.WordLists.as_view(), name="api-word-lists"),
    path(f"{_PROJECT}/word-lists/<slug:name>", classes.OneWordList.as_view(), name="api-word-list"),
    path("publications", reviews.Publications.as_view(), name="api-publications"),
    path("publications/<uuid:key>", reviews.Publication.as_view(), name="api-publication"),
    path(
        "publications/<uuid:key>/approve", reviews.Agree.as_view(), name="api-publication-approve"
    ),
    path("publications/<uuid:key>/reject", reviews.Reject.as_view(), name="api-publication-reject"),
    path(
        "publications/<uuid:key>/withdraw",
        reviews.Withdraw.as_view(),
        name="api-publication-withdraw",
    ),
    path("exceptions/waiting", waiting.WaitingExceptions.as_view(), name="api-waiting-exceptions"),
    *(
        path(f"exceptions/waiting/<uuid:key>{end}", view.as_view(), name=f"api-{name}")
        for end, view, name in (
            ("", waiting.OneWaitingException, "waiting-exception"),
            ("/approve", waiting.AgreeToException, "waiting-exception-approve"),
            ("/reject", waiting.RejectException, "waiting-exception-reject"),
            ("/withdraw", waiting.WithdrawException, "waiting-exception-withdraw"),
        )
    ),
    path("approvals", reviews.Approvals.as_view(), name="api-approvals"),
    path("approvals/<uuid:key>", reviews.OneApproval.as_view(), name="api-approval"),
    path("approvals/<uuid:key>/grant", reviews.Grant.as_view(), name="api-approval-grant"),
    path("approvals/<uuid:key>/refuse", reviews.Refuse.as_view(), name="api-approval-refuse"),
]
