"""Every type of control-plane event: what it means and what its details may say.

Details are content-free by an allow-list per type: names, ids, counts and settings, never a
secret, a prompt or a personal value beyond the ids of the acting principals.
"""

from dataclasses import dataclass

from gateway.audit.event_types import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSpec:
    """What a type of event means. `details`: the names its details may use, no others."""

    description: str
    details: frozenset[str] = frozenset()


def _spec(description: str, *details: str) -> EventSpec:
    return EventSpec(description=description, details=frozenset(details))


_CLEARANCE = (
    *("name", "zone", "sensitivity", "categories", "before", "after", "evidence"),
    "approved_by",
)

EVENTS: dict[EventType, EventSpec] = {
    EventType.ORGANISATION_CHANGED: _spec(
        "The organisation's settings changed.", "fields", "before", "after"
    ),
    EventType.PROJECT_CREATED: _spec("A project came into being.", "name", "floor"),
    EventType.PROJECT_CHANGED: _spec(
        "A project's settings changed.", "name", "fields", "before", "after", "floor"
    ),
    EventType.MEMBER_ADDED: _spec("A person joined a project.", "user", "role"),
    EventType.MEMBER_CHANGED: _spec("A member's role changed.", "user", "before", "after"),
    EventType.MEMBER_REMOVED: _spec("A person left a project.", "user", "role"),
    EventType.GROUP_CHANGED: _spec("A group's members changed.", "name", "added", "removed"),
    EventType.USER_CREATED: _spec("A person's account was created.", "roles"),
    EventType.USER_CHANGED: _spec(
        "A person's organisation roles changed.", "fields", "before", "after"
    ),
    EventType.USER_DEACTIVATED: _spec(
        "A person's account was switched off; their keys died with it.", "keys"
    ),
    EventType.USER_REACTIVATED: _spec("A person's account was switched on again."),
    EventType.USER_LOGGED_IN: _spec("A person logged in.", "method"),
    EventType.USER_LOGGED_OUT: _spec("A person logged out."),
    EventType.PASSWORD_CHANGED: _spec("A person's password changed.", "method"),
    EventType.LOGIN_FAILED: _spec("A login was refused.", "reason", "method"),
    EventType.SECOND_FACTOR_ADDED: _spec("A person set up a second factor.", "kind"),
    EventType.SECOND_FACTOR_REMOVED: _spec(
        "A second factor was taken away, by its person or by an admin.", "kind"
    ),
    EventType.IDENTITY_LINKED: _spec(
        "A person may come in by the identity provider, too.", "method"
    ),
    EventType.IDENTITY_UNLINKED: _spec(
        "A person comes in by the identity provider no more.", "method"
    ),
    EventType.SESSION_ENDED: _spec("Sessions of a person were ended.", "count", "reason"),
    EventType.INVITATION_CREATED: _spec(
        "Somebody was invited by a link.", "role", "organisation_role", "expires_at", "way"
    ),
    EventType.INVITATION_REVOKED: _spec("An invitation lets nobody in any more."),
    EventType.INVITATION_ACCEPTED: _spec("An invitation was used; it is spent.", "user", "role"),
    EventType.SERVICE_ACCOUNT_CREATED: _spec("A service account was created.", "name"),
    EventType.SERVICE_ACCOUNT_DEACTIVATED: _spec(
        "A service account was switched off; its keys died with it.", "name", "keys"
    ),
    EventType.KEY_CREATED: _spec(
        "An API key was made.",
        "prefix",
        "name",
        "scopes",
        "expires_at",
        "floor",
        "owner",
        "requests_per_minute",
        "restores",
    ),
    EventType.KEY_REVOKED: _spec("An API key was revoked.", "prefix", "name", "owner", "reason"),
    EventType.KEY_ROTATED: _spec(
        "An API key got a successor; it is accepted itself until it expires.",
        *("prefix", "name", "owner", "successor", "expires_at"),
    ),
    EventType.ENCRYPTION_KEY_ROTATED: _spec(
        "Stored secrets were sealed anew under the first key-encryption key; `forgotten`: the "
        "keys before it are accepted no more.",
        *("sealed_anew", "unreadable", "forgotten"),
    ),
    EventType.BACKUP_MADE: _spec("A backup was made.", "rows", "files", "with_keys"),
    EventType.BACKUP_RESTORED: _spec(
        "This installation was restored from a backup of that time.", "made_at", "rows", "files"
    ),
    EventType.DEPLOYMENT_CREATED: _spec(
        "A deployment was registered.",
        *("name", "provider", "zone", "sensitivity", "categories", "region", "vendor", "enabled"),
    ),
    EventType.DEPLOYMENT_CHANGED: _spec(
        "A deployment's settings changed.", "name", "fields", "before", "after"
    ),
    EventType.DEPLOYMENT_ENABLED: _spec("A deployment may serve.", "name", "zone"),
    EventType.DEPLOYMENT_DISABLED: _spec("A deployment may not serve.", "name", "reason"),
    EventType.DEPLOYMENT_REMOVED: _spec("A deployment was removed.", "name", "zone"),
    EventType.DEPLOYMENT_PROPOSED: _spec(
        "A server or vendor was found; it stays off until confirmed.", "name", "provider", "origin"
    ),
    EventType.DEPLOYMENT_CLEARANCE_WIDENED: _spec(
        "A deployment may have more: by its zone, its clearance or the rules in `widens`.",
        *_CLEARANCE,
        "widens",
    ),
    EventType.DEPLOYMENT_CLEARANCE_NARROWED: _spec(
        "A deployment's zone or clearance admits less than before.", *_CLEARANCE
    ),
    EventType.DEPLOYMENT_ADDRESS_CHANGED: _spec(
        "A deployment's address changed; its clearance was reset and it is off.",
        *("name", "zone", "sensitivity", "categories"),
    ),
    EventType.DEPLOYMENT_TESTED: _spec(
        "A deployment was asked for its models, without any content.", "name", "zone", "result"
    ),
    EventType.DEPLOYMENT_CHANGE_REQUESTED: _spec(
        "A change that widens a deployment waits for a second person.",
        *(*_CLEARANCE, "reason", "widens"),
    ),
    EventType.DEPLOYMENT_CHANGE_REJECTED: _spec(
        "A second person refused to widen a deployment.", "name", "author", "note"
    ),
    EventType.DEPLOYMENT_CHANGE_WITHDRAWN: _spec(
        "A change of a deployment that waited was taken back.", "name"
    ),
    EventType.CREDENTIAL_CHANGED: _spec("A deployment's credential was replaced.", "name"),
    EventType.ALIAS_CREATED: _spec("A model alias was created.", "name", "deployments"),
    EventType.ALIAS_CHANGED: _spec(
        "A model alias points elsewhere.", "name", "before", "after", "deployments"
    ),
    EventType.ALIAS_REMOVED: _spec("A model alias was removed.", "name"),
    EventType.GRANT_ADDED: _spec("A project may use a deployment.", "deployment"),
    EventType.GRANT_REMOVED: _spec("A project may no longer use a deployment.", "deployment"),
    EventType.RECOGNIZER_CHANGED: _spec(
        "A recognizer was defined, or changed.",
        *("name", "category", "patterns", "context", "checksum", "before"),
    ),
    EventType.RECOGNIZER_REMOVED: _spec("A recognizer was removed.", "name", "category"),
    EventType.MODEL_RECOGNIZER_CHANGED: _spec(
        "A model recognizer was defined, or changed.",
        *("name", "deployment", "asks", "classes", "before"),
    ),
    EventType.MODEL_RECOGNIZER_REMOVED: _spec(
        "A model recognizer was removed.", "name", "deployment", "classes"
    ),
    EventType.POLICY_PUBLISHED: _spec(
        "A policy revision took effect.",
        *("kind", "revision", "number", "previous", "rules", "widens", "reason", "approved_by"),
        "unproven",
    ),
    EventType.POLICY_DRAFT_SAVED: _spec("A policy's draft was saved.", "version", "hash", "base"),
    EventType.POLICY_DRAFT_DISCARDED: _spec("A policy's draft was thrown away.", "version"),
    EventType.PUBLICATION_REQUESTED: _spec(
        "A policy waits for a second person before it takes effect.",
        *("revision", "previous", "widens", "reason"),
    ),
    EventType.PUBLICATION_REJECTED: _spec(
        "A second person refused a policy.", "revision", "author", "note"
    ),
    EventType.PUBLICATION_WITHDRAWN: _spec("A policy that waited was taken back.", "revision"),
    EventType.EXCEPTION_CREATED: _spec(
        "Named rules are suspended until a date.",
        *("name", "rules", "groups", "keys", "aliases", "owner", "ends_at", "reason"),
        "approved_by",
    ),
    EventType.EXCEPTION_ENDED: _spec(
        "Rules that were suspended hold again.", "name", "rules", "reason"
    ),
    EventType.EXCEPTION_REQUESTED: _spec(
        "An exception waits for a second person.",
        *("name", "rules", "groups", "keys", "aliases", "owner", "ends_at", "reason"),
    ),
    EventType.EXCEPTION_REJECTED: _spec(
        "A second person refused an exception.", "name", "rules", "author", "note"
    ),
    EventType.EXCEPTION_WITHDRAWN: _spec(
        "An exception that waited was taken back.", "name", "rules", "author"
    ),
    EventType.APPROVAL_REQUESTED: _spec(
        "Somebody asked for an approval of one request.",
        *("digest", "decision", "rules", "alias", "reason"),
    ),
    EventType.APPROVAL_GRANTED: _spec(
        "One request was approved: its rules are suspended for its digest.",
        *("digest", "decision", "rules", "asked_by", "expires_at", "note"),
    ),
    EventType.APPROVAL_REFUSED: _spec(
        "An approval of one request was refused.",
        *("digest", "decision", "rules", "asked_by", "note"),
    ),
    EventType.SHADOW_STARTED: _spec(
        "A policy is decided beside the one in effect, without effect.",
        *("kind", "source", "revision"),
    ),
    EventType.SHADOW_ENDED: _spec("A policy in shadow was taken away.", "source", "revision"),
    EventType.CONFIG_APPLIED: _spec(
        "A configuration file was applied.", "file_digest", "created", "changed", "removed"
    ),
    EventType.CONFIG_EXPORTED: _spec(
        "Everything that is configured, without secrets, was written as a file.", "file_digest"
    ),
    EventType.EGRESS_STOPPED: _spec("Everything that leaves on_prem was stopped.", "reason"),
    EventType.EGRESS_RESUMED: _spec("What may leave on_prem leaves again.", "reason"),
    EventType.FILE_CREATED: _spec(
        "A file was uploaded or written.", "purpose", "bytes", "declared"
    ),
    EventType.FILE_DOWNLOADED: _spec(
        "A file's text was handed out.",
        *("purpose", "bytes", "key", "sensitivity", "categories"),
    ),
    EventType.FILE_DELETED: _spec(
        "A file and its bytes were deleted.", "purpose", "bytes", "reason"
    ),
    EventType.BATCH_CREATED: _spec(
        "A batch was asked for.", "endpoint", "input_file", "key", "window", "declared"
    ),
    EventType.BATCH_CANCELLED: _spec("A batch is to stop.", "reason"),
    EventType.BATCH_RETRIED: _spec(
        "Rows of a batch that failed are asked for again.", "rows", "reasons", "model", "key"
    ),
    EventType.BATCH_FINISHED: _spec(
        "A batch came to its end.",
        *("status", "total", "completed", "failed", "sensitivity", "categories"),
        *("output_file", "error_file"),
    ),
    EventType.CONTENT_RULE_CHANGED: _spec(
        "For how many days a project keeps prompts and answers changed.", "before_days", "days"
    ),
    EventType.CONTENT_READ: _spec("Somebody read a kept prompt and its answer."),
    EventType.CONTENT_DELETED: _spec("Kept prompts and answers were deleted.", "count", "reason"),
    EventType.PERSON_EXPORTED: _spec("What Sluice holds of a person was gathered.", "parts"),
    EventType.PERSON_ERASED: _spec(
        "A person was erased: what leads from their id to them, and what they had written.",
        *("parts", "remaining"),
    ),
    EventType.CONVERSATION_SHARED: _spec(
        "Who may read a conversation changed.", "before", "visibility"
    ),
    EventType.CONVERSATION_EXPORTED: _spec(
        "A conversation's text was handed out as a file.", "format", "messages"
    ),
    EventType.CONVERSATION_DELETED: _spec(
        "A conversation, its messages and its key were deleted.", "messages", "reason"
    ),
    EventType.LINK_CREATED: _spec(
        "A link to a conversation was made; it asks for a login.", "link", "expires_at"
    ),
    EventType.LINK_REVOKED: _spec("A link to a conversation opens it no more.", "link"),
    EventType.LINK_OPENED: _spec("A person came to a conversation by a link.", "link"),
    EventType.BUDGET_CHANGED: _spec(
        "A budget was made or changed.",
        *("name", "scope", "amount_usd", "period", "hard", "at_end", "before_usd"),
    ),
    EventType.BUDGET_REMOVED: _spec("A budget was taken away.", "name", "amount_usd"),
    EventType.BUDGET_REACHED: _spec(
        "A part of a budget is spent; once for each part in a period.",
        *("name", "subject", "window", "percent", "spent_usd", "amount_usd"),
    ),
    EventType.LIMIT_CHANGED: _spec(
        "What a project, key or deployment may take was limited, or freed.",
        *("name", "requests_per_minute", "tokens_per_minute", "concurrency"),
    ),
    EventType.PRICE_CHANGED: _spec("What a deployment costs was said anew.", "name", "terms"),
    EventType.SHEET_CREATED: _spec("A table was uploaded.", "rows", "columns", "bytes", "declared"),
    EventType.SHEET_STARTED: _spec(
        "Rows of a table are sent.", "batch", "run", "rows", "model", "revision"
    ),
    EventType.SHEET_PAUSED: _spec("A table's rows are sent no further for now.", "reason"),
    EventType.SHEET_CANCELLED: _spec("A table's rows are to be sent no further.", "reason"),
    EventType.SHEET_FINISHED: _spec(
        "A table's rows came to their end.",
        *("status", "rows", "completed", "failed", "sensitivity", "categories"),
    ),
    EventType.SHEET_DOWNLOADED: _spec(
        "A table was handed out with its answers.", "format", "rows", "sensitivity", "categories"
    ),
    EventType.SHEET_DELETED: _spec("A table was deleted with its answers.", "rows"),
    EventType.USAGE_EXPORTED: _spec(
        "Who used and spent what was handed out as a file.", "by", "first", "last", "rows"
    ),
    EventType.AUDIT_EXPORTED: _spec(
        "Audit records were exported.",
        *("format", "kind", "since", "until", "project", "conditions"),
    ),
    EventType.AUDIT_SEARCHED: _spec(
        "Somebody looked through audit records, or asked what left the house.",
        *("project", "since", "until", "conditions", "question"),
    ),
    EventType.AUDIT_PRUNED: _spec(
        "The oldest records of a chain were removed, as a retention rule says.",
        *("kind", "days", "first_seq", "last_seq", "last_hash", "records", "kept", "kept_records"),
        "head",
    ),
    EventType.RETENTION_CHANGED: _spec(
        "How long a kind of data is kept changed.", "before_days", "days"
    ),
    EventType.HOLD_PLACED: _spec("Records of a project or person are kept for now.", "reason"),
    EventType.HOLD_ENDED: _spec("A legal hold ended.", "reason"),
    EventType.WRITER_DIED: _spec(
        "A process ended without closing its journal; what it left was loaded.",
        *("role", "host", "pid", "last_seq", "unknown_outcomes"),
    ),
    EventType.JOURNAL_BROKEN: _spec(
        "A journal does not hold together: a record is missing, altered or out of place.",
        *("segment", "offset", "seq", "fault"),
    ),
    EventType.DECISION_UNACCOUNTED: _spec(
        "A decision was committed before anything was sent, and no journal has brought it.",
        *("writer", "at", "record"),
    ),
}
