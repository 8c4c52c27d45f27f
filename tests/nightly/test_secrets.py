"""What the environment holds is in nothing that is written or said, whatever happens to a night."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import etl
from etl.project import Project
from tests.support import tiny, warm
from tests.support.everything import written
from tests.support.projects import environment
from tests.support.receivers import http

pytestmark = pytest.mark.sampled

SECRETS = {
    "ETL_MASK_KEY": "canary-mask-key-7f3a",
    "DATABASE_PASSWORD": "canary-password-91bc",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-55d0",
    "ETL_NOTIFY": "json://canary-user-12:canary-notify-88@127.0.0.1:1/canary-path-3c",
    "ETL_NOTIFY_ANN": "nonsense://canary-owner-4e",
    "ETL_PING_URL": "http://127.0.0.1:1/canary-ping-6f",
    "ETL_LINEAGE_URL": "http://canary-login-2b:canary-word-9e@127.0.0.1:1/canary-lineage-7d",
    "ETL_LINEAGE_TOKEN": "canary-token-a4",
    "SHOP": "postgresql://ann:canary-shop-5a@127.0.0.1:1/shop",
    "ETL_OTLP_URL": "http://canary-sender-1c:canary-sent-8b@127.0.0.1:{port}/canary-otlp-5e",
    "ETL_OTLP_HEADERS": "authorization=canary-bearer-0d,x-key=canary-header-3a",
    "ETL_SERVE_TOKEN": "canary-serve-token-of-more-than-16",
    "ETL_EVENTS_URL": "http://canary-sends-2d:canary-sent-7c@127.0.0.1:1/canary-events-1a",
    "ETL_EVENTS_SECRET": "whsec_Y2FuYXJ5LWV2ZW50LXNlY3JldC0w",
    "ETL_HOOK_SECRET": "whsec_Y2FuYXJ5LWhvb2stc2VjcmV0LTAx",
    "ETL_GITHUB_SECRET": "canary-github-secret-3f",
    "ETL_HOOK_TOKENS": "runs=canary-hook-token-5e-of-more",
}
#: Variables that hold no secret.
HARMLESS = {"ETL_PROJECT", "ETL_ENV", "ETL_COMMIT", "ETL_TRIGGER", "ETL_PING_STYLE"}
#: No part of it may be said either.
PARTS = ["canary-user-12", "canary-notify-88", "canary-path-3c", "canary-owner-4e", "canary-ping-6f"]
PARTS += ["canary-shop-5a"]
PARTS += ["canary-word-9e", "canary-sender-1c", "canary-sent-8b", "canary-otlp-5e", "canary-bearer-0d"]
PARTS += ["canary-login-2b", "canary-lineage-7d", "canary-header-3a", "canary-sends-2d", "canary-sent-7c"]
PARTS += ["canary-events-1a"]
SETTINGS = "threads = 1\nlineage = yes\nevents = yes\nmetrics = data/etl.prom\n"
CONTRACTS = tiny.CONTRACTS.replace("item: str = pa.Field(", 'item: str = pa.Field(metadata={"pii": "hash"}, ')
CONTRACTS += """
def said():
    import os

    raise RuntimeError(f"{os.environ['SHOP']} does not answer")

from etl import Fetch
shop = Source(contract=Sales, fetch=Fetch(said, environment=["SHOP"]))
"""
SQL = {**tiny.SQL, "audits/few.sql": "-- fail: too many\nselect * from raw.sales where id > 3"}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, str]]:
    """A project after good nights, failed ones, a rollback and every command, and what these said and sent."""
    with http() as collector, pytest.MonkeyPatch.context() as patched:
        patched.setitem(SECRETS, "ETL_OTLP_URL", SECRETS["ETL_OTLP_URL"].format(port=collector.port))
        project, text = after_all(tmp_path_factory)
        assert {path for path, _ in collector.got} == {
            f"/canary-otlp-5e/v1/{what}" for what in ("metrics", "traces")
        }
        yield project, text + "".join(body.decode("latin-1") for _, body in collector.got)


def after_all(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    project = tiny.project(tmp_path_factory.mktemp("secrets"), CONTRACTS, SQL, settings=SETTINGS)
    texts = [run(project, "luigi", "--module", "etl", "Nightly", "--date", "2024-03-31")]
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n3,cup\nx,broken\n"})
    texts.append(run(project, "luigi", "--module", "etl", "Nightly", "--date", "2024-03-31"))
    texts.append(run(project, "etl", "rollback", "--reason", "wrong"))
    tiny.deliver(project, {"sales/2024-03-04.csv": "id,item\n4,cup\n", "sales/2024-03-05.csv": "nonsense\n"})
    texts.append(run(project, "luigi", "--module", "etl", "Nightly", "--date", "2024-03-31"))
    (project.sql / "marts/broken.sql").write_text("select nothing from raw.sales")
    texts.append(run(project, "luigi", "--module", "etl", "Nightly", "--date", "2024-03-31"))
    (project.sql / "marts/broken.sql").unlink()
    (project.raw / "sales/2024-03-05.csv").unlink()
    texts.append(run(project, "luigi", "--module", "etl", "Nightly", "--date", "2024-03-31"))
    for command in (
        ("status", "--json"),
        ("plan", "--all", "--json"),
        ("quarantine", "sales", "--json"),
        ("audits", "--json"),
        ("generations", "--json"),
        ("diff", "current", "candidate", "--json"),
        ("sql", "select * from duckdb_settings()", "--json"),
        ("sql", "select getenv('ETL_MASK_KEY')"),
        ("env", "create", "dev"),
        ("env", "list", "--json"),
        ("notify", "--json"),
        ("runs", "--json"),
        ("show",),
        ("fetch", "--json"),
    ):
        texts.append(run(project, "etl", *command))
    return project, "\n".join(texts)


def run(project: Project, module: str, *arguments: str) -> str:
    return warm.run(["-m", module, *arguments], project.root, environment(**SECRETS)).stdout


def test_the_nights_were_of_every_kind(said: tuple[Project, str]) -> None:
    for text in (
        "postgresql://ann:***@127.0.0.1:1/shop does not answer",
        "a message to ETL_NOTIFY 1 (json) could not be sent",
        "the server of ETL_PING_URL could not be told",
        "not taken by the server of ETL_LINEAGE_URL",
        "published generation",
        "rolled back from",
        "is refused",
        "sql/marts/broken.sql",
        "audits.few found",
    ):
        assert text in said[1], text


def test_every_variable_is_among_them() -> None:
    texts = [path.read_text() for path in Path(etl.__file__).parent.rglob("*.py")]
    found = {name for text in texts for name in re.findall(r'"(ETL_[A-Z_]+)"', text)}
    assert found - HARMLESS <= SECRETS.keys()


@pytest.mark.parametrize("secret", [*SECRETS.values(), *PARTS])
def test_a_secret_is_said_nowhere(said: tuple[Project, str], secret: str) -> None:
    assert secret not in said[1]


@pytest.mark.parametrize("secret", [*SECRETS.values(), *PARTS])
def test_a_secret_is_written_nowhere(said: tuple[Project, str], secret: str) -> None:
    files = list(written(said[0]))
    assert {Path(file).suffix for file, _ in files} >= {".parquet", ".duckdb", ".sqlite", ".json", ".jsonl"}
    assert {Path(file).parts[0] for file, _ in files} >= {"lineage", "etl.prom"}
    assert [file for file, text in files if secret in text] == []
