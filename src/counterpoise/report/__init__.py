"""Results as people read them: tables for the terminal, a plain verdict, self-contained HTML pages, and figures.

    from counterpoise.report import demo_tables, verdict, write_demo_page

    for part in demo_tables(outcome):           # outcome: what run_demo returns, or results.json read back
        rich.print(part)
    write_demo_page(outcome, Path("report.html"))

All three read the same :class:`~counterpoise.report.reading.Reading`, so a number and what is said of it agree. A study
(`write_study_page`, `write_figures`), an inspection (`write_inspection_page`) and named gene sets (`write_naming_page`)
have pages of their own.
"""

from counterpoise.report.figures import write_figures
from counterpoise.report.inspection_page import write_inspection_page
from counterpoise.report.naming_page import write_naming_page
from counterpoise.report.page import write_demo_page
from counterpoise.report.study_page import write_study_page
from counterpoise.report.table import demo_table, demo_tables
from counterpoise.report.verdict import verdict

__all__ = [
    "demo_table",
    "demo_tables",
    "verdict",
    "write_demo_page",
    "write_figures",
    "write_inspection_page",
    "write_naming_page",
    "write_study_page",
]
