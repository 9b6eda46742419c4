"""What is this message, and would we accept it? For an operator with a capture in hand.

Owns how captures are taken apart (source.py, har.py, curl.py), where a message belongs (place.py), and the report. Owns
no check: a message goes through the very functions that the server calls, in their order (trial.py). Writes nothing,
reads no store, opens no connection; whom a message concerns is shown as a short digest unless somebody asks for it.
"""

from saml_slo.inspection.captures import captured_in
from saml_slo.inspection.comparison import compared
from saml_slo.inspection.inspector import Inspector
from saml_slo.inspection.report import Report, Verdict
from saml_slo.inspection.source import Captured

__all__ = ["Captured", "Inspector", "Report", "Verdict", "captured_in", "compared"]
