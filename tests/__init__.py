"""The tests: folders mirror the package, files in the root try it whole.

Beside the mirror::

    attacks/         the security cases by their groups, A to M (docs/promises.md), and the invariants behind them
    faults/          a crash at each Redis command, a Redis that is gone, hung, full or read-only, answers at one moment
    fuzz/            messages mangled in any way: what is accepted says what was signed, all else is refused
    vectors/         messages, keys and metadata as files, most of them captured from products
    simulators/      one emulator for each vendor, which enforces that vendor's rules of a logout
    methods/         logouts by token, webhook and frame, and what the answers to them mean
    metadata/        what renewal/ does: fetched, verified, renewed, shared between nodes
    observability/   what reporting/ does, and the alert rules                 `make alert-test`
    console/, api/   the pages of operators and the API of applications, through the door
    browser/         every page in a real Chromium, with axe                   `make browser-test`
    forward/         a real nginx, Caddy, Traefik before an application or us  `make proxy-test`, `make traefik-test`
    interop/         the products that we work with, as they are               `make interop`
    operator/        a new operator, and a SimpleSAMLphp that goes wrong       `make transcript`
    benchmarks/      that the benchmarks measure what they say

Two sides that share no code with saml_slo, so that no mistake can cancel itself out::

    idp.py           an identity provider            sp.py            applications at a running bridge
    encrypting.py    how it encrypts, well or badly  application.py   the requests of one, fresh and perfect

What tests run on::

    conftest.py      a Redis, and a bridge of its own for each test
    running.py       the whole bridge in this process, with a clock that stands still
    serving.py       `saml-slo serve` as a process of its own
    keys.py          keys that are the same in each run
    debian.py        programs out of Debian's packages
    cost.py          what hostile input may cost
    proxied.py, preflight.py, elsewhere.py, slots.py     what surrounds the bridge in some tests
    state_diagram.py, providers_table.py                 parts of docs/ that are made from the code
"""
