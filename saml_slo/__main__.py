"""`python -m saml_slo` is the `saml-slo` command."""

from saml_slo.cli import main

main()
