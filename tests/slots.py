"""People whose principals live in different slots of the store."""

from saml_slo.protocol.messages import NameId
from tests import idp


def in_another_slot(bridge, than="alice"):
    """Return the NameID, as XML text, of somebody whose principal lies in another slot than this one's."""
    house = bridge.app.extensions["saml_slo"]
    connection = house.registry.connection("idp")

    def slot(name):
        who = NameId(value=f"{name}@corp.test", format=idp.PERSISTENT)
        return house.journey.endings.principal(connection, who).shard

    name = next(name for name in (f"bob{number}" for number in range(50)) if slot(name) != slot(than))
    return idp.NAME_ID.replace("alice", name)
