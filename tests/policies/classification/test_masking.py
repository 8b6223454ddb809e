"""Masking: what comes out, and what is remembered."""

from policies.classification.masking import Masking, Replacement
from policies.classification.restoring import Restorer

KEY = bytes(range(32))


def test_a_masked_text_is_restored_exactly() -> None:
    text = "mail maria@example.org and maria@example.org"
    masking = Masking(KEY)
    masked = masking.apply(
        text,
        [
            Replacement(27, 44, "EMAIL_ADDRESS", "placeholder"),
            Replacement(5, 22, "EMAIL_ADDRESS", "placeholder"),
        ],
    )
    assert "maria" not in masked
    assert masking.count == 2
    assert len(masking.minted) == 1
    assert Restorer(masking.minted).restore(masked) == text
