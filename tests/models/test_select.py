"""Choosing models: names, patterns and tags, with what is above and below them."""

import pytest

from etl.errors import ConfigError
from etl.models import Header, Model, Models, select


def model(name: str, *reads: str, tags: tuple[str, ...] = ()) -> Model:
    return Model(name, f"sql/{name}.sql", "", "", reads=reads, header=Header(tags=tags))


MODELS = Models(
    {
        item.name: item
        for item in [
            model("staging.flights", "raw.flights"),
            model("staging.weather", "raw.weather"),
            model("marts.flights", "staging.flights", "staging.weather", tags=("nightly",)),
            model("marts.route_daily", "staging.flights", tags=("nightly", "routes")),
            model("marts.best_routes", "marts.route_daily"),
        ]
    }
)


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("marts.flights", ["marts.flights"]),
        ("marts.route_daily+", ["marts.route_daily", "marts.best_routes"]),
        ("+marts.flights", ["staging.flights", "staging.weather", "marts.flights"]),
        ("+marts.route_daily+", ["staging.flights", "marts.route_daily", "marts.best_routes"]),
        ("raw.weather+", ["staging.weather", "marts.flights"]),
        ("marts.*", ["marts.flights", "marts.route_daily", "marts.best_routes"]),
        ("+*.best_*", ["staging.flights", "marts.route_daily", "marts.best_routes"]),
        ("tag:nightly", ["marts.flights", "marts.route_daily"]),
        ("tag:routes+", ["marts.route_daily", "marts.best_routes"]),
        (
            "marts.flights, staging.weather staging.flights",
            ["staging.flights", "staging.weather", "marts.flights"],
        ),
    ],
)
def test_what_is_selected_comes_in_the_order_of_building(text: str, selected: list[str]) -> None:
    assert select(MODELS, text) == selected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("marts.flihgts", r"There is no model marts.flihgts. Did you mean marts.flights\?"),
        ("marts.flights nope", "There is no model nope. There are: marts.best_routes, "),
        ("shop.*", r"There is no model shop.\*. There are: "),
        ("tag:nigtly", r"No model has the tag nigtly. Did you mean nightly\?"),
        ("marts.flights raw.flights", r"raw.flights is not a model. Write raw.flights\+ to select the models"),
        (" , ", "No model is selected. Give a name"),
    ],
)
def test_what_is_nobodys_name_is_an_error_with_the_closest(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        select(MODELS, text)
