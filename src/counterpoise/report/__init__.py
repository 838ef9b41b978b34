"""Results as people read them: tables for the terminal, a plain verdict, and one self-contained HTML page.

    from counterpoise.report import demo_tables, verdict, write_demo_page

    for part in demo_tables(outcome):           # outcome: what run_demo returns, or results.json read back
        rich.print(part)
    write_demo_page(outcome, Path("report.html"))

All three read the same :class:`~counterpoise.report.reading.Reading`, so a number and what is said of it agree.
"""

from counterpoise.report.page import write_demo_page
from counterpoise.report.table import demo_table, demo_tables
from counterpoise.report.verdict import verdict

__all__ = ["demo_table", "demo_tables", "verdict", "write_demo_page"]
