"""A day's work of people, programs and administrators: everything secret that came up in it, and what it gave out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyotp

from apikeys.iam.oauth import GRANT_API_KEY, GRANT_PASSCODE
from tests.addresses import ACTIVITY, CREATE, KEYS, USERS, WEBHOOKS
from tests.cast import PASSWORD
from tests.http_person import HttpPerson
from tests.markup import page
from tests.programs import Person, Program, Site

CONTROL = "a name that is searched for"
FACTORS, PASSCODE, SECOND, CHOOSE = "/account/factors/", "/account/passcode/", "/login/second/", "/password/choose/"
TYPED_AS_USER_ID = "a password, typed as the user ID"
CHOSEN = "a sentence that is chosen by a link"
WRONG_CODE = "000000"


@dataclass
class Day:
    """A day at a site, with a webhook to the URL `receiver`."""

    site: Site
    receiver: str
    secrets: set[str] = field(default_factory=lambda: {TYPED_AS_USER_ID, CHOSEN})
    exports: list[bytes] = field(default_factory=list)

    def work(self) -> None:
        alice, bob, dora = (self.site.next_person(kind) for kind in ("alice", "bob", "dora"))
        self.use_the_api(self.site.log_in(alice))
        with self.logged_in(alice) as visitor:
            self.create_in_the_browser(visitor)
            self.set_factors_up(visitor, alice)
        with self.logged_in(dora) as visitor:
            self.let_choose_by_link(visitor, bob)
            self.administer(visitor)

    @contextmanager
    def logged_in(self, person: Person) -> Iterator[HttpPerson]:
        """Log in through the page, at first with a password in the field of the user ID."""
        with HttpPerson(self.site.url) as visitor:
            form = {"username": TYPED_AS_USER_ID, "password": TYPED_AS_USER_ID}
            visitor.submit(visitor.get("/login/"), "/login/", **form)
            visitor.log_in(person.username, PASSWORD)
            yield visitor
            self.secrets |= {str(cookie.value) for cookie in visitor.cookies if "session" in cookie.name}

    def use_the_api(self, program: Program) -> None:
        """Create, rotate, use, look up, delete and restore keys, with values also where none belongs."""
        made = [program.create_key(f"{CONTROL} {number}") for number in range(3)]
        rotated = program.post(f"/v1/apikeys/{made[0]['id']}/rotate", json={}).json()
        first, used, deleted = (key["apikey"] for key in made)
        tokens = self.site.token_request(client=True, grant_type=GRANT_API_KEY, apikey=used).json()
        program.get("/v1/apikeys/details", headers={"IAM-ApiKey": used})
        program.get(f"/v1/apikeys/{used}")
        program.get("/v1/apikeys", headers={"Transaction-Id": used, "User-Agent": used})
        program.post("/identity/introspect", data={"apikey": used})
        program.delete(f"/v1/apikeys/{made[2]['id']}")
        self.site.exchange(deleted)
        program.post(f"/v1/apikeys/{made[2]['id']}/restore")
        self.site.token_request(client=True, grant_type="password", username=used, password=first)
        self.secrets |= {program.token, first, used, deleted, rotated["apikey"]}
        self.secrets |= {tokens["access_token"], tokens["refresh_token"]}

    def create_in_the_browser(self, alice: HttpPerson) -> None:
        form = alice.get(CREATE)
        nonce = page(form).find("input", name="nonce")["value"]
        created = alice.submit(form, CREATE, name=CONTROL)
        value = page(created).find(id="value").raw
        for path in (KEYS, f"{KEYS}?q={value}", f"/{value}", f"{KEYS}deleted/"):
            alice.get(path)
        alice.submit(created, f"{CREATE}receipt/")
        self.exports.append(alice.get(f"{KEYS}export/?format=csv").content)
        self.secrets |= {nonce, value}

    def set_factors_up(self, alice: HttpPerson, person: Person) -> None:
        """Set an app up, log in again with a recovery code, and on the command line with a passcode."""
        set_up = f"{FACTORS}app/"
        drawn = alice.get(set_up)
        secret = shown(drawn, "secret")
        alice.submit(drawn, set_up, code=WRONG_CODE)
        done = alice.submit(drawn, set_up, code=pyotp.TOTP(secret.replace(" ", "")).now())
        codes = [item.text for item in page(done).find(id="codes").find_all("code")]
        with HttpPerson(self.site.url) as again:
            second = again.log_in(person.username, PASSWORD).get(SECOND)
            again.submit(second, SECOND, code=codes[0][:-1])
            assert again.submit(second, SECOND, code=codes[0]).status_code == 302
            passcode = shown(again.submit(again.get(PASSCODE), PASSCODE), "passcode")
        tokens = self.site.token_request(client=True, grant_type=GRANT_PASSCODE, passcode=passcode).json()
        self.secrets |= {secret, passcode, *codes, tokens["access_token"], tokens["refresh_token"]}

    def let_choose_by_link(self, dora: HttpPerson, person: Person) -> None:
        """Make a link with which somebody chooses a password, which they do, at first with a code that is wrong."""
        about = f"{USERS}{person.iam_id}/"
        code = shown(dora.submit(dora.get(about), f"{about}link/"), "link").partition("#")[2]
        with HttpPerson(self.site.url) as visitor:
            drawn, passwords = visitor.get(CHOOSE), {"new_password1": CHOSEN, "new_password2": CHOSEN}
            visitor.submit(drawn, CHOOSE, code=f"{code}x", **passwords)
            visitor.submit(drawn, CHOOSE, code=code, **passwords)
            visitor.log_in(person.username, CHOSEN)
        self.secrets.add(code)

    def administer(self, dora: HttpPerson) -> None:
        """Make a webhook, and look for its secret where none belongs."""
        create = f"{WEBHOOKS}create/"
        typed = {"name": CONTROL, "url": self.receiver, "enabled": "on"}
        secret = shown(dora.submit(dora.get(create), create, **typed), "secret")
        for path in (f"{ACTIVITY}?q={secret}", f"{WEBHOOKS}?q={secret}"):
            dora.get(path)
        everything = (f"{ACTIVITY}export/?format=json", f"{KEYS}export/?format=json&owner=all", "/metrics")
        self.exports += [dora.get(path).content for path in everything]
        self.secrets.add(secret)


def shown(answer, name: str) -> str:
    """Return what a page shows once, by its id."""
    return page(answer).find(id=name).text
