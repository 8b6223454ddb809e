"""Check digits of the numbers that carry them. Every function takes bare characters."""

_LUHN_DOUBLE = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B (payment cards)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = ord(digit) - 48
        total += _LUHN_DOUBLE[value] if place & 1 else value
    return total % 10 == 0


def iban(characters: str) -> bool:
    """ISO 13616: the rearranged number is 1 modulo 97. Upper case letters and digits only."""
    rearranged = characters[4:] + characters[:4]
    return int("".join([str(int(c, 36)) for c in rearranged])) % 97 == 1


def mod_11_10(digits: str) -> bool:
    """ISO 7064 MOD 11,10 (German tax number)."""
    product = 10
    for digit in digits[:-1]:
        total = (ord(digit) - 48 + product) % 10 or 10
        product = 2 * total % 11
    return (11 - product) % 10 == ord(digits[-1]) - 48


def spanish_letter(number: int) -> str:
    """The control letter of a DNI or NIE."""
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]


_ODD_PLACES = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22)
_ODD_LETTERS = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (*_ODD_PLACES, 25, 24, 23), strict=True))


def fiscal_code_letter(first_fifteen: str) -> str:
    """The control character of an Italian codice fiscale (upper case)."""
    total = 0
    for index, character in enumerate(first_fifteen):
        letter = chr(ord(character) + 17) if character.isdigit() else character
        total += _ODD_LETTERS[letter] if index % 2 == 0 else ord(letter) - 65
    return chr(65 + total % 26)


def nir_key(thirteen: str) -> int:
    """The key of a French NIR; Corsican departments count as 19 and 18."""
    number = thirteen.replace("2A", "19", 1).replace("2B", "18", 1)
    return 97 - int(number) % 97


_MRZ_WEIGHTS = (7, 3, 1)


def mrz(field: str, digit: str) -> bool:
    """ICAO 9303 check digit; `<` counts as 0, and stands for 0 as the digit of an empty field."""
    total = 0
    for index, character in enumerate(field):
        value = 0 if character == "<" else int(character, 36)
        total += value * _MRZ_WEIGHTS[index % 3]
    return str(total % 10) == ("0" if digit == "<" else digit)


def nhs_number(digits: str) -> bool:
    """Modulus 11 of the ten-digit NHS number."""
    total = sum((10 - place) * int(digit) for place, digit in enumerate(digits[:9]))
    return (11 - total % 11) % 11 == int(digits[9])


def dutch_eleven(digits: str) -> bool:
    """The eleven test of a BSN (nine digits)."""
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    total = sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=True))
    return total % 11 == 0 and total > 0


def ean13(digits: str) -> bool:
    """The check digit of a thirteen-digit EAN (Swiss AHV numbers)."""
    total = sum(int(digit) * (3 if place & 1 else 1) for place, digit in enumerate(digits))
    return total % 10 == 0


def german_health_insurance(number: str) -> bool:
    """The check digit of a ten-character Krankenversichertennummer (letter and nine digits)."""
    expanded = f"{ord(number[0]) - 64:02d}{number[1:9]}"
    total = 0
    for place, digit in enumerate(expanded):
        value = int(digit) * (2 if place & 1 else 1)
        total += value // 10 + value % 10
    return total % 10 == int(number[9])
