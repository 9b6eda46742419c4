"""The `saml-slo` command: thin, one file for each command.

Owns what is printed and the exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly done. Does not own what the commands
do. What went wrong is told on standard error in one block with the next step; `--json` replaces the lines for people by
one JSON document on standard output.
"""

from saml_slo.cli.audit import audit
from saml_slo.cli.bundles import export, import_
from saml_slo.cli.check import check
from saml_slo.cli.console import console
from saml_slo.cli.coverage import coverage
from saml_slo.cli.deliveries import deliveries
from saml_slo.cli.demo import demo
from saml_slo.cli.doctor import doctor
from saml_slo.cli.explain import explain
from saml_slo.cli.group import main
from saml_slo.cli.inspect import inspect
from saml_slo.cli.keys import keys
from saml_slo.cli.logout import logout
from saml_slo.cli.peers import application, connection
from saml_slo.cli.receipt import receipt
from saml_slo.cli.secret import secret
from saml_slo.cli.serve import serve
from saml_slo.cli.sessions import sessions

__all__ = ["main"]

for _command in (
    serve,
    demo,
    application,
    audit,
    check,
    connection,
    console,
    coverage,
    deliveries,
    doctor,
    explain,
    export,
    import_,
    inspect,
    keys,
    logout,
    receipt,
    secret,
    sessions,
):
    main.add_command(_command)
