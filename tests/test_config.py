"""Settings: environment over file, unknown keys refused, errors that name the setting."""

import pytest

from saml_slo.config import load_settings
from saml_slo.errors import ConfigurationError

URL = "https://slo.example.com"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory, and none of our variables."""
    monkeypatch.chdir(tmp_path)
    for name in ("SLO_CONFIG_FILE", "SLO_PUBLIC_URL", "SLO_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_environment_wins_over_the_file(elsewhere, monkeypatch):
    """SLO_ variables override saml_slo.toml, which overrides the defaults."""
    (elsewhere / "saml_slo.toml").write_text(f'public_url = "{URL}"\nworkers = 3\nlogout_timeout = 30\n')
    monkeypatch.setenv("SLO_WORKERS", "5")
    settings = load_settings()
    assert (settings.public_url, settings.workers, settings.logout_timeout) == (URL, 5, 30)


@pytest.mark.parametrize(
    "written", ['"https://a.example/x, https://b.example"', '["https://a.example/x", "https://b.example"]']
)
def test_return_urls_are_a_comma_separated_text_or_an_array(elsewhere, written):
    """L13: both spellings mean the same."""
    (elsewhere / "saml_slo.toml").write_text(f'public_url = "{URL}"\nallowed_logout_urls = {written}\n')
    assert load_settings().allowed_logout_urls == ("https://a.example/x", "https://b.example")


def test_what_the_back_channel_may_speak_to(monkeypatch):
    """The allow-list takes the comma-separated spelling; it is empty unless the operator says something."""
    assert load_settings(public_url=URL).back_channel_allow == ()
    monkeypatch.setenv("SLO_BACK_CHANNEL_ALLOW", "idp.corp.example, 10.20.0.0/16,")
    assert load_settings(public_url=URL).back_channel_allow == ("idp.corp.example", "10.20.0.0/16")


@pytest.mark.parametrize(
    ("setting", "words"),
    [("federated", ("param", "always", "never", "ask")), ("propagation", ("all", "same_organisation", "none"))],
)
def test_policies_are_the_words_that_files_use(setting, words):
    """The tenant's policy takes the words of an organisation's and an application's, the first by default, no other."""
    assert getattr(load_settings(public_url=URL), setting) == words[0]
    assert [getattr(load_settings(public_url=URL, **{setting: word}), setting) for word in words] == list(words)
    with pytest.raises(ConfigurationError, match=f"SLO_{setting.upper()}"):
        load_settings(public_url=URL, **{setting: "sometimes"})


def test_return_urls_in_the_environment(monkeypatch):
    """The variable takes the comma-separated spelling."""
    monkeypatch.setenv("SLO_ALLOWED_LOGOUT_URLS", "https://a.example,https://b.example")
    assert load_settings(public_url=URL).allowed_logout_urls == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "slo.example.com",
        "ftp://x",
        "https://",
        "https://x/path",
        "https://x?y",
        "https://u@x",
        "https://x y",
        "//x",
    ],
)
def test_the_public_url_is_an_origin(text):
    """No path, no user, no other scheme: every URL of ours is made from it."""
    with pytest.raises(ConfigurationError, match="public_url"):
        load_settings(public_url=text)


def test_the_public_url_is_compared_as_browsers_write_it():
    """The host is lower-case and without a slash at the end."""
    assert load_settings(public_url="https://SLO.Example.com/").public_url == URL


@pytest.mark.parametrize(
    ("toml", "name"),
    [
        ('public_url = "https://x"\nworker = 3\n', "worker"),
        ('public_url = "https://x"\nworkers = 0\n', "workers"),
        ('public_url = "https://x"\nlog_level = "loud"\n', "log_level"),
        ("workers = 3\n", "public_url"),
    ],
)
def test_a_wrong_setting_is_named(elsewhere, toml, name):
    """Unknown, out of range or missing: the error names the setting and where to set it."""
    (elsewhere / "saml_slo.toml").write_text(toml)
    with pytest.raises(ConfigurationError, match=name) as caught:
        load_settings()
    assert "SLO_" in caught.value.setting


def test_a_settings_file_that_is_not_there_or_not_toml_is_named(elsewhere, monkeypatch):
    """A file that was named must be there; one that cannot be parsed is not skipped."""
    monkeypatch.setenv("SLO_CONFIG_FILE", str(elsewhere / "absent.toml"))
    with pytest.raises(ConfigurationError, match=r"absent\.toml"):
        load_settings()
    (elsewhere / "broken.toml").write_text("public_url = ")
    monkeypatch.setenv("SLO_CONFIG_FILE", str(elsewhere / "broken.toml"))
    with pytest.raises(ConfigurationError, match=r"broken\.toml"):
        load_settings()
