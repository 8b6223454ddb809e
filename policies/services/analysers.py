"""Recognizers for whoever judges a policy outside of the request path. Compiled ones are kept."""

from functools import lru_cache

from policies.classification.analyser import Analyser
from policies.classification.model_recognizers import classes_of
from policies.services.views import OwnClasses


@lru_cache(maxsize=32)
def analyser_for(own: OwnClasses) -> Analyser:
    """The shipped recognizers with these classes of a project's own. CPU only."""
    return Analyser(own.word_lists, custom=own.custom, elsewhere=classes_of(own.asked))
