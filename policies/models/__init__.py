"""Tables of the policies: what took effect, what is being worked on, what is suspended."""

from policies.models.revisions import Immutable, Policy, PolicyRevision
from policies.models.word_lists import WordList

__all__ = ["Immutable", "Policy", "PolicyRevision", "WordList"]
