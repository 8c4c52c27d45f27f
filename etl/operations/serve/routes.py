"""Every address of the server: what is read there, how it is told, and what can be begun."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from etl.operations.serve import orders, views
from etl.operations.serve.asked import Asked
from etl.operations.serve.hooks import DELIVERIES, RUNS


@dataclass(frozen=True)
class Route:
    """An address: each `*` in it is a name. `read` and `tell` make its page, `order` the command of its form.

    `kind` says which handler answers: that of pages, or one of the few that are something else.
    """

    address: str
    title: str = ""
    _: KW_ONLY
    read: Callable[[Asked], Any] | None = None
    tell: Callable[[Asked, Any], object] | None = None
    order: Callable[[Asked], Sequence[str]] | None = None
    #: What its page is called behind the title, where the names in the address do not say it.
    called: Callable[[Any], str] | None = None
    kind: str = "page"
    #: Whether it is there for who has not shown the token.
    is_open: bool = False
    #: What a sender that signs, or a token for just that, must be allowed to do here; empty: neither is asked for.
    scope: str = ""
    #: Which methods are answered, where `read` and `order` do not say it.
    own_methods: Sequence[str] = ()

    @property
    def pattern(self) -> str:
        """The regular expression of its address."""
        return self.address.replace(".", r"\.").replace("*", "([^/]+)")

    @property
    def methods(self) -> Sequence[str]:
        """The methods that it answers."""
        found = [name for name, there in (("GET", self.read), ("POST", self.order)) if there]
        return self.own_methods or found


#: The report is made of all that is known, and is kept until the ledger changes.
REPORT, REPORT_DATA, EVENTS, LOGIN, LOGOUT, CHANGE, UPLOAD = (
    *("report", "report.json", "events"),
    *("login", "logout", "change", "upload"),
)

ROUTES = (
    Route("/", kind=REPORT, own_methods=("GET",)),
    Route("/report.json", kind=REPORT_DATA, own_methods=("GET",)),
    Route("/login", "Log in", kind=LOGIN, is_open=True, own_methods=("GET", "POST")),
    Route("/logout", kind=LOGOUT, own_methods=("POST",)),
    Route("/runs", "Runs", read=views.runs, tell=views.tell_runs, order=orders.begin_run, scope=RUNS),
    Route("/deliveries/*", kind=UPLOAD, own_methods=("POST",), scope=DELIVERIES),
    Route("/runs/*", "Run", read=views.run, tell=views.tell_run, called=views.run_id_of),
    Route("/runs/*/log", "Log of run", read=views.log, tell=views.tell_log),
    Route("/runs/*/events", kind=EVENTS, own_methods=("GET",)),
    Route("/quarantine", "Quarantine", read=views.quarantine, tell=views.tell_quarantine),
    Route("/quarantine/*", "Quarantine of", read=views.records, tell=views.tell_records),
    Route("/quarantine/*/discard", order=orders.discard),
    Route("/quarantine/*/replay", order=orders.replay),
    Route("/generations", "Generations", read=views.generations, tell=views.tell_generations),
    Route(
        "/generations/*/rollback", "Roll back to", read=views.confirmation, tell=views.tell_confirmation,
        order=orders.rollback,
    ),
    Route("/profiles", "Profiles", read=views.profiles, tell=views.tell_profiles),
    Route("/profiles/*", "Profile of", read=views.table_profile, tell=views.tell_table_profile),
    Route("/profiles/*/*", "Profile of", read=views.column_profile, tell=views.tell_column_profile),
    Route("/changes/*", "Change", kind=CHANGE, own_methods=("GET",)),
)  # fmt: skip
