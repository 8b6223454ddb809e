"""Addresses of the pages."""

from django.urls import URLPattern, path

from frontend.account import door
from frontend.account import views as account
from frontend.audit import views as audit
from frontend.deployments import aliases
from frontend.deployments import one as deployment
from frontend.deployments import views as deployments
from frontend.money import urls as money
from frontend.overview import views as overview
from frontend.people import invitations, keys, people, projects, roles
from frontend.policies import urls as policies
from frontend.views import batches, chat, conversation_forms, conversations, library

urlpatterns: list[URLPattern] = [
    # --- Signing in; names with `account_`, `mfa_` and `openid_connect_` are django-allauth's ---
    path("login/", door.SignIn.as_view(), name="login"),
    path("login/", door.SignIn.as_view(), name="account_login"),
    path("login/code/", door.SecondFactor.as_view(), name="mfa_authenticate"),
    path("login/with/<slug:provider_id>/", door.to_provider, name="openid_connect_login"),
    path("login/with/<slug:provider_id>/back/", door.from_provider, name="openid_connect_callback"),
    path("logout/", door.SignOut.as_view(), name="logout"),
    path("invitation/<str:secret>/", invitations.accept_page, name="invitation"),
    # --- One's own account ---
    path("account/", account.account, name="account"),
    path("account/prove/", door.ProveAgain.as_view(), name="account_reauthenticate"),
    path("account/prove/code/", door.ProveAgainByCode.as_view(), name="mfa_reauthenticate"),
    path("account/second-factor/", account.second_factor, name="mfa_activate_totp"),
    path("account/second-factor/codes", account.new_codes, name="new-codes"),
    path("account/second-factor/remove", account.without_second_factor, name="remove-factor"),
    path("account/sessions", account.end, name="end-session"),
    path("account/link", account.link, name="link-provider"),
    path("account/unlink", account.unlink, name="unlink-provider"),
    # --- Chat pages ---
    path("", conversations.new_chat, name="chat"),
    path("p/<slug:slug>/", conversations.new_chat, name="project-chat"),
    path("p/<slug:slug>/begin", conversation_forms.begin, name="begin-chat"),
    path("c/<str:cid>/", conversations.conversation_page, name="conversation"),
    path("c/<str:cid>/earlier", conversations.earlier, name="earlier"),
    path("search/", conversations.conversations_page, name="search"),
    path("search/results", conversations.search_results, name="search-results"),
    path("shortcuts/", conversations.shortcuts, name="shortcuts"),
    path("s/<str:secret>/", conversation_forms.open_link, name="share-link"),
    # --- Prompts and files ---
    path("p/<slug:slug>/prompts/", library.prompts_page, name="prompts"),
    path("p/<slug:slug>/prompts/new", library.edit_prompt, name="new-prompt"),
    path("p/<slug:slug>/prompts/<int:pid>", library.edit_prompt, name="edit-prompt"),
    path("p/<slug:slug>/prompts/<int:pid>/delete", library.delete_prompt, name="delete-prompt"),
    path("p/<slug:slug>/files", library.upload, name="upload"),
    path("files/<str:aid>/drop", library.drop_file, name="drop-file"),
    # --- Forms of a conversation ---
    path("c/<str:cid>/title", conversation_forms.rename, name="rename"),
    path("c/<str:cid>/pin", conversation_forms.pin, name="pin"),
    path("c/<str:cid>/settings", conversation_forms.change_settings, name="chat-settings"),
    path("c/<str:cid>/share", conversation_forms.share, name="share"),
    path("c/<str:cid>/links", conversation_forms.make_link, name="make-link"),
    path("c/<str:cid>/links/<int:link>/end", conversation_forms.end_link, name="end-link"),
    path("c/<str:cid>/delete", conversation_forms.delete, name="delete-chat"),
    path("c/<str:cid>/export.<str:format>", conversation_forms.export_file, name="export"),
    # --- Spreadsheets ---
    path("p/<slug:slug>/batches/", batches.listed, name="batches"),
    path("p/<slug:slug>/batches/<str:pk>/", batches.one, name="batch"),
    path("p/<slug:slug>/batches/<str:pk>/live", batches.live, name="batch-live"),
    path(
        "p/<slug:slug>/batches/<str:pk>/answers.<str:word>",
        batches.downloaded,
        name="batch-download",
    ),
    *(
        path(f"p/<slug:slug>/batches/<str:pk>/{name}", act, name=f"batch-{name}")
        for name, act in batches.ACTIONS.items()
    ),
    # --- What the live chat asks for; its events are dispatched ahead of Django ---
    path("chat/preview", chat.preview, name="chat-preview"),
    path("p/<slug:slug>/messages", chat.start, name="chat-start"),
    path("c/<str:cid>/messages", chat.ask, name="chat-ask"),
    path("c/<str:cid>/messages/<int:mid>/again", chat.again, name="chat-again"),
    path("c/<str:cid>/messages/<int:mid>/stop", chat.stop, name="chat-stop"),
    path("c/<str:cid>/messages/<int:mid>/back", chat.take_back, name="chat-back"),
    path("c/<str:cid>/messages/<int:mid>/feedback", chat.feedback, name="chat-feedback"),
    path("c/<str:cid>/messages/<int:mid>/text", chat.text, name="chat-text"),
    path("c/<str:cid>/typing", chat.typing, name="chat-typing"),
    # --- Overview ---
    path("overview/", overview.overview, name="overview"),
    path("overview/egress", overview.egress, name="egress"),
    path("overview/first-steps", overview.put_away, name="put-first-steps-away"),
    # --- Deployments ---
    path("deployments/", deployments.listed, name="deployments"),
    path("deployments/discover", deployments.discover, name="discover-deployments"),
    path("deployments/new/", deployment.new, name="new-deployment"),
    path("deployments/<slug:name>/", deployment.one, name="deployment"),
    path("aliases/new", aliases.new, name="new-alias"),
    path("aliases/<path:name>/", aliases.one, name="alias"),
    # --- Projects, people, keys ---
    path("projects/", projects.projects_page, name="projects"),
    path("projects/<slug:slug>/", projects.project_page, name="project"),
    path("projects/<slug:slug>/change", projects.change, name="change-project"),
    path("projects/<slug:slug>/archive", projects.archive, name="archive-project"),
    path("projects/<slug:slug>/members", projects.member, name="set-member"),
    path("projects/<slug:slug>/members/remove", projects.leave, name="remove-member"),
    path("projects/<slug:slug>/accounts", projects.new_account, name="new-service-account"),
    path(
        "projects/<slug:slug>/accounts/<slug:account>/end",
        projects.end_account,
        name="end-service-account",
    ),
    path("people/", people.people_page, name="people"),
    path("people/groups/", people.groups_page, name="groups"),
    path("people/signing-in/", people.signing_in_page, name="signing-in"),
    path("people/invitations", invitations.make, name="make-invitation"),
    path("people/invitations/<uuid:pk>/end", invitations.revoke, name="end-invitation"),
    path("people/<uuid:pk>/", people.person_page, name="person"),
    path("people/<uuid:pk>/act", people.act_on_person, name="act-on-person"),
    path("roles/", roles.roles_page, name="roles"),
    path("keys/", keys.keys_page, name="keys"),
    path("keys/<uuid:pk>/", keys.key_page, name="key"),
    path("keys/<uuid:pk>/rotate", keys.rotate, name="rotate-key"),
    path("keys/<uuid:pk>/revoke", keys.revoke, name="revoke-key"),
    # --- Policies and audit ---
    *policies.urlpatterns,
    *money.urlpatterns,
    path("audit/", audit.decisions, name="audit"),
    path("audit/decisions.<str:format>", audit.decisions_file, name="audit-file"),
    path("audit/changes/", audit.changes, name="audit-changes"),
    path("audit/changes.<str:format>", audit.changes_file, name="audit-changes-file"),
    path("audit/<str:decision_id>/", audit.decision, name="audit-decision"),
]
