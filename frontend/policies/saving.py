"""Saving what a form made of a draft."""

from collections.abc import Mapping

from django.utils.translation import gettext as _

from frontend.policies.drafting import Came, number_of
from gateway.accounts.models import Project, User
from policies.models import PolicyDraft
from policies.services import drafts
from policies.services.editing import Document


def version_of(given: Mapping[str, str], draft: PolicyDraft | None) -> int:
    """The version that a form was made from; of a new one, the draft's. 0: there is no draft."""
    written = given.get("version", "")
    if written.isascii() and written.isdecimal() and len(written) < 10:
        return int(written)
    return draft.version if draft is not None else 0


def save(
    document: Document, given: Mapping[str, str], *, by: User, project: Project | None
) -> Came:
    """Save over the version that the form was made from.

    Raises PermissionDenied, Conflict, ValidationError.
    """
    draft = drafts.save_draft(
        by=by, project=project, document=document, version=number_of(given.get("version", ""))
    )
    return Came(done=_("Draft %(version)d saved.") % {"version": draft.version})
