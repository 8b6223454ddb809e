"""docs/audit.md has every type of event as the registry has it; a failure prints the rows."""

from pathlib import Path

from gateway.audit.registry import EVENTS

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_about_the_audit_names_every_type_and_its_details() -> None:
    lines = (ROOT / "docs" / "audit.md").read_text().splitlines()
    said = {}
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 3 and "." in cells[0]:
            said[cells[0].strip("`")] = (cells[1], frozenset(cells[2].replace("`", "").split(", ")))
    wanted = {
        type_.value: (spec.description, spec.details or frozenset({""}))
        for type_, spec in EVENTS.items()
    }
    missing = {name: wanted[name] for name in wanted if said.get(name) != wanted[name]}
    assert not missing, "\n".join(
        f"| `{name}` | {meaning} | {', '.join(f'`{each}`' for each in sorted(details) if each)} |"
        for name, (meaning, details) in missing.items()
    )
    assert set(said) == set(wanted)
