"""Health numbers by context, secrets by form, and code by its signals."""

from collections.abc import Callable

import pytest

Find = Callable[..., list[tuple[str, str]]]


@pytest.mark.parametrize(
    ("data_class", "text", "number"),
    [
        ("MEDICAL_RECORD_NUMBER", "MRN: 00458812", "00458812"),
        ("MEDICAL_RECORD_NUMBER", "MRN of the patient is 458812", "458812"),
        ("MEDICAL_RECORD_NUMBER", "patientId=P448291", "P448291"),
        ("MEDICAL_RECORD_NUMBER", "medical record no. 12-34-56", "12-34-56"),
        ("MEDICAL_RECORD_NUMBER", "Patientennummer 4482910", "4482910"),
        ("MEDICAL_RECORD_NUMBER", "numéro de dossier 20981177", "20981177"),
        ("MEDICAL_RECORD_NUMBER", "historia clínica nº 558201", "558201"),
        ("MEDICAL_RECORD_NUMBER", "cartella clinica 7719203", "7719203"),
        ("MEDICAL_RECORD_NUMBER", "patiëntnummer 8812345", "8812345"),
        ("HEALTH_INSURANCE_NUMBER", "NHS 943 476 5919", "943 476 5919"),
        ("HEALTH_INSURANCE_NUMBER", "nhs_number 9434765919", "9434765919"),
        ("HEALTH_INSURANCE_NUMBER", "KVNR A123456780", "A123456780"),
        ("HEALTH_INSURANCE_NUMBER", "Medicare number 1EG4-TE5-MK73", "1EG4-TE5-MK73"),
        ("HEALTH_INSURANCE_NUMBER", "health insurance number: XK44529981", "XK44529981"),
        ("HEALTH_INSURANCE_NUMBER", "insurance member id 99812233", "99812233"),
        ("DIAGNOSIS_CODE", "ICD-10: F32.1", "F32.1"),
        ("DIAGNOSIS_CODE", "diagnosis E11.9", "E11.9"),
        ("TRAVEL_DOCUMENT_NUMBER", "Reisepass Nr. C01X00T47", "C01X00T47"),
        ("TRAVEL_DOCUMENT_NUMBER", "passport number is 533380006", "533380006"),
    ],
)
def test_words_of_context_make_a_number_personal(
    find: Find, data_class: str, text: str, number: str
) -> None:
    assert (data_class, number) in find(text)


@pytest.mark.parametrize(
    "texts",
    [
        ("mrn", "12345678"),
        ("type", "mrn", "value", "12345678"),
        ("patient_id", "00123456"),
        ("note", "the record is open", "medical_record_number", "778812"),
    ],
)
def test_a_key_is_context_for_its_value(find: Find, texts: tuple[str, ...]) -> None:
    assert ("MEDICAL_RECORD_NUMBER", texts[-1]) in find(*texts)


@pytest.mark.parametrize(
    "text",
    [
        "12345678",
        "The patient waited 45 minutes in room 4711.",
        "Her insurance paid in 2021.",
        "The diagnosis took 3 days.",
        "F32.1 is a column in the sheet",
        "The patient ID card is blue.",
        "Medical records from 1998 to 2004.",
    ],
)
def test_without_context_a_number_is_ordinary(find: Find, text: str) -> None:
    assert find(text) == []


KEYS = {
    "AWS_ACCESS_KEY": ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE", "AKIA IOSF ODNN 7EXA MPLE"],
    "GCP_API_KEY": [
        "AIzaSyA1b2C3d4E5f6G7h8I9j0KlMnOpQrStUvW",
        "GOCSPX-abcdEFGH1234ijklMNOP5678qrst",
    ],
    "AZURE_KEY": ["abc8Q~" + "aB3_" * 8 + "xy"],
    "GITHUB_TOKEN": [
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "gho_16C7e42F292c6912E7710c838347Ae178B4a",
        "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
    ],
    "GITLAB_TOKEN": ["glpat-x1y2z3A4B5C6D7E8F9G0"],
    "SLACK_TOKEN": ["xoxb-123456789012-abcdefABCDEF", "xapp-1-A0123456789-0123"],
    "STRIPE_KEY": ["sk_live_4eC39HqLyjWDarjtT1zdp7dc", "rk_test_4eC39HqLyjWDarjtT1zdp7dc"],
    "OPENAI_API_KEY": [
        "sk-proj-abc123DEF456ghi789JKL012mno",
        "sk-aBcDeFgHiJkLmNoPqRsTT3BlbkFJaBcDeFgHiJkLmNoPqRsT",
    ],
    "ANTHROPIC_API_KEY": ["sk-ant-api03-Ab12Cd34Ef56Gh78"],
    "SLUICE_API_KEY": ["sk-sluice-9f3kA2bQ71"],
    "HUGGING_FACE_TOKEN": ["hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345"],
    "NPM_TOKEN": ["npm_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"],
    "PYPI_TOKEN": ["pypi-AgEIcHlwaS5vcmcCJDExMTExMTEx"],
    "VENDOR_API_KEY": ["dapi0123456789abcdef0123456789abcdef"],
    "JWT": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"],
    "PRIVATE_KEY": [
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n-----END PGP PRIVATE KEY BLOCK-----",
    ],
}


@pytest.mark.parametrize(
    ("data_class", "key"), [(name, key) for name, keys in KEYS.items() for key in keys]
)
def test_a_key_is_found_whole(find: Find, data_class: str, key: str) -> None:
    for around in ("{}", "the key is {} ok", 'KEY="{}"', "export X={}\n", "id_{}"):
        assert (data_class, key) in find(around.format(key)), around


def test_a_key_in_a_json_string_with_escapes_is_found(find: Find) -> None:
    assert [name for name, _ in find(r"first\nAKIAIOSFODNN7EXAMPLE\nlast")] == ["AWS_ACCESS_KEY"]
    escaped = r"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----\n"
    assert ("PRIVATE_KEY", escaped.rstrip("\\n")) in find(f'{{"key": "{escaped}"}}')


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('password = "Tr0ub4dor&3"', "Tr0ub4dor&3"),
        ("password: hunter2hunter2", "hunter2hunter2"),
        ("my password is Xk29fLm1", "Xk29fLm1"),
        ('{"client_secret": "a8f!kd92ms"}', "a8f!kd92ms"),
        ("API_KEY=0f8e7d6c5b4a39281706", "0f8e7d6c5b4a39281706"),
        ("Das Passwort lautet Geheim123x", "Geheim123x"),
    ],
)
def test_a_password_that_is_written_as_one_is_found(find: Find, text: str, value: str) -> None:
    assert ("PASSWORD", value) in find(text)


def test_a_password_in_an_address_is_found_and_is_no_e_mail_address(find: Find) -> None:
    assert find("postgres://app:s3cretPw9@db.example.com/x") == [
        ("URL_PASSWORD", "postgres://app:s3cretPw9")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "password: your_password",
        'password = "changeme"',
        "password = os.environ",
        "The password must have 12 characters.",
        "I forgot my password yesterday.",
        "token: <your token>",
        "max_tokens: 4096",
        '"max_tokens": "max_output"',
        "secret: ${DB_SECRET}",
        "sk-loading-container-wrapper-inner",
        "task-based-scheduling-of-work-items",
        "BEGIN PRIVATE LESSONS",
        "-----BEGIN PUBLIC KEY-----",
        "AKIA is a prefix",
        "ghp_ is a prefix, and so is hf_",
        "https://user@example/path",
    ],
)
def test_speaking_of_secrets_is_ordinary(find: Find, text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "def f(): pass",
        "class A:\n    pass\n",
        "from os import path",
        "import numpy as np\n",
        "for i in range(10):\n    print(i)",
        "const x = await load();",
        "function f() { return 1; }",
        "items.map((item) => { return item.id; })",
        "import React from 'react';",
        "#include <stdio.h>",
        "int main() { return 0; }",
        "public static void main(String[] args) {",
        "package main\n\nfunc main() {\n}",
        'fn main() {\n    println!("hi");\n}',
        "SELECT * FROM users",
        "select * from users where id = 1",
        "INSERT INTO users VALUES (1)",
        "#!/bin/bash\nls",
        "<?php echo $x; ?>",
        "<!DOCTYPE html>",
        ".button { color: red; }",
        "```js\nlet a\n```",
        "~~~python\nx\n~~~",
        "@@ -1,4 +1,5 @@",
        'resource "aws_s3_bucket" "b" {\n}',
        "defmodule Foo do",
        "x = compute(a)\nif x:\n    return x\n",
    ],
)
def test_source_code_of_the_common_languages_is_found(find: Find, text: str) -> None:
    assert ("SOURCE_CODE") in [name for name, _ in find(f"Please look:\n{text}\n")]
    assert ("SOURCE_CODE") in [name for name, _ in find(text)]


def test_code_is_marked_by_paragraph_and_field(find: Find) -> None:
    text = "Why does this fail?\n\ndef f(x):\n    return x + 1\n\nThank you."
    assert find("user", text) == [("SOURCE_CODE", "def f(x):\n    return x + 1")]


def test_weak_signals_of_two_texts_do_not_add_up(find: Find) -> None:
    assert find("let x = 5", "self.x") == []


@pytest.mark.parametrize(
    "text",
    [
        "Let x = 5 and y = 7; find z.",
        "What does def mean? How do functions and classes differ?",
        "Select the best, import the goods, return the rest.",
        "- one;\n- two;\n- three;\n",
        "if you have time: call me.",
        "Use `git status` to see what changed.",
        '{"a": 1, "b": [true, null]}',
        "key: value\nother:\n  - item\n",
        "This function f(x) is convex (see Smith 2020); the other is not.",
        "Dear all,\nfrom Monday on we meet at ten.\nimport duties apply.",
    ],
)
def test_prose_and_data_are_no_code(find: Find, text: str) -> None:
    assert find(text) == []
