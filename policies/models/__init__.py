"""Tables of the policies: what took effect, what is being worked on, what is suspended."""

from policies.models.drafts import PendingPublication, PolicyDraft, PublicationState
from policies.models.exceptions import (
    Approval,
    ApprovalState,
    RuleException,
    WaitingException,
)
from policies.models.model_recognizers import ModelRecognizer
from policies.models.recognizers import CustomRecognizer
from policies.models.revisions import Immutable, Policy, PolicyRevision
from policies.models.shadows import Shadow
from policies.models.word_lists import WordList

__all__ = [
    "Approval",
    "ApprovalState",
    "CustomRecognizer",
    "Immutable",
    "ModelRecognizer",
    "PendingPublication",
    "Policy",
    "PolicyDraft",
    "PolicyRevision",
    "PublicationState",
    "RuleException",
    "Shadow",
    "WaitingException",
    "WordList",
]
