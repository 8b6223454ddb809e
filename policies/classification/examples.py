"""A short text for each shipped data class in which it is found once, and nothing else is.

Made up, or set aside for examples by whoever issues the numbers: they belong to nobody. Tests of
policies are written with them.
"""

from collections.abc import Mapping
from types import MappingProxyType


def _made_up(prefix: str, rest: str) -> str:
    """In two pieces, so that no search for lost keys takes this file for one."""
    return f"The key is {prefix}{rest}"


EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "EMAIL_ADDRESS": "Write to ann@example.org",
        "PHONE_NUMBER": "Call +33 1 23 45 67 89",
        "IBAN": "The account is NL91 ABNA 0417 1643 00",
        "PAYMENT_CARD": "The card is 4111 1111 1111 1111",
        "CH_AHV": "AHV 756.9217.0769.85",
        "DE_TAX_ID": "Steuer-ID 86 095 742 719",
        "FR_NIR": "NIR : 1 85 05 78 006 084 91",
        "NL_BSN": "BSN: 111222333",
        "US_SSN": "SSN 123-45-6789",
        "UK_NINO": "NINO JG103759A",
        "ES_DNI": "DNI 12345678Z",
        "ES_NIE": "NIE X1234567L",
        "IT_FISCAL_CODE": "Codice fiscale BNCGVN80A01F205M",
        "PASSPORT_MRZ": "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\n"
        "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
        "TRAVEL_DOCUMENT_NUMBER": "Passport number: C01X00T47",
        "IP_ADDRESS": "The server is 10.20.30.40",
        "MAC_ADDRESS": "The device is 00:1A:2B:3C:4D:5E",
        "MEDICAL_RECORD_NUMBER": "Medical record number 20981177",
        "HEALTH_INSURANCE_NUMBER": "Medicare 1EG4-TE5-MK73",
        "DIAGNOSIS_CODE": "ICD-10 F32.1",
        "AWS_ACCESS_KEY": _made_up("AKIA", "IOSFODNN7EXAMPLE"),
        "GCP_API_KEY": _made_up("AIza", "SyA1b2C3d4E5f6G7h8I9j0KlMnOpQrStUvW"),
        "AZURE_KEY": "AccountKey="
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        "GITHUB_TOKEN": _made_up("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a"),
        "GITLAB_TOKEN": _made_up("glpat-", "x1y2z3A4B5C6D7E8F9G0"),
        "SLACK_TOKEN": _made_up("xoxb-", "123456789012-abcdefABCDEF"),
        "STRIPE_KEY": _made_up("sk_test_", "4eC39HqLyjWDarjtT1zdp7dc"),
        "ANTHROPIC_API_KEY": _made_up("sk-ant-", "api03-Ab12Cd34Ef56Gh78"),
        "SLUICE_API_KEY": _made_up("sk-sluice-", "9f3kA2bQ71"),
        "OPENAI_API_KEY": _made_up("sk-proj-", "abc123DEF456ghi789JKL012mno"),
        "HUGGING_FACE_TOKEN": _made_up("hf_", "AbCdEfGhIjKlMnOpQrStUvWxYz012345"),
        "NPM_TOKEN": _made_up("npm_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"),
        "PYPI_TOKEN": _made_up("pypi-", "AgEIcHlwaS5vcmcCJDExMTExMTEx"),
        "VENDOR_API_KEY": _made_up("gsk_", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"),
        "AWS_SECRET_KEY": "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "PRIVATE_KEY": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA75Zk\n"
        "-----END RSA PRIVATE KEY-----",
        "JWT": _made_up(
            "eyJhbGciOiJIUzI1NiJ9.",
            "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        ),
        "URL_PASSWORD": "It is at postgres://app:s3cretPw9@db.example.org/app",
        "PASSWORD": 'password: "Tr0ub4dor&3"',
        "SOURCE_CODE": "def f(x):\n    return x + 1\n",
    }
)
