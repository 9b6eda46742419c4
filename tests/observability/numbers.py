"""What the page for Prometheus says, as numbers."""

from prometheus_client.parser import text_string_to_metric_families

from saml_slo.reporting.listener import exposition


class Page:
    """One reading of the page."""

    def __init__(self, text):
        self.text = text
        self.values = {}
        self.families = [family for family in text_string_to_metric_families(text) if family.name.startswith("slo_")]
        for family in self.families:
            for sample in family.samples:
                self.values[sample.name, tuple(sorted(sample.labels.items()))] = sample.value

    def __call__(self, name, **labels):
        """Return the sum of the series of this name that have these labels at least."""
        wanted = set(labels.items())
        return sum(value for (found, has), value in self.values.items() if found == name and wanted <= set(has))

    def names(self):
        """Return the names of all series, of those with labels too that have none yet."""
        return {name for name, _ in self.values}


def measuring(bridge):
    """Let a bridge count; return what reads its page."""
    metrics, gauges = bridge.app.extensions["saml_slo"].measure()
    return lambda: Page(exposition(metrics, gauges)[1].decode())
