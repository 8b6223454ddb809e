"""Addresses of the admin API."""

from django.urls import URLPattern, path
from drf_spectacular.views import SpectacularJSONAPIView

from gateway.admin_api import deployments, sheets
from gateway.admin_api import people_views as people
from gateway.admin_api.audit_views import AuditEvents, AuditEventsFile
from gateway.admin_api.money_views import Budgets, Limits, OneBudget, Prices
from gateway.admin_api.policies.urls import urlpatterns as policies
from gateway.admin_api.recipes import Recipes
from gateway.admin_api.usage_views import Usage, UsageFile, UsageOfRequest
from gateway.admin_api.views import Explain, Me

urlpatterns: list[URLPattern] = [
    path("me", Me.as_view(), name="api-me"),
    path("policies/explain", Explain.as_view(), name="api-explain"),
    path("policies/recipes", Recipes.as_view(), name="api-recipes"),
    path("schema", SpectacularJSONAPIView.as_view(), name="api-schema"),
    *policies,
    path("projects/<slug:slug>/sheets", sheets.Sheets.as_view(), name="api-sheets"),
    path("projects/<slug:slug>/sheets/<str:pk>", sheets.OneSheet.as_view(), name="api-sheet"),
    *(
        path(f"projects/<slug:slug>/sheets/<str:pk>/{view.__name__.lower()}", view.as_view())
        for view in (
            *(sheets.Setup, sheets.Preview, sheets.Estimate, sheets.Run, sheets.Pause),
            *(sheets.Cancel, sheets.Retry, sheets.Download),
        )
    ),
    path("deployments", deployments.Deployments.as_view()),
    path("deployments/<slug:name>", deployments.OneDeployment.as_view()),
    path("deployments/<slug:name>/test", deployments.DeploymentTest.as_view()),
    path("deployment-changes", deployments.Changes.as_view()),
    path("deployment-changes/<uuid:key>/approve", deployments.ApproveChange.as_view()),
    path("deployment-changes/<uuid:key>/reject", deployments.RejectChange.as_view()),
    path("deployment-changes/<uuid:key>/withdraw", deployments.WithdrawChange.as_view()),
    path("aliases", deployments.Aliases.as_view()),
    path("aliases/<path:name>", deployments.OneAlias.as_view()),
    path("projects/<slug:slug>/grants/<slug:deployment>", deployments.OneGrant.as_view()),
    path("projects/<slug:slug>/members", people.Members.as_view(), name="api-members"),
    path("projects/<slug:slug>/members/<str:email>", people.OneMember.as_view(), name="api-member"),
    path("projects/<slug:slug>/keys", people.Keys.as_view(), name="api-keys"),
    path("projects/<slug:slug>/keys/<slug:prefix>", people.OneKey.as_view(), name="api-key"),
    path(
        "projects/<slug:slug>/keys/<slug:prefix>/rotate",
        people.Rotate.as_view(),
        name="api-rotate-key",
    ),
    path("projects/<slug:slug>/invitations", people.Invitations.as_view(), name="api-invitations"),
    path(
        "projects/<slug:slug>/invitations/<uuid:pk>",
        people.OneInvitation.as_view(),
        name="api-invitation",
    ),
    path("audit/events", AuditEvents.as_view(), name="api-audit-events"),
    path("audit/events.<str:suffix>", AuditEventsFile.as_view(), name="api-audit-events-file"),
    path("usage", Usage.as_view(), name="api-usage"),
    path("usage.csv", UsageFile.as_view(), name="api-usage-file"),
    path("usage/<str:decision>", UsageOfRequest.as_view(), name="api-usage-of-request"),
    path("budgets", Budgets.as_view(), name="api-budgets"),
    path("budgets/<slug:name>", OneBudget.as_view(), name="api-budget"),
    path("limits/<str:kind>/<str:name>", Limits.as_view(), name="api-limits"),
    path("prices/<slug:deployment>", Prices.as_view(), name="api-prices"),
]
