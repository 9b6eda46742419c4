"""The cache of a federation: what was put in is found, byte for byte, and nothing else is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saml_slo.peers.copies import CopyState, decode_state
from saml_slo.peers.federation_cache import Facts, FederationCache, encode
from saml_slo.peers.federation_file import read_federation
from tests.metadata.signing import signer_file
from tests.wire.idp_metadata import NOW

FACTS = Facts(settings="s", total=9, valid_until=NOW, cache_duration=None, ambiguous=("https://a.test",))
README = Path(__file__).parents[2] / "metadata" / "federations" / "README.md"


@given(entities=st.dictionaries(st.text(max_size=40), st.binary(max_size=60), max_size=60), other=st.text(max_size=40))
def test_what_was_put_in_is_found(tmp_path_factory, entities, other):
    """Every entity by its id, none by another one, and the facts as they were."""
    path = tmp_path_factory.mktemp("cache") / "edu.cache"
    path.write_bytes(encode(FACTS, entities))
    cache = FederationCache(path)
    assert (cache.facts, cache.count) == (FACTS, len(entities))
    assert {name: cache.find(name) for name in entities} == entities
    assert other in entities or cache.find(other) is None
    assert sorted(cache.documents()) == sorted(entities.values())


@given(st.binary(max_size=200))
def test_what_is_no_state_is_none(data):
    """Whatever stands in a state's file, or in Redis: a state, or nothing."""
    assert decode_state(data) is None
    assert decode_state(None) is None


@pytest.mark.parametrize("changes", [(), ("a", "b")])
def test_a_state_comes_back_as_it_was(changes):
    """JSON and back."""
    state = CopyState(url="https://idp.test", version="v", checked_at=7, changes=changes, hold=True)
    assert decode_state(state.encoded()) == state


def test_the_example_of_the_readme_loads(tmp_path):
    """The federation of metadata/federations/README.md is read without a problem but that it has not been fetched."""
    text = README.read_text(encoding="utf-8")
    (tmp_path / "edu.toml").write_text(text.split("```toml\n")[1].split("```")[0])
    (tmp_path / "signer.crt").write_text(signer_file("idp"))
    federation = read_federation(tmp_path / "edu.toml", now=NOW)
    assert federation.wanted.entity_categories
    assert ["has not been read yet" in problem.text for problem in federation.problems] == [True]
