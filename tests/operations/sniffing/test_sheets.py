"""What `etl sniff` proposes for workbooks: sheets that belong together, and reports as people make them."""

import io

import openpyxl

from etl.sources.catalog import load_catalog
from tests.operations.sniffing.test_propose import extracted, sniffed


def workbook(**sheets):
    """Return a workbook with a sheet for each table; a text such as "A1:B2" among the rows is a merged range."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.merge_cells(row) if isinstance(row, str) else sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def test_sheets_with_the_same_columns_are_proposed_together(tmp_path):
    january, february = [["id", "item"], [1, "box"], [2, "oil"]], [["item", "id"], ["pen", 3]]
    content = workbook(January=january, February=february, Notes=[["read this"]])
    text = sniffed(tmp_path, content, "a.xlsx")
    assert 'Excel(sheet=("January", "February"), sheet_column="sheet")' in text
    assert extracted(tmp_path, content, "a_2024-03-01.xlsx") == (3, 0)


def test_a_report_with_merged_cells_above_and_within_its_table_is_proposed_as_it_is(tmp_path):
    content = workbook(
        Report=[
            ["Report of March"],
            [],
            ["Region", "Sales", None, "Rate"],
            [None, "Plan", "Real", None],
            ["North", 100, 110.5, 0.5],
            [None, 200, 210, 0.25],
            ["South", 50, 45, 1],
            ["Total", 350, 365.5],
            ["As of 31 March, preliminary"],
            *("A1:D1", "A3:A4", "B3:C3", "D3:D4", "A5:A6"),
        ]
    )
    text = sniffed(tmp_path, content, "a.xlsx")
    assert "header_row=3," in text
    assert "header_rows=2," in text
    assert "fill_merged=True" in text
    assert extracted(tmp_path, content, "a_2024-03-01.xlsx") == (3, 0)
    (source,) = load_catalog(tmp_path / "contracts").sources.values()
    assert [column.name for column in source.contract.columns] == ["Region", "Sales Plan", "Sales Real", "Rate"]
