"""What becomes of every table that knows people when one of them is erased.

A test holds this against the models: a table that points to a person, or names one as an actor,
and is missing here fails it.
"""

from typing import Final

# Gone with the person.
DELETED: Final = {
    "accounts.Membership": "who belongs where",
    "accounts.Group": "the person leaves all groups",
    "accounts.Project": "the same by its members",
    "accounts.Invitation": "those for the person, and those that they wrote",
    "accounts.ClaimGrant": "what their identity provider gave them",
    "content.KeptContent": "and the person's key",
    "files.StoredFile": "and their bytes",
    "batches.Batch": "and its rows, input and results",
    "chat.Conversation": "with its messages, files and key",
    "chat.Message": "and, in conversations of others, the words",
    "chat.Attachment": "",
    "chat.Feedback": "",
    "chat.Pin": "",
    "chat.ShareLink": "they open nothing any more",
    "chat.LinkGuest": "",
    "chat.Prompt": "shared ones, too",
    "sheets.Sheet": "and its table and answers",
}
# Stays, under an id that leads to nobody.
PSEUDONYMOUS: Final = {
    "accounts.User": "an empty shell, so that the id stays taken",
    "accounts.APIKey": "revoked, without its name",
    "accounts.ServiceAccount": "switched off",
    "audit.RequestRecord": "content-free",
    "audit.AuditEvent": "free text holds ids instead of people",
    "usage.Budget": "names the person by id; ends with the membership",
    "usage.UsageDay": "sums under the id",
    "usage.UsageRecord": "counts and costs under the id",
    "audit.LegalHold": "a person under one is not erased",
    "deployments.WaitingChange": "",
    "policies.Policy": "",
    "policies.PolicyRevision": "",
    "policies.PolicyDraft": "",
    "policies.PendingPublication": "",
    "policies.Shadow": "",
    "policies.RuleException": "",
    "policies.WaitingException": "",
    "policies.Approval": "",
}
# Free text that may change: the person's address and name are replaced there by their id, and
# leave lists.
FREE_TEXT: Final = (
    ("accounts.APIKey", "name"),
    ("deployments.WaitingChange", "reason"),
    ("deployments.WaitingChange", "note"),
    ("policies.RuleException", "reason"),
    ("policies.WaitingException", "reason"),
    ("policies.WaitingException", "note"),
    ("policies.Approval", "reason"),
    ("policies.Approval", "note"),
    ("policies.PendingPublication", "reason"),
    ("policies.PendingPublication", "note"),
    ("policies.PolicyRevision", "reason"),
    ("usage.Budget", "emails"),
)
# Names of fields that hold an actor as text.
ACTOR_FIELDS: Final = frozenset(
    {
        *("actor", "author", "approved_by", "asked_by", "created_by", "decided_by", "ended_by"),
        *("on_behalf_of", "owner", "person", "started_by", "updated_by", "user"),
    }
)
