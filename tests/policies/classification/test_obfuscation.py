# ruff: noqa: RUF001, S311 the look-alikes are the point; the randomness must be repeatable
"""What is written in disguise is found where it stands; what cannot be read is opaque."""

import base64
import codecs
import random
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest

from policies.classification.analyser import Analyser
from policies.classification.normalise import AS_THEY_STAND, Reading, fold, unescape

Find = Callable[..., list[tuple[str, str]]]

SSN = "123-45-6789"
DISGUISES = {
    "full width": "１２３－４５－６７８９",
    "arabic digits": "١٢٣-٤٥-٦٧٨٩",
    "bold digits": "𝟏𝟐𝟑-𝟒𝟓-𝟔𝟕𝟖𝟗",
    "circled digits": "①②③-④⑤-⑥⑦⑧⑨",
    "non-breaking hyphens": "123\u201145\u20116789",
    "en dashes": "123–45–6789",
    "minus signs": "123\u221245\u22126789",
    "non-breaking spaces": "123\u00a045\u00a06789",
    "thin spaces": "123\u200945\u20096789",
    "zero-width spaces": "1\u200b2\u200b3-45-6789",
    "word joiners": "123\u2060-45-67\u206089",
    "soft hyphens": "12\u00ad3-45-67\u00ad89",
    "bidi marks": "\u202e123-45\u202c-6789",
    "combining marks": "1\u03322\u03323\u0332-45-6789",
    "control characters": "12\x003-45\x08-6789",
    "decimal entities": "&#49;&#50;&#51;-45-6789",
    "hexadecimal entities": "&#x31;&#x32;&#x33;&#x2d;45-6789",
    "entities without semicolons": "&#49&#50&#x33-45-6789",
    "tag characters": "".join(chr(0xE0000 + ord(character)) for character in SSN),
    "named entities": "123&hyphen;45&#45;6789",
    "percent": "%31%32%33-45-6789",
    "percent twice": "%2531%2532%2533-45-6789",
    "JSON escapes": "\\u0031\\u0032\\u0033-45-6789",
    "hexadecimal escapes": "\\x31\\x32\\x33-45-6789",
    "escapes in entities": "&#92;u0031\\u0032\\u0033-45-6789",
    "base64": base64.b64encode(SSN.encode()).decode(),
    "base64 without padding": base64.b64encode(SSN.encode()).decode().rstrip("="),
    "base64 of UTF-16": base64.b64encode(SSN.encode("utf-16-le")).decode(),
    "base64 twice": base64.b64encode(base64.b64encode(SSN.encode())).decode(),
    "base64 of a full-width text": base64.b64encode("１２３-４５-６７８９".encode()).decode(),
    "percent-encoded base64": quote(base64.b64encode(b"my ssn: " + SSN.encode()).decode()),
    "base32": base64.b32encode(SSN.encode()).decode(),
    "hexadecimal": SSN.encode().hex(),
    "hexadecimal pairs": SSN.encode().hex(" "),
    "0x pairs": " ".join(f"0x{byte:02x}" for byte in SSN.encode()),
    "binary": " ".join(f"{byte:08b}" for byte in SSN.encode()),
    "decimal codes": " ".join(str(byte) for byte in SSN.encode()),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguised_number_is_found_where_it_stands(find: Find, disguise: str) -> None:
    written = DISGUISES[disguise]
    for around in ("{}", "My number: {}, thanks", "Grüße aus Zürich: {} – danke…", '"{}"'):
        text = around.format(written)
        found = [where for name, where in find(text) if name == "US_SSN"]
        assert len(found) == 1, (text, find(text))
        inner = found[0]
        # Everything that carries a digit of the number is covered, and nothing around it.
        assert inner.rstrip("=") in written
        assert len(inner) >= len(written.rstrip("=").removesuffix("%3D%3D").lstrip("\u202e"))


OTHER_SPELLINGS = {
    "EMAIL_ADDRESS": [
        "m a r i a @ e x a m p l e . o r g",
        "maria_at_example_dot_com",
        "maria @ example.com",
        "maria [@] example.org",
        "maria@example dot com",
        "maria&commat;example&period;org",
        "m\u0430ria@ex\u0430mple.org",
        "=6D=61=72=69=61=40=65=78=61=6D=70=6C=65=2E=6F=72=67",
    ],
    "US_SSN": [
        "123--45--6789",
        "123 - 45 - 6789",
        "123-45-\n6789",
        "123\t45\t6789",
        "123_45_6789",
        "123/45/6789",
        "123 45-6789",
        "\\061\\062\\063-45-6789",
        "\\U00000031\\U0000003223-45-6789".replace("23-", "3-", 1),
        "0x3132332d34352d36373839",
    ],
    "PAYMENT_CARD": [
        "4111 1111-1111 1111",
        "4111  1111  1111  1111",
        "4111\n1111\n1111\n1111",
        "4111*1111*1111*1111",
        "4111|1111|1111|1111",
        "4111 1111 11111111",
        "411111 1111111111",
        "41 11 11 11 11 11 11 11",
    ],
    "IBAN": [
        "DE89\n3704\n0044\n0532\n0130\n00",
        "DE 89 37 04 00 44 05 32 01 30 00",
        "D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0",
    ],
    "AWS_ACCESS_KEY": [
        "A K I A I O S F O D N N 7 E X A M P L E",
        "AKIA\nIOSFODNN7EXAMPLE",
        "akiaiosfodnn7example",
        "\u0410KIAIOSFODNN7EXAMPLE",
    ],
    "IP_ADDRESS": ["192[.]168[.]1[.]10", "192[dot]168[dot]1[dot]10", "192 . 168 . 1 . 10"],
    "PRIVATE_KEY": ["BEGIN RSA PRIVATE KEY MIIEow", "-----BEGIN RSA PRIVATE\nKEY-----"],
}


@pytest.mark.parametrize(
    ("data_class", "written"),
    [(name, written) for name, all_of in OTHER_SPELLINGS.items() for written in all_of],
)
def test_another_spelling_is_found(find: Find, data_class: str, written: str) -> None:
    for around in ("{}", "Here: {}, and more", "Grüße – {} – bitte"):
        assert data_class in [name for name, _ in find(around.format(written))], around


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111 12/29 123",
        "4111111111111111 12/29 123",
        "exp 12/29 4111 1111 1111 1111",
        "Nr. 1: 4111-1111-1111-1111, Nr. 2: 5500-0000-0000-0004",
    ],
)
def test_a_card_beside_its_date_is_found(find: Find, text: str) -> None:
    assert ("PAYMENT_CARD") in [name for name, _ in find(text)]


def test_russian_words_are_left_as_they_are(find: Find) -> None:
    assert find("Сервер принял заказ в 10:30, ответ API: всё хорошо. Спасибо!") == []


def test_wrapped_base64_is_read_as_one(find: Find) -> None:
    letter = "Dear Ms. Huber, your card 4111 1111 1111 1111 was charged twice. " * 3
    wrapped = base64.encodebytes(letter.encode()).decode().strip()
    found = find(f"Attachment:\n\n{wrapped}\n\nbye")
    assert ("PAYMENT_CARD", wrapped.rstrip("=")) in found or ("PAYMENT_CARD", wrapped) in found


def test_url_safe_base64_is_read(find: Find) -> None:
    raw = "naïve ~~~??? maria.huber@example.org ÿÿÿ".encode()
    written = base64.urlsafe_b64encode(raw).decode()
    assert "EMAIL_ADDRESS" in [name for name, _ in find(f"q={written}")]


def test_an_escaped_tool_call_is_read(find: Find) -> None:
    arguments = '{"query": "mail\\nmaria.huber\\u0040example.org\\tnow"}'
    assert find(arguments) == [("EMAIL_ADDRESS", "maria.huber\\u0040example.org")]


def test_an_address_in_a_link_is_read(find: Find) -> None:
    assert find("https://example.com/?to=maria.huber%40example.org&x=1") == [
        ("EMAIL_ADDRESS", "maria.huber%40example.org")
    ]


def test_a_separator_character_inside_a_text_hides_nothing(find: Find) -> None:
    assert find("a\x1eb", f"ssn {SSN}", "c") == [("US_SSN", SSN)]
    assert find("123\x1e-45-6789") == [("US_SSN", "123\x1e-45-6789")]


def test_what_was_dropped_may_have_been_a_boundary(find: Find) -> None:
    assert ("PAYMENT_CARD", "4111 1111 1111 1111") in find("5\u200b4111 1111 1111 1111")
    assert ("PAYMENT_CARD", "4111 1111 1111 1111") in find("x²4111 1111 1111 1111")


def _cipher(length: int, seed: int = 1) -> str:
    return base64.b64encode(random.Random(seed).randbytes(length)).decode()


@pytest.mark.parametrize(
    "text",
    [
        _cipher(200),
        f"please decrypt {_cipher(120)} for me",
        base64.encodebytes(random.Random(2).randbytes(600)).decode(),
        random.Random(3).randbytes(300).hex(),
        f"data:image/png;base64,{_cipher(400)}",
        "-----BEGIN PGP MESSAGE-----\n\nhQEMA1\n-----END PGP MESSAGE-----",
        "U2FsdGVkX1+8C4mQ6hH0c2x0y2k0",
        "$ANSIBLE_VAULT;1.1;AES256\n6162",
    ],
)
def test_text_that_looks_enciphered_is_opaque(analyser: Analyser, text: str) -> None:
    assert analyser.analyse([text]).opaque == {"encoded_text"}


@pytest.mark.parametrize(
    "text",
    [
        "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "sha512-" + base64.b64encode(random.Random(4).randbytes(64)).decode(),
        random.Random(5).randbytes(64).hex(),
        "123e4567-e89b-12d3-a456-426614174000",
        "toolu_01A09q90qw90lq917835lq9 call_9pw1qXFQeTfC0vZq1sXo8vGf",
        "-----BEGIN CERTIFICATE-----\n"
        + base64.encodebytes(random.Random(6).randbytes(700)).decode()
        + "-----END CERTIFICATE-----",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ" + _cipher(200, 7),
        "https://files.example.com/d/" + _cipher(300, 8).replace("/", "_").replace("+", "-"),
        "https://docs.example.com/" + "very-long-title-of-an-article-" * 8,
        "src/" + "/".join(["components", "navigation", "SidebarMenuItemButton"] * 6) + ".tsx",
        "the" + "VeryLongCamelCaseIdentifierName" * 6,
        "a" * 500,
        "=" * 300,
        "-" * 300,
        "ACGT" * 100,
        "Donaudampfschifffahrtsgesellschaftskapitänsmütze " * 5,
        ";AAAA,CAAC;EAAE,GAAG;IACH,KAAK" * 20,
    ],
)
def test_long_runs_of_ordinary_kinds_are_not_opaque(analyser: Analyser, text: str) -> None:
    analysis = analyser.analyse([text])
    assert not analysis.opaque
    assert not analysis.findings


def test_a_key_is_a_finding_and_no_cipher(analyser: Analyser) -> None:
    body = base64.encodebytes(random.Random(9).randbytes(1200)).decode()
    text = f"-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----"
    analysis = analyser.analyse([text])
    assert [(f.data_class, f.start, f.end) for f in analysis.findings] == [
        ("PRIVATE_KEY", 0, len(text))
    ]
    assert not analysis.opaque


def test_characters_left_alone_fold_to_themselves() -> None:
    left_alone = re.compile(f"[{AS_THEY_STAND}]")
    for code in range(0x80, 0x11000):
        character = chr(code)
        if left_alone.match(character):
            assert fold(Reading(f"a{character}"))[0] is None, hex(code)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a&amp;b", "a&b"),
        ("50%25 off", "50% off"),
        ("x\\ty\\\\z", "x\ty\\z"),
        ("\\ud83d\\ude00!", "😀!"),
        ("\\u{1f600}", "😀"),
        ("4111+1111", "4111 1111"),
        ("%F0%9F%98%80", "😀"),
    ],
)
def test_one_layer_of_escapes_is_taken_away(text: str, read: str) -> None:
    reading = unescape(Reading(text))
    assert reading is not None
    assert reading.text == read
    assert reading.to_origin(0, len(read)) == (0, len(text))


def test_rot13_of_a_word_is_no_reason_to_worry(find: Find) -> None:
    assert find(codecs.encode("nothing to see here", "rot13")) == []
