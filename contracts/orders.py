"""The order feed: what is accepted of its deliveries, and what `marts.orders` promises."""

from datetime import date

import pandas as pd
import pandera.pandas as pa

from etl import Csv, Source


class Orders(pa.DataFrameModel):
    """One line per order; the sender may deliver an order again on a later day."""

    order_nb: int = pa.Field(gt=0, description="Number of the order.")
    order_date: date = pa.Field(description="Date on which the order was placed.")
    item: str = pa.Field(description="Name of the ordered item, as the shop typed it.")
    site: str = pa.Field(description="City and country, as the shop typed them.")


class Items(pa.DataFrameModel):
    """The numbers of the items."""

    item: str = pa.Field(unique=True, description="Name of the item.")
    item_nb: int = pa.Field(unique=True, gt=0, description="Number of the item.")


class Sites(pa.DataFrameModel):
    """The numbers of the sites."""

    site: str = pa.Field(unique=True, description="City and country of the site.")
    site_nb: int = pa.Field(unique=True, gt=0, description="Number of the site.")


# The sample is a dozen lines, a third of them wrong on purpose: no share of rejects is too high for it.
orders = Source(
    contract=Orders,
    files="orders/{date}.psv",
    format=Csv(delimiter="|", header=False),
    max_reject_ratio=1.0,
)
items = Source(contract=Items, files="items.csv")
sites = Source(contract=Sites, files="sites.csv")


class EnrichedOrders(pa.DataFrameModel):
    """One row per order, with the numbers of its item and site where the lists know them."""

    order_nb: int = pa.Field(unique=True, gt=0)
    order_date: date
    item: str = pa.Field(description="Name of the item as the list has it; as delivered if the list lacks it.")
    item_nb: pd.Int64Dtype = pa.Field(nullable=True, gt=0)
    site: str = pa.Field(description="City and country as the list has them; as delivered if the list lacks them.")
    site_nb: pd.Int64Dtype = pa.Field(nullable=True, gt=0)

    class Config:
        name = "marts.orders"
