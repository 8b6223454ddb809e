"""Word lists of projects in the configuration file."""

from policies.classification.recognizers import DATA_CLASSES
from policies.classification.word_lists import WordList
from policies.engine.problems import Place
from policies.services.configuration.read_deployments import SLUG
from policies.services.configuration.wanted import WordListWanted
from policies.services.word_lists import WORDS_LIMIT


def read_word_lists(place: Place, categories: frozenset[str]) -> dict[str, WordListWanted]:
    """The word lists of a project by name."""
    if not isinstance(place.value, dict):
        place.refuse("This is not a mapping.", "Write the name of a list, then what is in it.")
        return {}
    found: dict[str, WordListWanted] = {}
    classes: dict[str, str] = {}
    for name, value in place.value.items():
        at = place.at(str(name), value)
        Place(str(name), at.pointer, at.problems).text(pattern=SLUG, what="a name")
        fields = at.fields(("category", "words"), required=("category", "words"))
        category = fields["category"].word(categories, "category") if "category" in fields else None
        words = (
            [item.text(what="a word") for item in fields["words"].items()]
            if "words" in fields
            else []
        )
        if len(words) > WORDS_LIMIT:
            at.refuse("The list is too long.", f"Keep it below {WORDS_LIMIT} words.")
        kept = tuple(dict.fromkeys(word.strip() for word in words if word))
        data_class = WordList(name=str(name), category="", words=()).data_class
        if data_class in DATA_CLASSES or data_class in classes:
            at.refuse(f"The data class {data_class} exists already.", "Choose another name.")
        classes[data_class] = str(name)
        found[str(name)] = WordListWanted(category=category or "", words=kept)
    return found
