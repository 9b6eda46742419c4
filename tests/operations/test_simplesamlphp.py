"""`saml-slo import simplesamlphp`: real metadata files are taken over, and nothing of PHP is run.

simplesamlphp/ holds what SimpleSAMLphp 1.19.7 itself wrote, with its own parser and PHP's var_export, of the peers of
the laboratory.
"""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from saml_slo.cli import main
from saml_slo.errors import ConfigurationError
from saml_slo.operations.php import read_entries
from tests.keys import pair
from tests.operations.conftest import Told

REAL = Path(__file__).parent / "simplesamlphp"
CERTIFICATE = "".join(pair("idp").certificate_pem.decode().splitlines()[1:-1])
SP = f"""<?php
$metadata['https://app.example.com/sp'] = [
    'AssertionConsumerService' => 'https://app.example.com/acs',
    'SingleLogoutService' => 'https://app.example.com/slo',
    'certData' => '{CERTIFICATE}',
"""
IDP = f"""<?php
$metadata['https://idp.example.com/idp'] = array(
    'SingleSignOnService' => 'https://idp.example.com/sso',
    'SingleLogoutService' => 'https://idp.example.com/slo',
    'SingleLogoutServiceResponse' => 'https://idp.example.com/slo-return',
    'certData' => '{CERTIFICATE}',
"""


@pytest.fixture
def theirs(tmp_path):
    """A metadata folder of SimpleSAMLphp."""
    folder = tmp_path / "ssp" / "metadata"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def run(tmp_path, theirs):
    """Take that folder over into an empty installation."""
    (tmp_path / "metadata").mkdir()

    def invoke(*arguments, given=None, command=("import", "simplesamlphp")):
        environment = {
            "SLO_PUBLIC_URL": "https://bridge.example",
            "SLO_METADATA_DIR": str(tmp_path / "metadata"),
            "SLO_DATA_DIR": str(tmp_path / "var"),
        }
        words = [*command, str(theirs), *arguments] if command[0] == "import" else [*command, *arguments]
        return Told(CliRunner().invoke(main, words, input=given, env=environment, catch_exceptions=False))

    return invoke


def values(run, kind, name):
    """What is in force of a peer."""
    shown = run("--json", command=(kind, "show", name)).json
    return {value["name"]: value["value"] for value in shown["values"]}


def written(tmp_path):
    """The names of the files that are there."""
    return sorted(path.name for path in (tmp_path / "metadata").rglob("*") if path.is_file())


def test_real_files_are_taken_over(run, theirs, tmp_path):
    """Two identity providers and three applications of the laboratory, in force as they come."""
    shutil.copytree(REAL, theirs, dirs_exist_ok=True)
    assert run("--dry-run").code == 0
    assert written(tmp_path) == []
    assert run(given="n\n").code == 1
    told = run("--yes", "--json", "--name", "http://127.0.0.1:18080/simplesaml/saml2/idp/metadata.php=lab")
    assert (told.code, len(told.json["new"]), told.json["refusals"]) == (0, 5, [])
    idp = values(run, "connection", "lab")
    assert idp["preset"] == "simplesamlphp"
    assert [one["binding"] for one in idp["single_logout"]] == ["redirect", "post"]
    sp = values(run, "application", "127-0-0-1-18081")
    assert [one["binding"] for one in sp["single_logout"]] == ["redirect", "soap"]
    assert (sp["name_id"], sp["requests_signed"]) == ("persistent", True)
    assert [one["location"].rpartition("/")[2] for one in sp["assertion_consumers"]] == ["sp1"]
    assert "already" in run("--yes").err


def test_the_short_forms_of_its_manual_are_understood(run, theirs):
    """Texts for endpoints, constants, joined texts, comments, lists of attributes, names by language."""
    (theirs / "saml20-idp-remote.php").write_text(
        f"""{IDP}
    'name' => array('de' => 'Beispiel', 'en' => 'Example Ltd'), // shown
    # 'sign.logout' => false,
    'NameIDFormat' => \\SAML2\\Constants::NAMEID_PERSISTENT, /* as
      they wish */
);
?>
"""
    )
    (theirs / "saml20-sp-remote.php").write_text(
        SP.replace("<?php", "<?php declare(strict_types=1); use SAML2\\Constants;")
        + """
    "name" => "The" . ' App',
    'NameIDFormat' => Constants::NAMEID_TRANSIENT,
    'attributes' => ['uid', 'mail',],
    'saml20.sign.response' => TRUE,
    'authproc' => [50 => ['class' => 'core:AttributeMap']],
];
"""
    )
    told = run("--yes", "--json")
    assert told.code == 0
    assert [note.partition(" (")[0] for note in told.json["warnings"]] == [
        "application app-example-com: authproc was not taken over"
    ]
    idp = values(run, "connection", "idp-example-com")
    assert (idp["display_name"], idp["name_id_format"].rpartition(":")[2]) == ("Example Ltd", "persistent")
    assert idp["single_logout"][0]["response_location"] == "https://idp.example.com/slo-return"
    sp = values(run, "application", "app-example-com")
    assert (sp["display_name"], sp["name_id"], sp["sign_response"]) == ("The App", "transient", True)
    assert sp["attributes"] == ["uid", "mail"]


def test_a_certificate_in_a_file_is_read_from_its_folder_alone(run, theirs, tmp_path):
    """`certificate` names a PEM file in cert/; a way out of that folder is refused."""
    (tmp_path / "ssp" / "cert").mkdir()
    (tmp_path / "ssp" / "cert" / "idp.pem").write_bytes(pair("idp").certificate_pem)
    text = IDP.replace(f"'certData' => '{CERTIFICATE}'", "'certificate' => 'idp.pem'") + ");"
    (theirs / "saml20-idp-remote.php").write_text(text.replace("idp.pem", "../metadata/x"))
    assert "lies elsewhere" in run("--yes").err
    (theirs / "saml20-idp-remote.php").write_text(text)
    assert run("--yes").code == 0


def test_an_application_without_a_logout_endpoint_needs_a_waiver(run, theirs, tmp_path):
    """A4 holds here too: refused with file and line, or waived until a day."""
    lines = [line for line in SP.splitlines() if "SingleLogoutService" not in line]
    (theirs / "saml20-sp-remote.php").write_text("\n".join([*lines, "];"]))
    told = run("--yes")
    assert told.code == 1
    assert "saml20-sp-remote.php:2" in told.err
    assert "--waived-until" in told.err
    assert written(tmp_path) == []
    assert run("--yes", "--waiver", "x").code == 2
    assert run("--yes", "--waived-until", "2027-06-30", "--waiver", "Old.").code == 0
    assert "Old" in run("--json", command=("application", "show", "app-example-com")).out


def test_one_entity_that_would_be_refused_refuses_all(run, theirs, tmp_path):
    """A fingerprint is no certificate, expired is not loaded, a broken endpoint is none: nothing is written."""
    (theirs / "saml20-sp-remote.php").write_text(f"{SP}];")
    for more, words in (
        (IDP.replace("'certData'", "'certFingerprint'"), "only a fingerprint is known"),
        (IDP + "'expire' => 1,", "the metadata has expired"),
        (IDP.replace("https://idp.example.com/sso", "http://idp.example.com/sso"), "insecure_http"),
        (IDP.replace("'https://idp.example.com/sso'", "5"), "neither a text nor an array"),
    ):
        (theirs / "saml20-idp-remote.php").write_text(f"{more});")
        told = run("--yes")
        assert told.code == 1
        assert words in told.err + told.out
        assert written(tmp_path) == []
    assert run("--yes", "--set", "insecure_http=true").code == 1


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "does not begin with <?php"),
        ("<?php\n$metadata['a'] = f();", 2, "not a literal"),
        ("<?php\n\n$metadata['a'] = ['b' => getenv('C')];", 3, "not a literal"),
        ("<?php\n$metadata['a'] = ['b' => $c];", 2, "not a literal"),
        ('<?php\n$metadata["a"] = ["b" => "x{$c}"];', 2, "with a variable"),
        ('<?php\n$metadata["a"] = ["b" => "$c"];', 2, "with a variable"),
        ('<?php\n$metadata["a"] = ["b" => "\\x41"];', 2, "this escape"),
        ("<?php\n$metadata['a'] = ['b' => __DIR__ . '/x'];", 2, "not a literal"),
        ("<?php\n$metadata['a'] = ['b' => 1.5];", 2, "not a literal"),
        ("<?php\n$metadata['a'] = ['b' => 1 + 1];", 2, "not a literal"),
        ("<?php\n$metadata['a'] = <<<X\nb\nX;", 2, "not a literal"),
        ("<?php\n$metadata['a'] = ['b' => 'c';", 2, ", was expected"),
        ("<?php\n$metadata['a'] = ['b' => 'c'", 2, "the end of the file"),
        ("<?php\n$metadata['a'] = 'b';", 2, "an entity is a text and an array"),
        ("<?php\n$config['a'] = [];", 2, "$metadata was expected"),
        ("<?php\ninclude 'x.php';", 2, "$metadata was expected"),
        ("<?php\n`rm -rf /`;", 2, "not a literal"),
        ("<?php\n$metadata['a'] = [true => 1];", 2, "a key is"),
        ("<?php\n$metadata['a'] = ['b' => Other::BINDING_HTTP_POST];", 2, "not a literal"),
        ("<?php\n?>\nhello", 2, "text behind the end"),
        ("<?php\n$metadata['a'] = " + "[" * 100 + "]" * 100 + ";", 2, "nested too deep"),
        ("<?php\nuse function f ['x'];", 2, "not understood"),
    ],
)
def test_what_would_have_to_be_run_is_refused_with_its_line(tmp_path, text, line, words):
    """Only literals are read; everything else names file and line."""
    path = tmp_path / "saml20-sp-remote.php"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        read_entries(path)
    assert refused.value.line == line
    assert words in str(refused.value)


def test_literals_are_what_php_makes_of_them(tmp_path):
    """Escapes of both quotes, keys that count on, numeric texts as keys, the last of equal keys."""
    path = tmp_path / "saml20-sp-remote.php"
    path.write_text(
        "<?php $metadata['it\\'s'] = array('a\\\\b', '7' => 'x', \"y\\t\\$\", 'k' => NULL, 'k' => -3, 'n' => 'a\\n');"
    )
    (entry,) = read_entries(path)
    assert entry.entity_id == "it's"
    assert entry.values == {0: "a\\b", 7: "x", 8: "y\t$", "k": -3, "n": "a\\n"}


def test_an_empty_folder_is_told(run):
    """There is nothing to import, and which files were looked for is named."""
    told = run("--yes")
    assert told.code == 1
    assert "saml20-idp-remote.php" in told.err


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("idp", "'expire' => 999999999999999999,"),
        ("idp", "'expire' => -99999999999,"),
        ("idp", f"'expire' => {'9' * 5000},"),
        ("idp", f"'{'9' * 5000}' => 'a key that is a text',"),
        ("idp", "'certData' => null, 'certificate' => 'a\0b',"),
        ("idp", f"'certData' => null, 'certificate' => '{'a' * 5000}',"),
        ("sp", f"'AssertionConsumerService' => [['Location' => 'https://a.example/', 'index' => '{'9' * 5000}']],"),
        ("sp", "'AssertionConsumerService' => [['Location' => 'https://a.example/', 'index' => -1]],"),
    ],
)
def test_hostile_values_are_refused_in_words(run, theirs, tmp_path, file, line):
    """No number, name or time of a file ends the command otherwise than with a sentence, and nothing is written."""
    text = IDP + line + "\n);\n" if file == "idp" else SP + line + "\n];\n"
    (theirs / f"saml20-{file}-remote.php").write_text(text)
    told = run("--yes")
    if "a key that is a text" not in line:  # which says nothing to us, as it says nothing to SimpleSAMLphp
        assert told.code != 0
        assert written(tmp_path) == []


@pytest.mark.parametrize("entity_id", ["https://[::1", "../../x", "x\0y", "\u202e", "a" * 2000, "https://h/\r\nx = 1"])
def test_hostile_entity_ids_leave_the_folder_nowhere(run, theirs, tmp_path, entity_id):
    """What is made of an entity id is a name in its folder, or nothing."""
    text = IDP.replace("https://idp.example.com/idp", entity_id) + ");\n"
    (theirs / "saml20-idp-remote.php").write_text(text)
    told = run("--yes")
    assert told.code in (0, 1)
    outside = [path for path in tmp_path.rglob("*.toml") if path.parent != tmp_path / "metadata" / "connections"]
    assert outside == []
