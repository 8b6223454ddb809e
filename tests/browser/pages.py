"""Every page there is, by the name of its address: which the walk opens, and who opens the rest.

`tests/frontend/test_page_table.py` holds this against the addresses.
"""

# Opened as they are, signed in. Values: what stands in the address.
PLAIN: dict[str, dict[str, str]] = {
    "account": {},
    "mfa_activate_totp": {},
    "chat": {},
    "project-chat": {"slug": "demo"},
    "search": {},
    "shortcuts": {},
    "prompts": {"slug": "demo"},
    "new-prompt": {"slug": "demo"},
    "batches": {"slug": "demo"},
    "overview": {},
    "deployments": {},
    "new-deployment": {},
    "deployment": {"name": "demo-cloud"},
    "alias": {"name": "auto"},
    "new-alias": {},
    "projects": {},
    "project": {"slug": "demo"},
    "people": {},
    "groups": {},
    "signing-in": {},
    "roles": {},
    "keys": {},
    "approvals": {},
    "usage": {},
    "budgets": {},
    "audit": {},
    "audit-changes": {},
    **{f"organisation-policy{end}": {} for end in ("", "-draft", "-rule", "-recipes", "-diff")},
    **{
        f"project-policy{end}": {"slug": "demo"}
        for end in ("", "-draft", "-rule", "-recipes", "-diff")
    },
}
# Opened by the first link of this kind on another page.
LINKED: dict[str, tuple[str, str]] = {
    "person": ("people", "tbody a"),
    "key": ("keys", "tbody a"),
    "audit-decision": ("audit", "tbody a"),
    "budget": ("budgets", "a[href*='/budgets/edit/']"),
    "limits": ("budgets", "a[href*='/budgets/limits/']"),
    "edit-prompt": ("prompts", "a[href*='/prompts/']:not([href$='new'])"),
    "conversation": ("chat", ".rail .chats a"),
}
# Looked at by tests of their own, on the way to them.
ON_THE_WAY: dict[str, str] = {
    "login": "test_every_page",
    "account_login": "test_every_page",
    "mfa_authenticate": "test_signing_in",
    "account_reauthenticate": "test_signing_in",
    "mfa_reauthenticate": "test_signing_in",
    "invitation": "test_people",
    "batch": "test_batches",
}
# Answer a GET, but with no page of their own: a file, a piece of one, or the way to another page.
NO_PAGE = {
    "openid_connect_login",
    "openid_connect_callback",
    "logout",
    "earlier",
    "search-results",
    "share-link",
    "export",
    "batch-live",
    "batch-download",
    "chat-text",
    "usage-file",
    "audit-file",
    "audit-changes-file",
}
