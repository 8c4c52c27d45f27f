"""The report: one HTML file that needs nothing else, of what is known of a project.

`report_data` takes what it shows from the ledger, the definitions and the records of generations, `document` makes
the file, and `write_report` puts it in place.
"""

from etl.reports.page.place import refresh, remove_reports, write_report

__all__ = ["refresh", "remove_reports", "write_report"]
