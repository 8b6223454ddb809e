"""The two journal records of a request. Content-free: an allow-list of fields, nothing else.

`decision` is written before any byte leaves; `outcome` on every path afterwards, also when the
client is gone. The loader merges the two into one row by `id`.
"""

import msgspec


class ShadowRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the project's policy in shadow would have decided."""

    revision: str  # of the compiled policy in shadow
    outcome: str  # "allowed", "denied", "unknown_alias", "error"
    deployment: str = ""  # its first candidate
    rules: list[str] = []  # every rule of it that matched
    masks: dict[str, str] = {}  # found data class -> how that candidate would not get to see it


class ShadowRuleRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What would have been decided if this shadow rule alone had been in effect."""

    rule: str  # "project:health-stays"
    outcome: str  # as of a ShadowRecord
    deployment: str = ""
    masks: dict[str, str] = {}


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="decision"):
    """What was decided, and on what grounds. Times are Unix seconds (UTC)."""

    id: str  # decision id
    request_id: str
    at: float
    project: str
    actor: str  # "user:<uuid>" or "service_account:<uuid>"
    on_behalf_of: str = ""
    key_prefix: str = ""
    channel: str = "api"  # "api", "chat", "batch", "explain"
    endpoint: str
    alias: str
    stream: bool = False
    size_bytes: int = 0
    digest: str
    sensitivity: str
    categories: list[str] = []
    classes: dict[str, int] = {}
    opaque: list[str] = []
    declared: str = ""  # what the caller declared, normalised: "confidential, health"
    inherited: str = ""  # what stored things passed on, in the same words
    decision: (
        str  # "allowed", "denied", "unknown_alias", "refused" (a limit), "rejected" (not read)
    )
    reason: str = ""  # code of the error the caller got, when refused
    revision: str
    rules: list[str] = []  # "organisation:health-stays"
    shadow_rules: list[str] = []
    candidates: list[str] = []  # deployments, in order
    dropped: list[list[str]] = []  # [deployment, zone, reason, rule or ""]
    masked: int = 0
    masks: dict[str, str] = {}  # found data class -> "placeholder", ..., for the first candidate
    suspended_rules: list[str] = []  # matched, and out of effect by an exception or an approval
    shadow: ShadowRecord | None = None
    shadow_effects: list[ShadowRuleRecord] = []  # of each rule in `shadow_rules`
    # What was reserved of budgets, in 10^-9 USD; charged if the process dies before the outcome.
    reserved_nano: int = 0
    leased: list[list[str]] = []  # [budget, subject, window] of each budget it was reserved from
    # Which model recognizers were shown the request: [recognizer, deployment, "ok", "remembered"
    # or how that failed]. Asked under a scan permit, so on_prem only.
    scans: list[list[str]] = []


class OutcomeRecord(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="outcome"):
    """How it ended. Token counts are the upstream's; None where it gave none."""

    id: str  # decision id
    at: float
    status: int  # what the client was told; 499: the client left first
    error: str = ""  # our error code, or empty
    deployment: str = ""  # which served; empty when none did
    zone: str = ""
    model: str = ""  # what the upstream says it is
    attempts: list[list[str]] = []  # [deployment, zone, "ok" or provider error code]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_byte_ms: int | None = None
    duration_ms: int = 0
    bytes_out: int = 0
    masked: int = 0  # findings replaced in what the deployment that served was sent
    restored: int = 0  # values put back into its answer
    unrestored: int = 0  # placeholders that stayed in the answer
    cached_tokens: int = 0  # of the prompt's, read from the vendor's cache
    # [prompt, completion], our own, where an answer came without the upstream's figures.
    estimated_tokens: list[int] = []
    cost_nano: int | None = None  # in 10^-9 USD; None: no answer, or no price is known


Record = DecisionRecord | OutcomeRecord


class JournalUnavailable(Exception):
    """The record could not be made durable: nothing may be sent (503 `fail_closed`, `journal`)."""
