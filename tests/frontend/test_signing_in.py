from django.test import Client

from gateway.accounts.services import people
from gateway.audit.models import AuditEvent
from tests.frontend.conftest import BY, PASSWORD, House


def sign_in(client: Client, email: str, password: str, **extra: str) -> tuple[int, str, str]:
    answer = client.post("/login/", {"username": email, "password": password, **extra})
    return answer.status_code, answer.headers.get("Location", ""), answer.content.decode()


def test_the_front_door_leads_to_signing_in(client: Client, db: None) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login/?next=/")


def test_the_right_password_opens_the_chat_in_any_spelling_of_the_address(
    client: Client, house: House
) -> None:
    assert sign_in(client, "Member@Example.org", PASSWORD)[:2] == (302, "/")


def test_every_failure_reads_the_same(client: Client, house: House) -> None:
    people.deactivate_user(by=BY, user=house.people["editor"])
    pages = {
        sign_in(client, email, password)[2].split('id="login-problem"')[1].split("</div>")[0]
        for email, password in (
            ("member@example.org", "wrong"),
            ("unknown@example.org", PASSWORD),
            ("editor@example.org", PASSWORD),
        )
    }
    assert len(pages) == 1
    assert "do not match" in pages.pop()


def test_after_signing_in_one_returns_to_where_one_was(client: Client, house: House) -> None:
    assert sign_in(client, "member@example.org", PASSWORD, next="/p/lab/")[1] == "/p/lab/"


def test_signing_in_never_leads_to_another_host(client: Client, house: House) -> None:
    away = sign_in(client, "member@example.org", PASSWORD, next="https://elsewhere.example/")
    assert away[1] == "/"


def test_signing_in_needs_the_csrf_token(house: House) -> None:
    status, _, page = sign_in(Client(enforce_csrf_checks=True), "member@example.org", PASSWORD)
    assert status == 403
    assert "This form has expired" in page


def test_signing_out_is_a_post_and_ends_the_session(client: Client, house: House) -> None:
    client.force_login(house.people["member"])
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").status_code == 302
    assert client.get("/").status_code == 302


def test_signing_in_and_out_and_a_refusal_are_audited_without_what_was_typed(
    client: Client, house: House
) -> None:
    sign_in(client, "member@example.org", "a slip of the tongue")
    sign_in(client, "member@example.org", PASSWORD)
    client.post("/logout/")
    events = [event for event in AuditEvent.objects.order_by("seq") if "log" in event.type]
    assert [event.type for event in events] == ["login.failed", "user.logged_in", "user.logged_out"]
    member = f"user:{house.people['member'].pk}"
    assert [event.actor for event in events] == ["system:login", member, member]
    assert all("slip" not in event.body for event in events)
    assert "member@example.org" not in events[0].body
