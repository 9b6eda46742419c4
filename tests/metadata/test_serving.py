"""The real server: metadata by URL and from a federation, in both workers, without anybody waiting; and a restart."""

from tests.metadata.publisher import publishing
from tests.metadata.signing import signed, signer_file
from tests.serving import serving, wait_until
from tests.wire.idp_metadata import endpoint, entities, entity, role


def member(name):
    """An identity provider's metadata; what is published has no end."""
    places = endpoint("SingleSignOn", f"https://{name}.test/sso") + endpoint("SingleLogout", f"https://{name}.test/slo")
    return entity(role(endpoints=places), entity_id=f"https://{name}.test")


def write(folder, publisher):
    """A connection by URL, one from a federation by URL, both on this machine."""
    metadata = folder / "metadata"
    for kind in ("connections", "federations"):
        (metadata / kind).mkdir(parents=True, exist_ok=True)
    (metadata / "federations" / "signer.crt").write_text(signer_file("idp"))
    address = publisher.url("/edu.xml")
    (metadata / "federations" / "edu.toml").write_text(f'metadata_signer = "signer.crt"\nmetadata_url = "{address}"')
    (metadata / "connections" / "by-url.toml").write_text(f'metadata_url = "{publisher.url()}"')
    (metadata / "connections" / "member.toml").write_text('federation = "edu"\nentity_id = "https://member.test"')


def in_force(server):
    """Whether both connections are, in every worker that happens to answer."""
    browser = server.browser()
    paths = ("/saml/sp/by-url/metadata", "/saml/sp/member/metadata")
    return all(browser.get(path).status_code == 200 for path in paths * 4)


def test_metadata_from_elsewhere_in_the_real_server(tmp_path):
    """It comes into force in both workers, each source is fetched once, and a restart needs no publisher."""
    with publishing() as publisher:
        publisher.documents["/idp.xml"] = member("by-url")
        publisher.documents["/edu.xml"] = signed(entities(member("member"), member("other"), attributes='ID="_all"'))
        write(tmp_path, publisher)
        with serving(tmp_path, back_channel_allow="127.0.0.0/8") as server:
            wait_until(lambda: in_force(server))
        assert sorted(path for path, _ in publisher.asked) == ["/edu.xml", "/idp.xml"]
    with serving(tmp_path, back_channel_allow="127.0.0.0/8") as server:
        assert in_force(server), (tmp_path / "stderr").read_text()
