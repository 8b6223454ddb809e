"""Numbers and addresses of people and accounts: what counts, and what only looks like it."""

from collections.abc import Callable

import pytest

Find = Callable[..., list[tuple[str, str]]]

POSITIVES = {
    "EMAIL_ADDRESS": [
        "a@b.de",
        "first.last+tag@mail.example.co.uk",
        "o'neil@example.org",
        "jane [at] example [dot] com",
        "jane(at)example.com",
        "jane at example dot com",
        "müller@exämple.de",
        "user@[192.168.0.1]",
    ],
    "PHONE_NUMBER": [
        "+1 415 555 2671",
        "+14155552671",
        "(415) 555-2671",
        "415-555-2671",
        "415.555.2671",
        "1-800-555-0199",
        "123-456-7890",
        "+44 20 7946 0958",
        "020 7946 0958",
        "07700 900123",
        "07700900123",
        "+49 (0)30 12345678",
        "0049 30 12345678",
        "030 12345678",
        "0171/2345678",
        "015123456789",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "0612345678",
        "+33 (0)6 12 34 56 78",
        "612 345 678",
        "912 34 56 78",
        "+34 612345678",
        "347 123 4567",
        "347 1234567",
        "06 6982 1234",
        "06-12345678",
        "020 123 4567",
        "+31 6 12345678",
    ],
    "IBAN": [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "de89 3704 0044 0532 0130 00",
        "GB82-WEST-1234-5698-7654-32",
        "NL91ABNA0417164300",
        "FR1420041010050500013M02606",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
        "D E"[0] + "E 89 3704 0044 0532 0130 00",
    ],
    "PAYMENT_CARD": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4222222222222",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "30569309025904",
        "6011111111111117",
        "3530111333300000",
        "6200000000000005",
    ],
    "US_SSN": ["123-45-6789", "123 45 6789", "123.45.6789", "078-05-1120"],
    "UK_NINO": ["AB123456C", "AB 12 34 56 C", "ab 12 34 56 c", "JG-10-37-59-A", "QQ123456C"],
    "DE_TAX_ID": ["86095742719", "86 095 742 719", "47036892816"],
    "ES_DNI": ["12345678Z", "12345678-Z", "12.345.678-Z", "12345678z"],
    "ES_NIE": ["X1234567L", "Y-1234567-X", "z1234567r"],
    "IT_FISCAL_CODE": ["RSSMRA85T10A562S", "rssmra85t10a562s", "RSS MRA 85T10 A562S"],
    "FR_NIR": ["185057800608491", "1 85 05 78 006 084 91", "2 55 08 14 168 025 38"],
    "CH_AHV": ["756.9217.0769.85", "7569217076985"],
    "PASSPORT_MRZ": [
        "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    ],
    "IP_ADDRESS": [
        "192.168.1.10",
        "8.8.8.8",
        "10.0.0.1",
        "203[.]0[.]113[.]7",
        "2001:db8::1",
        "fe80::1ff:fe23:4567:890a",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "::ffff:192.0.2.128",
    ],
    "MAC_ADDRESS": ["00:1a:2b:3c:4d:5e", "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e"],
}
CASES = [(name, value) for name, values in POSITIVES.items() for value in values]
AROUND = ["{}", "Please note {} for later.", "({})", 'x="{}",', "- {}\n- next", "a: {};b"]


@pytest.mark.parametrize(("data_class", "value"), CASES)
def test_it_is_found_whatever_stands_around_it(find: Find, data_class: str, value: str) -> None:
    for around in AROUND:
        found = find(around.format(value))
        assert (data_class, value) in found, (around, found)


@pytest.mark.parametrize(
    "text",
    [
        "DE89370400440532013001",  # checksum
        "DE8937040044053201300",  # too short
        "XX89370400440532013000",  # no such country
        "4111111111111112",  # Luhn
        "1111111111111117",  # no issuer
        "9999999999999995",
        "0.4111111111111111",  # a float
        "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "000-12-3456",
        "666-12-3456",
        "123-00-4567",
        "123-45-0000",
        "AB123456E",  # suffix
        "DA123456C",  # prefix
        "86095742718",  # check digit
        "12345678901",
        "12345678A",  # letter
        "X1234567A",
        "RSSMRA85T10A562T",
        "185057800608490",
        "756.9217.0769.84",
        "L898902C46UTO7408123F1204150ZE184226B<<<<<10",
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4.5",
        "127.0.0.1",
        "127.10.0.3",
        "::1",
        "v10.2.3.4",
        "version 10.2.3.4",
        "Chrome/120.0.6099.71",
        "libfoo==4.3.2.1",
        "12:34:56",
        "std::vector",
        "00:00:00:00:00:00",
        "aa:bb:cc:dd:ee:ff:00:11",  # a fingerprint
        "order 4155552671",
        "2024-01-15 10:30:00",
        "01.02.2024 10:30",
        "09/10/2024 1234",
        "978-3-16-148410-0",
        "0-306-40615-2",
        "1,234,567.89",
        "1 234 567",
        "Boston, MA 02110-1301",
        "01 02 03 04 05 06",
        "3.141592653589793",
        "1700000000",
        "1700000000000",
        "123e4567-e89b-12d3-a456-426614174000",
        "lodash@4.17.21",
        "icon@2x.png",
        "@app.route",
        "git@github.com:team/project.git",
        "user@localhost",
        "look at example.com for it",
        "2020-2021",
        "1-2-3-4-5-6-7-8-9",
        "MED-4471-2024-0012",
        "300x250, 728x90, 160x600",
    ],
)
def test_a_look_alike_is_ordinary(find: Find, text: str) -> None:
    assert find(text) == []
    assert find(f"It says {text} there.") == []


@pytest.mark.parametrize(
    "text",
    [
        "tel 123456789",
        "phone: 9876543210",
        "Telefon 4421789123",
        "call 555-0123",
        "WhatsApp 612345678",
        "userPhone=9876543210",
    ],
)
def test_a_bare_number_is_a_phone_number_where_a_word_says_so(find: Find, text: str) -> None:
    assert [name for name, _ in find(text)] == ["PHONE_NUMBER"]


def test_a_bare_number_counts_by_the_key_before_it(find: Find) -> None:
    assert find("ssn", "078051120") == [("US_SSN", "078051120")]
    assert find("phone", "9876543210") == [("PHONE_NUMBER", "9876543210")]
    assert find("count", "9876543210") == []


def test_a_card_is_not_a_phone_number_as_well(find: Find) -> None:
    assert find("6011 1111 1111 1117") == [("PAYMENT_CARD", "6011 1111 1111 1117")]


def test_a_card_after_another_number_is_found(find: Find) -> None:
    assert ("PAYMENT_CARD", "4111 1111 1111 1111") in find("no 1234 4111 1111 1111 1111")
    assert ("PAYMENT_CARD", "4111111111111111") in find("12,4111111111111111,2029")


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-15 10:30 4111 1111 1111 1111",
        "4111 1111 1111 1111 2024-01-15 10:30:00",
        "123e4567-e89b-12d3-a456-426614174000 4111 1111 1111 1111",
        "4111 1111 1111 1111 123e4567-e89b-12d3-a456-426614174000",
        "4111111111111111 123e4567-e89b-12d3-a456-426614174000",
    ],
)
def test_a_card_beside_a_time_or_a_uuid_is_found(find: Find, text: str) -> None:
    assert [name for name, _ in find(text)] == ["PAYMENT_CARD"]


def test_both_lines_of_a_machine_readable_zone_are_one_finding(find: Find) -> None:
    zone = (
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
    )
    assert find(f"scan:\n{zone}\nend") == [("PASSPORT_MRZ", zone)]


def test_one_misread_character_does_not_hide_a_passport(find: Find) -> None:
    assert find("L898902C46UTO7408122F1204159ZE184226B<<<<<10") != []
