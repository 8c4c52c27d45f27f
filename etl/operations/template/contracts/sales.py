"""The sales feed: what is accepted of its deliveries, and what marts.daily_sales promises."""

from datetime import date

import pandera.pandas as pa

from etl import Csv, Source


class Sales(pa.DataFrameModel):
    """One line per sale."""

    sale_id: int = pa.Field(unique=True, gt=0)
    product: str = pa.Field(str_length={"min_value": 1})
    quantity: int = pa.Field(ge=1)
    price_eur: float = pa.Field(ge=0)


sales = Source(contract=Sales, files="sales/{date}.csv", partition="sale_date", format=Csv())


class DailySales(pa.DataFrameModel):
    """One row per day and product."""

    sale_date: date
    product: str
    quantity: int = pa.Field(ge=1)
    revenue_eur: float = pa.Field(ge=0)

    class Config:
        name = "marts.daily_sales"
        unique = ["sale_date", "product"]  # noqa: RUF012
