"""Keys that change while servers run: one set at a time, a broken folder changes nothing, and nobody restarts."""

import json
import subprocess
import threading
import time
from base64 import urlsafe_b64decode
from datetime import UTC, datetime

import pytest

from saml_slo.certs import KeyRing, load_keys, locked
from saml_slo.errors import ConfigurationError
from saml_slo.operations.rollover import Step, take
from tests import idp
from tests.console.operator import enrol
from tests.encrypting import encrypt
from tests.keys import pair
from tests.running import ORIGIN, write_certs
from tests.serving import COMMAND, environment, serving, wait_until

LATER = 10  # seconds: a folder has then rested


def put(folder, file, name):
    """Put the certificate and key of a test pair there."""
    (folder / f"{file}.key").write_bytes(pair(name).key_pem)
    (folder / f"{file}.crt").write_bytes(pair(name).certificate_pem)


class Watched:
    """A key ring whose wall clock a test moves, and what it told."""

    def __init__(self, folder, ahead=0.0):
        self.ahead = ahead
        self.told = []
        self.ring = KeyRing(folder, report=self.told.append, wall=lambda: time.time() + self.ahead)

    def signing(self):
        """The certificate that signs."""
        return self.ring.current().signing.certificate


@pytest.fixture
def folder(tmp_path):
    """A folder with the test keys."""
    write_certs(tmp_path / "certs")
    return tmp_path / "certs"


def test_a_changed_folder_comes_into_force_as_one_set(folder):
    """Signing, publishing and decrypting change together, once the files have rested; told once."""
    watched = Watched(folder, ahead=LATER)
    watched.ring.refresh()
    before = watched.ring.current()
    put(folder, "signing", "idp")
    put(folder, "encryption", "other-idp")
    watched.ahead = 0
    watched.ring.refresh()
    assert watched.ring.current() is before  # somebody may still be copying
    watched.ahead = LATER
    watched.ring.refresh()
    after = watched.ring.current()
    assert after.signing.certificate == pair("idp").certificate
    assert after.published_signing == (pair("idp").certificate,)
    assert after.published_encryption == (pair("other-idp").certificate,)
    watched.ring.refresh()
    assert watched.ring.current() is after
    assert watched.told == [after]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda folder: (folder / "signing.crt").write_bytes(pair("idp").certificate_pem), "not the certificate of"),
        (lambda folder: (folder / "encryption.key").unlink(), "cannot be read"),
        (lambda folder: (folder / "secret.key").write_text("0" * 64), "not the one that this server started with"),
        (lambda folder: (folder / "secret.key").unlink(), "cannot be read"),
        (lambda folder: folder.rename(folder.with_name("away")), "cannot be read"),
    ],
)
def test_a_broken_folder_leaves_the_last_good_keys_in_force_and_says_so(folder, break_it, words):
    """Half of a pair, a file that is gone, another installation's secret: told once, and again when it is mended."""
    watched = Watched(folder, ahead=LATER)
    good = watched.ring.current()
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    break_it(folder)
    for _ in range(2):
        watched.ring.refresh()
    assert watched.ring.current() is good
    assert words in str(watched.ring.problem())
    assert [type(told) for told in watched.told] == [ConfigurationError]
    folder.mkdir(exist_ok=True)
    for name, content in kept.items():
        (folder / name).write_bytes(content)
    watched.ring.refresh()
    assert watched.ring.problem() is None
    assert watched.signing() == good.signing.certificate
    assert len(watched.told) == 2


def test_files_that_say_the_same_change_nothing(folder):
    """A folder that is copied anew is no news: what was signed with the keys of before is not signed again."""
    watched = Watched(folder, ahead=LATER)
    keys = watched.ring.current()
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes())
    watched.ring.refresh()
    assert watched.ring.current() is keys
    assert watched.told == []


def test_nobody_reads_half_of_a_step(folder):
    """Who reads the folder waits for whoever is changing it with our own command."""
    read = threading.Event()
    reader = threading.Thread(target=lambda: (load_keys(folder), read.set()))
    with locked(folder):
        put(folder, "signing", "idp")
        reader.start()
        assert not read.wait(0.2)
    reader.join(120)
    assert read.is_set()


def test_a_folder_that_only_root_may_change_is_read_all_the_same(folder):
    """Where there is no lock file, or none that we may open, the keys are read without one."""
    (folder / ".lock").unlink()
    assert load_keys(folder).signing.certificate == pair("bridge").certificate
    assert not (folder / ".lock").exists()


# In a running bridge -----------------------------------------------------------------------------------------------


def key_ids(bridge):
    """The ids of the keys that the key set publishes."""
    return [key["kid"] for key in bridge.browser().get("/.well-known/jwks.json", base_url=ORIGIN).json["keys"]]


def signed_with(jws):
    """The id of the key that signed a JWS."""
    head = jws.split(".")[0]
    return json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def test_everything_that_a_bridge_signs_or_publishes_changes_together(bridge):
    """After a rollover by the command: metadata of both roles, key set and receipts are those of the new set."""
    house, folder = bridge.app.extensions["saml_slo"], bridge.settings.certs_dir
    browser = bridge.browser()
    bridge.sign_in(browser)
    handle = bridge.logout(browser).headers["Location"]

    def seen():
        document = b"".join(
            bridge.browser().get(path, base_url=ORIGIN).data for path in ("/saml/sp/idp/metadata", "/saml/idp/metadata")
        )
        receipt = bridge.browser().get(f"{handle}.jws", base_url=ORIGIN).get_data(as_text=True)
        return document, key_ids(bridge), signed_with(receipt)

    old_document, old_ids, old_signer = seen()
    assert old_ids == [old_signer]
    (folder / "encryption-old.key").unlink()
    (folder / "encryption-old.crt").unlink()
    now = datetime.now(UTC)
    take(folder, Step.NEXT, common_name="bridge.example", now=now)
    house.keys.reload()
    document, ids, signer = seen()
    assert (len(ids), signer) == (2, old_signer)
    assert document != old_document
    take(folder, Step.SWITCH, common_name="bridge.example", now=now, force=True)
    house.keys.reload()
    _, switched_ids, signer = seen()
    assert (set(switched_ids), signer) == (set(ids), ids[1])


def test_an_assertion_is_decrypted_with_a_key_that_came_later(bridge):
    """S7: what was encrypted to the new certificate, and to the one before, is read without a restart."""
    house, folder = bridge.app.extensions["saml_slo"], bridge.settings.certs_dir
    put(folder, "encryption", "other-idp")
    put(folder, "encryption-old", "bridge-encryption-next")
    house.keys.reload()
    for name in ("other-idp", "bridge-encryption-next"):
        browser = bridge.browser()
        response = bridge.answer(bridge.start_sign_in(browser))
        assertion = response.find("{*}Assertion")
        response.replace(assertion, encrypt(assertion, recipients=(name,)))
        bridge.deliver(browser, idp.post(response, endpoint=idp.ACS))
        assert bridge.is_signed_in(browser)


def test_operators_hear_of_a_folder_that_cannot_be_used(bridge):
    """In the log with its reason, in the metrics, and on the overview of the console."""
    house = bridge.app.extensions["saml_slo"]
    (bridge.settings.certs_dir / "signing.crt").write_bytes(pair("idp").certificate_pem)
    house.keys.reload()
    (line,) = [line for line in bridge.log if line["event"] == "keys_not_in_force"]
    assert line["reason"] == "configuration_invalid"
    assert "signing.crt: this is not the certificate of" in line["message"]
    _, gauges = house.measure()
    (problems,) = [family for family in gauges.collect() if family.name == "slo_configuration_problems"]
    assert [sample.value for sample in problems.samples] == [1]
    operator = enrol(bridge)
    assert "The folder of our keys cannot be used as it is now" in bridge.get(operator, "/console").text
    put(bridge.settings.certs_dir, "signing", "bridge")
    house.keys.reload()
    assert "Nothing needs you" in bridge.get(operator, "/console").text


# In a running server -----------------------------------------------------------------------------------------------


def test_all_workers_take_over_what_the_command_did(tmp_path):
    """O1, for our keys: `keys next` on the machine of a server, and every worker publishes the new certificate."""
    with serving(tmp_path) as server:
        for step in (("finish", "--force"), ("next",)):
            command = [*COMMAND[:-1], "keys", *step]
            subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=True)
        wait_until(lambda: published(server) == {2})
        assert {line["event"] for line in server.log() if line["event"].startswith("keys_")} == {"keys_in_force"}
        assert server.stop() == 0


def published(server):
    """How many keys each of the two workers has in its key set; who answers a connection is a matter of luck."""
    browser, found = server.browser(), {}
    for _ in range(100):
        connection = browser.connect()
        keys = browser.get("/.well-known/jwks.json", connection=connection)
        found[server.worker_of(connection)] = len(json.loads(keys.body)["keys"])
        connection.close()
        if len(found) == 2:
            break
    return set(found.values())
