"""Addresses of the pages."""

from django.urls import URLPattern, path

from frontend.audit import views as audit
from frontend.policies import views as policies
from frontend.views import chat, pages

urlpatterns: list[URLPattern] = [
    path("login/", pages.SignIn.as_view(), name="login"),
    path("logout/", pages.SignOut.as_view(), name="logout"),
    path("", pages.chat_page, name="chat"),
    path("p/<slug:slug>/", pages.chat_page, name="project-chat"),
    path("chat/preview", chat.preview, name="chat-preview"),
    path("chat/send", chat.send, name="chat-send"),
    path("policy/", policies.policy_page, name="organisation-policy"),
    path("p/<slug:slug>/policy/", policies.policy_page, name="project-policy"),
    path("audit/", audit.decisions, name="audit"),
    path("audit/changes/", audit.changes, name="audit-changes"),
    path("audit/<str:decision_id>/", audit.decision, name="audit-decision"),
]
