"""What somebody says about a deployment, read into a spec. Drawn by the page's own template."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from gateway.deployments.models import Provider
from gateway.deployments.spec import MODALITIES, DeploymentSpec
from policies.engine.facts import Clearance, Endpoint, Evidence, Zone
from policies.engine.labels import Sensitivity

EVERY_KIND: Final = "*"
KEPT: Final = ("contract", "assessment")
TAKEN: Final = frozenset({"new"})  # the address of another page
ENDPOINTS: Final = (
    (Endpoint.CHAT_COMPLETIONS.value, _("Chats")),
    (Endpoint.COMPLETIONS.value, _("Completions")),
    (Endpoint.EMBEDDINGS.value, _("Embeddings")),
)
KINDS_OF_CONTENT: Final = (
    ("text", _("Text")),
    ("image", _("Images")),
    ("audio", _("Audio")),
    ("video", _("Video")),
    ("file", _("Files")),
)


class DeploymentForm(forms.Form):
    """Every field of a deployment but its credential's old value, which nobody is shown."""

    name = forms.SlugField(
        label=_("Name"), max_length=63, help_text=_("As rules and the audit write it. It stays.")
    )
    base_url = forms.CharField(
        label=_("Address"),
        max_length=500,
        help_text=_("Up to the version: http://127.0.0.1:8001/v1"),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocapitalize": "off"}),
    )
    upstream_model = forms.CharField(
        label=_("Model"), max_length=200, help_text=_("As the server calls it.")
    )
    provider = forms.ChoiceField(
        label=_("Speaks"),
        choices=(
            (Provider.OPENAI_COMPATIBLE.value, _("OpenAI's dialect (vLLM, Ollama, llama.cpp, …)")),
            (Provider.LITELLM_CLOUD.value, _("A vendor's own, through LiteLLM")),
        ),
    )
    litellm_provider = forms.CharField(
        label=_("Vendor for LiteLLM"),
        max_length=50,
        required=False,
        help_text=_("anthropic, gemini, …"),
    )
    dialect = forms.ChoiceField(
        label=_("Kind of server"),
        required=False,
        choices=(("", _("any")), ("ollama", "Ollama"), ("gpt4all", "GPT4All")),
    )
    vendor = forms.CharField(label=_("Vendor"), max_length=100, required=False)
    region = forms.CharField(label=_("Region"), max_length=100, required=False)
    credential = forms.CharField(
        label=_("Credential"),
        required=False,
        max_length=4000,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Encrypted, and never shown again."),
    )
    zone = forms.ChoiceField(label=_("Where is it?"), choices=[(z.value, z.value) for z in Zone])
    sensitivity = forms.ChoiceField(
        label=_("How sensitive may it be?"), choices=[(s.word, s.word) for s in Sensitivity]
    )
    categories = forms.MultipleChoiceField(label=_("Which kinds of data?"), required=False)
    contract = forms.CharField(label=_("Contract"), max_length=200, required=False)
    contract_until = forms.DateField(
        label=_("Valid until"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    assessment = forms.CharField(label=_("Assessment"), max_length=200, required=False)
    assessment_until = forms.DateField(
        label=_("Valid until"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    retention_days = forms.IntegerField(
        label=_("Keeps requests, days"), min_value=0, max_value=36_500, required=False
    )
    trains_on_data = forms.ChoiceField(
        label=_("Trains on them"),
        required=False,
        choices=(("", _("not known")), ("no", _("no")), ("yes", _("yes"))),
    )
    endpoints = forms.MultipleChoiceField(
        label=_("Serves"), choices=ENDPOINTS, widget=forms.CheckboxSelectMultiple
    )
    modalities = forms.MultipleChoiceField(
        label=_("Takes"), choices=KINDS_OF_CONTENT, widget=forms.CheckboxSelectMultiple
    )
    allow_private = forms.BooleanField(
        label=_("It may have a private address, though it is not on-prem"), required=False
    )
    drop_params = forms.BooleanField(
        label=_("Leave out parameters that the vendor does not take"), required=False
    )
    connect_timeout_s = forms.FloatField(
        label=_("Seconds until connected"), min_value=0.1, max_value=3600
    )
    first_byte_timeout_s = forms.FloatField(
        label=_("Seconds until it answers"), min_value=0.1, max_value=3600
    )
    idle_timeout_s = forms.FloatField(
        label=_("Seconds between two parts"), min_value=0.1, max_value=3600
    )
    by_its_name = forms.BooleanField(
        label=_("It may be asked for by its name (an alias)"), required=False
    )
    enabled = forms.BooleanField(label=_("It may serve"), required=False)
    reason = forms.CharField(
        label=_("Reason"),
        max_length=480,
        required=False,
        help_text=_("Shown to the second person, and kept in the audit."),
    )

    def __init__(self, *args: Any, categories: Sequence[str], new: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = self.fields["categories"]
        assert isinstance(kinds, forms.MultipleChoiceField)  # noqa: S101 -- for the type checker
        kinds.choices = [(EVERY_KIND, EVERY_KIND), *((name, name) for name in categories)]
        if not new:
            self.fields["name"].disabled = True
            self.fields["credential"].help_text = _(
                "Leave it empty to keep the one there is. It is encrypted and never shown."
            )

    def clean_name(self) -> str:
        """A name that has no page of another kind."""
        name: str = self.cleaned_data["name"]
        if name in TAKEN and not self.fields["name"].disabled:
            raise forms.ValidationError(_("Choose another name: this page has that address."))
        return name


def initial_of(spec: DeploymentSpec) -> dict[str, Any]:
    """What the form shows of a spec."""
    clearance = spec.wanted_clearance()
    shown: dict[str, Any] = {
        **{
            name: getattr(spec, name) for name in ("name", "base_url", "upstream_model", "provider")
        },
        **{name: getattr(spec, name) for name in ("vendor", "region", "retention_days", "enabled")},
        **{name: getattr(spec, name) for name in TIMES},
        "zone": spec.zone.value,
        "sensitivity": clearance.sensitivity.word,
        "categories": [EVERY_KIND]
        if clearance.categories is None
        else sorted(clearance.categories),
        "trains_on_data": {None: "", True: "yes", False: "no"}[spec.trains_on_data],
        "endpoints": sorted(spec.endpoints),
        "modalities": sorted(spec.modalities),
        "litellm_provider": spec.options.get("litellm_provider", ""),
        "dialect": spec.options.get("dialect", ""),
        "allow_private": spec.options.get("allow_private") == "yes",
        "drop_params": spec.options.get("drop_params") == "yes",
    }
    for kind in KEPT:
        item = next((each for each in spec.evidence if each.kind == kind), None)
        if item is not None:
            shown |= {kind: item.reference, f"{kind}_until": item.valid_until}
    return shown


TIMES: Final = ("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s")


def spec_of_form(
    given: Mapping[str, Any], minimums: Mapping[str, Sensitivity], before: DeploymentSpec | None
) -> DeploymentSpec:
    """The spec that a valid form asks for. Kinds that are always more sensitive than what was
    chosen are left out: they could never get there. Evidence of other kinds stays."""
    zone, level = Zone(given["zone"]), Sensitivity.from_word(given["sensitivity"])
    named = frozenset(given["categories"])
    categories = (
        None
        if EVERY_KIND in named
        else frozenset(
            name for name in named if minimums.get(name, Sensitivity.RESTRICTED) <= level
        )
    )
    return DeploymentSpec(
        name=given["name"],
        base_url=given["base_url"],
        upstream_model=given["upstream_model"],
        zone=zone,
        provider=given["provider"],
        clearance=Clearance(level, categories),
        endpoints=frozenset(given["endpoints"]),
        modalities=frozenset(given["modalities"]) & frozenset(MODALITIES),
        vendor=given["vendor"],
        region=given["region"],
        retention_days=given["retention_days"],
        trains_on_data={"": None, "yes": True, "no": False}[given["trains_on_data"]],
        evidence=_evidence(given, before),
        options=_options(given, zone),
        enabled=given["enabled"],
        **{name: given[name] for name in TIMES},
    )


def _evidence(given: Mapping[str, Any], before: DeploymentSpec | None) -> tuple[Evidence, ...]:
    kept = [each for each in (before.evidence if before else ()) if each.kind not in KEPT]
    stated = [
        Evidence(kind, given[kind], given[f"{kind}_until"])
        for kind in KEPT
        if given[kind] or given[f"{kind}_until"]
    ]
    return (*stated, *kept)


def _options(given: Mapping[str, Any], zone: Zone) -> dict[str, str]:
    """Only those that the provider knows, and only where they are set."""
    options = {}
    if given["allow_private"] and zone is not Zone.ON_PREM:
        options["allow_private"] = "yes"
    if given["provider"] == Provider.OPENAI_COMPATIBLE:
        if given["dialect"]:
            options["dialect"] = given["dialect"]
        return options
    if given["litellm_provider"]:
        options["litellm_provider"] = given["litellm_provider"].strip()
    if given["drop_params"]:
        options["drop_params"] = "yes"
    return options
