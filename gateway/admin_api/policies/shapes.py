"""What the policy routes answer, as plain data. No text of a request is ever in it."""

from typing import Any

from django.utils import timezone

from policies.classification.custom_patterns import CustomRecognizer
from policies.classification.model_recognizers import ModelRecognizer
from policies.engine.problems import Problem
from policies.models import (
    Approval,
    PendingPublication,
    PolicyDraft,
    PolicyRevision,
    RuleException,
    Shadow,
    WaitingException,
)
from policies.services.comparing import Changes, Comparison, RuleInShadow
from policies.services.differences import Difference
from policies.services.judging import Verdict
from policies.services.lint import LintFinding
from policies.services.overview import Overview
from policies.services.proving import Proved
from policies.services.testing import TestResult

Data = dict[str, Any]


def revision(row: PolicyRevision, *, current: PolicyRevision | None) -> Data:
    """A revision without its document."""
    return {
        "number": row.number,
        "hash": row.hash,
        "author": row.author,
        "approved_by": row.approved_by or None,
        "reason": row.reason,
        "published_at": row.published_at,
        "in_effect": current is not None and current.pk == row.pk,
    }


def overview(found: Overview) -> Data:
    """A policy as people look at it."""
    return {
        "revision": revision(found.revision, current=found.revision) if found.revision else None,
        "document": found.revision.document if found.revision else None,
        "readable": found.readable,
        "floor": found.floor or None,
        "rules": [
            {
                "scope": rule.scope,
                "id": rule.id,
                "sentence": rule.sentence,
                "shadow": rule.shadow,
                "recipe": rule.recipe or None,
                "suspended_by": list(rule.suspended_by),
            }
            for rule in found.rules
        ],
        "never": list(found.never),
        "exceptions": [exception(row) for row in found.exceptions],
        "draft": found.draft.version if found.draft else None,
        "waiting": str(found.waiting.pk) if found.waiting else None,
    }


def draft(row: PolicyDraft, problems: tuple[Problem, ...]) -> Data:
    """A draft, and what keeps it from being read."""
    return {
        "document": row.document,
        "version": row.version,
        "base": row.base.number if row.base else 0,
        "updated_by": row.updated_by,
        "updated_at": row.updated_at,
        "problems": [problem(item) for item in problems],
    }


def problem(item: Problem) -> Data:
    """What is wrong, where (JSON Pointer), and what to do."""
    return {"pointer": item.pointer, "sentence": item.sentence, "advice": item.advice}


def difference(found: Difference) -> Data:
    """How two documents differ."""
    return {
        "sentences": list(found.sentences),
        "changes": dict(found.data),
        "widens": list(found.widens),
    }


def test(result: TestResult) -> Data:
    """What came of one test."""
    return {
        "pointer": result.pointer,
        "alias": result.alias,
        "passed": result.passed,
        "problems": list(result.problems),
        "outcome": result.outcome or None,
        "deployment": result.deployment or None,
        "zone": result.zone or None,
        "masked": result.masked,
        "rules": list(result.rules),
    }


def proof(item: Proved) -> Data:
    """What came of one statement in one project."""
    found = item.proof.counterexample
    return {
        "project": item.project,
        "scope": item.scope,
        "pointer": item.pointer,
        "statement": item.statement,
        "proven": item.proof.proven,
        "counterexample": found.sentence if found is not None else None,
        "checked": item.proof.checked,
        "states": item.proof.states,
        "sentence": item.sentence,
    }


def verdict(found: Verdict) -> Data:
    """Whether a document may take effect, and why not."""
    problems = found.problems()
    return {
        "passes": not problems,
        "problems": [problem(item) for item in problems],
        "tests": [test(item) for item in found.tests],
        "proofs": [proof(item) for item in found.proofs],
        "consequences": list(found.consequences),
    }


def publication(row: PendingPublication) -> Data:
    """A publication that waits for a second person, or did."""
    return {
        "id": str(row.pk),
        "project": row.policy.project.slug if row.policy.project else None,
        "state": row.state,
        "author": row.author,
        "reason": row.reason,
        "requested_at": row.requested_at,
        "base": row.base.number if row.base else 0,
        "hash": row.hash,
        "widens": list(row.widens),
        "decided_by": row.decided_by or None,
        "decided_at": row.decided_at,
        "note": row.note,
        "revision": row.revision.number if row.revision else None,
    }


def exception(row: RuleException) -> Data:
    """An exception with its scope."""
    return {
        "id": str(row.pk),
        "project": row.project.slug,
        "name": row.name,
        "rules": row.rules,
        "groups": row.groups,
        "keys": row.keys,
        "aliases": row.aliases,
        "owner": row.owner.email,
        "reason": row.reason,
        "created_by": row.created_by,
        "created_at": row.created_at,
        "ends_at": row.ends_at,
        "ended_at": row.ended_at,
        "ended_by": row.ended_by or None,
        "holds": row.ended_at is None and row.ends_at > timezone.now(),
    }


def waiting_exception(row: WaitingException, *, may_agree: bool) -> Data:
    """An exception that was asked for. `may_agree`: whether whoever reads this may."""
    return {
        "id": str(row.pk),
        "project": row.project.slug,
        "name": row.name,
        "state": row.state,
        "says": row.says,
        "groups": row.groups,
        "keys": row.keys,
        "aliases": row.aliases,
        "owner": row.owner.email,
        "reason": row.reason,
        "ends_at": row.ends_at,
        "author": row.author,
        "requested_at": row.requested_at,
        "decided_by": row.decided_by or None,
        "decided_at": row.decided_at,
        "note": row.note,
        "exception": str(row.exception_id) if row.exception_id else None,
        "may_agree": may_agree and row.state == "waiting",
    }


def approval(row: Approval, *, may_decide: bool) -> Data:
    """An approval that was asked for. `may_decide`: whether whoever reads this may."""
    return {
        "id": str(row.pk),
        "project": row.project.slug,
        "state": row.state,
        "decision": row.decision_id,
        "digest": row.digest,
        "rules": row.rules,
        "alias": row.alias,
        "endpoint": row.endpoint,
        "sensitivity": row.sensitivity,
        "categories": row.categories,
        "classes": row.classes,
        "asked_by": row.asked_by,
        "asked_at": row.asked_at,
        "reason": row.reason,
        "decided_by": row.decided_by or None,
        "decided_at": row.decided_at,
        "note": row.note,
        "expires_at": row.expires_at,
        "may_decide": may_decide and row.state == "waiting",
    }


def shadow(row: Shadow) -> Data:
    """What is in shadow."""
    return {
        "document": row.document,
        "hash": row.hash,
        "source": row.source,
        "started_by": row.started_by,
        "started_at": row.started_at,
    }


def comparison(found: Comparison) -> Data:
    """What is in shadow, against what was decided."""
    return {
        "policy": None if found.policy is None else changes(found.policy),
        "rules": [rule_in_shadow(each) for each in found.rules],
    }


def rule_in_shadow(found: RuleInShadow) -> Data:
    """What one shadow rule would have changed, alone in effect."""
    return {
        "rule": found.rule,
        "matched": found.matched,
        "changes": changes(found.changes),
    }


def changes(found: Changes) -> Data:
    """What would have been decided, against what was."""
    return {
        "sentence": found.sentence,
        "since": found.since,
        "decided": found.decided,
        "moved": found.moved,
        "masked": found.masked,
        "failed": found.failed,
        "partial": found.partial,
        "moves": [
            {
                "before": move.before,
                "after": move.after,
                "count": move.count,
                "deployments": dict(move.deployments),
                "decisions": list(move.decisions),
            }
            for move in found.moves
        ],
        "masks": [
            {
                "data_class": each.data_class,
                "before": each.before or None,
                "after": each.after or None,
                "findings": each.findings,
                "requests": each.requests,
            }
            for each in found.masks
        ],
    }


def lint_finding(item: LintFinding) -> Data:
    """One oddity."""
    return {
        "kind": item.kind.value,
        "subject": item.subject,
        "sentence": item.sentence,
        "advice": item.advice,
    }


def recognizer(item: CustomRecognizer) -> Data:
    """A recognizer with all that it is made of."""
    return {
        "name": item.name,
        "data_class": item.data_class,
        "category": item.category,
        "patterns": list(item.patterns),
        "context": list(item.context),
        "checksum": item.checksum,
        "ignore_case": item.ignore_case,
        "score": item.score,
        "must_match": list(item.must_match),
        "must_not_match": list(item.must_not_match),
    }


def model_recognizer(item: ModelRecognizer) -> Data:
    """A model recognizer with all that it is made of."""
    return {
        "name": item.name,
        "deployment": item.deployment,
        "asks": item.asks.value,
        "labels": list(item.labels),
        "finds": [
            {
                "data_class": each.data_class,
                "category": each.category,
                "labels": list(each.labels),
                "at_least": each.at_least,
                "what": each.what,
            }
            for each in item.finds
        ],
        "window": item.window,
        "overlap": item.overlap,
        "timeout_s": item.timeout_s,
    }
