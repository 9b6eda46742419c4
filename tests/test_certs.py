"""Key files: made once, read strictly, rolled over with two live."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from saml_slo.certs import ensure_keys, load_keys, load_secret
from saml_slo.errors import ConfigurationError
from tests.keys import pair
from tests.running import write_certs


def test_missing_keys_are_made_once_and_only_the_owner_may_read_them(tmp_path):
    """The first start makes five files; the second makes none and changes none."""
    folder = tmp_path / "certs"
    made = ensure_keys(folder, "bridge.example")
    assert set(made) == {"signing.key", "signing.crt", "encryption.key", "encryption.crt", "secret.key"}
    assert all((folder / name).stat().st_mode & 0o077 == 0 for name in made if name.endswith(".key"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert ensure_keys(folder, "bridge.example") == ()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    load_keys(folder)


def test_a_start_that_was_killed_half_way_is_completed(tmp_path):
    """A key without its certificate gets one; nothing that is there is replaced."""
    ensure_keys(tmp_path, "x")
    key = (tmp_path / "signing.key").read_bytes()
    (tmp_path / "signing.crt").unlink()
    (tmp_path / ".encryption.key.draft").write_bytes(b"half")
    assert ensure_keys(tmp_path, "x") == ("signing.crt",)
    assert (tmp_path / "signing.key").read_bytes() == key
    load_keys(tmp_path)


def test_processes_that_start_together_agree_on_one_key(tmp_path):
    """Whoever is first wins; every certificate belongs to its key."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ensure_keys(tmp_path, "x"), range(4)))
    load_keys(tmp_path)
    assert load_secret(tmp_path).derive("a") != load_secret(tmp_path).derive("b")


def test_a_folder_that_is_complete_is_left_alone(tmp_path):
    """Where the keys are mounted from a vault, the folder is read-only: nothing is written there, not even a lock."""
    write_certs(tmp_path)
    (tmp_path / ".lock").unlink()
    before = sorted(tmp_path.iterdir())
    assert ensure_keys(tmp_path, "x") == ()
    assert sorted(tmp_path.iterdir()) == before
    load_keys(tmp_path)


def test_keys_that_cannot_be_made_are_told_in_words(tmp_path):
    """Where nothing can be written, the operator reads which folder that is, and the setting that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as caught:
        ensure_keys(tmp_path / "file" / "certs", "x")
    assert (caught.value.setting, caught.value.file) == ("SLO_CERTS_DIR", tmp_path / "file" / "certs")


def test_two_decryption_keys_are_live_and_peers_are_given_the_new_one(tmp_path):
    """S7: the old key still decrypts, the metadata publishes the new certificate alone."""
    write_certs(tmp_path)
    keys = load_keys(tmp_path)
    assert [key.key_size for key in keys.decryption.keys] == [2048, 2048]
    assert keys.published_encryption == (pair("bridge-encryption-next").certificate,)


def test_the_next_signing_certificate_is_published_before_it_signs(tmp_path):
    """A signing rollover: both certificates in the metadata, the active one first."""
    write_certs(tmp_path)
    (tmp_path / "signing-next.crt").write_bytes(pair("idp-next").certificate_pem)
    keys = load_keys(tmp_path)
    assert keys.published_signing == (pair("bridge").certificate, pair("idp-next").certificate)
    assert keys.signing.certificate == pair("bridge").certificate


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("signing.key", None, "cannot be read"),
        ("signing.key", b"x", "not an unencrypted PEM private key"),
        ("signing.crt", pair("idp").certificate_pem, "not the certificate of"),
        ("encryption.key", pair("p256").key_pem, "must be RSA"),
        ("encryption.crt", b"x", "not a PEM certificate"),
        ("encryption.crt", pair("idp").certificate_pem, "not the certificate of a key that decrypts"),
        ("secret.key", b"short", "not usable"),
    ],
)
def test_an_unusable_key_file_is_named(tmp_path, file, content, words):
    """The error says which file, and nothing is signed with half of a pair (F39)."""
    write_certs(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(ConfigurationError, match=words) as caught:
        (load_keys(tmp_path), load_secret(tmp_path))
    assert file.split(".")[0] in str(caught.value)
