"""What people call a data class, and how several things are listed."""

from collections.abc import Mapping, Sequence

Nouns = Mapping[str, tuple[str, str]]

# (one, several): every class that a shipped recognizer finds. Others are spelt out from their name.
NOUNS: Nouns = {
    "ANTHROPIC_API_KEY": ("Anthropic API key", "Anthropic API keys"),
    "AWS_ACCESS_KEY": ("AWS access key", "AWS access keys"),
    "AWS_SECRET_KEY": ("AWS secret key", "AWS secret keys"),
    "AZURE_KEY": ("Azure key", "Azure keys"),
    "CH_AHV": ("Swiss AHV number", "Swiss AHV numbers"),
    "CREDIT_CARD": ("payment card number", "payment card numbers"),
    "DE_TAX_ID": ("German tax number", "German tax numbers"),
    "DIAGNOSIS_CODE": ("diagnosis code", "diagnosis codes"),
    "EMAIL_ADDRESS": ("e-mail address", "e-mail addresses"),
    "ES_DNI": ("Spanish identity number", "Spanish identity numbers"),
    "ES_NIE": ("Spanish foreigner number", "Spanish foreigner numbers"),
    "FR_NIR": ("French social security number", "French social security numbers"),
    "GCP_API_KEY": ("Google Cloud API key", "Google Cloud API keys"),
    "GITHUB_TOKEN": ("GitHub key", "GitHub keys"),
    "GITLAB_TOKEN": ("GitLab key", "GitLab keys"),
    "HEALTH_INSURANCE_NUMBER": ("health insurance number", "health insurance numbers"),
    "HUGGING_FACE_TOKEN": ("Hugging Face key", "Hugging Face keys"),
    "IBAN": ("IBAN", "IBANs"),
    "IP_ADDRESS": ("IP address", "IP addresses"),
    "IT_FISCAL_CODE": ("Italian tax code", "Italian tax codes"),
    "JWT": ("JSON web token", "JSON web tokens"),
    "MAC_ADDRESS": ("MAC address", "MAC addresses"),
    "MEDICAL_RECORD_NUMBER": ("medical record number", "medical record numbers"),
    "NL_BSN": ("Dutch citizen number", "Dutch citizen numbers"),
    "NPM_TOKEN": ("npm key", "npm keys"),
    "OPENAI_API_KEY": ("OpenAI API key", "OpenAI API keys"),
    "PASSPORT_MRZ": ("passport", "passports"),
    "PASSWORD": ("password", "passwords"),
    "PAYMENT_CARD": ("payment card number", "payment card numbers"),
    "PERSON_NAME": ("name", "names"),
    "PHONE_NUMBER": ("phone number", "phone numbers"),
    "PRIVATE_KEY": ("private key", "private keys"),
    "PYPI_TOKEN": ("PyPI key", "PyPI keys"),
    "SLACK_TOKEN": ("Slack key", "Slack keys"),
    "SLUICE_API_KEY": ("Sluice API key", "Sluice API keys"),
    "SOURCE_CODE": ("piece of source code", "pieces of source code"),
    "STRIPE_KEY": ("Stripe key", "Stripe keys"),
    "TRAVEL_DOCUMENT_NUMBER": ("travel document number", "travel document numbers"),
    "UK_NINO": ("UK insurance number", "UK insurance numbers"),
    "URL_PASSWORD": ("password in an address", "passwords in addresses"),
    "US_SSN": ("US social security number", "US social security numbers"),
    "VENDOR_API_KEY": ("vendor API key", "vendor API keys"),
}


def counted(data_class: str, count: int, nouns: Nouns = NOUNS) -> str:
    """`2 e-mail addresses`."""
    plain = data_class.lower().replace("_", " ")
    one, several = nouns.get(data_class, (plain, f"{plain}s"))
    return f"{count} {one if count == 1 else several}"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
