"""Parts of the documentation made from committed results: docs/results/*.md and benchmarks/results/*.json.

`tools/docs_pages.py` puts them into their pages; nothing here is imported by the package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
ROWS = ROOT / "benchmarks" / "results"
LEAD = re.compile(r"^- \*\*(?!What it cannot)(.+?)\*\*", re.DOTALL | re.MULTILINE)
"""What a bullet begins with in bold: the finding, before what it rests on."""
COMMAND = re.compile(r"`((?:counterpoise|python)\s[^`]+)`")
LONGEST = 300
"""Characters of commands that the overview repeats."""
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def results_pages() -> str:
    """Return a section for each page of results: what was found, where that is explained, and what made the page."""
    pages = {path.stem: path for path in sorted(RESULTS.glob("*.md")) if path.name != "index.md"}
    tables = {f"{stem}-tables" for stem in pages}  # told with the page that they are of
    return "\n\n".join(_results_page(path) for stem, path in pages.items() if stem not in tables)


def _results_page(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    title = text.partition("\n")[0].removeprefix("# ")
    lines = [f"### {title}", ""]
    read = f"Tables: [{path.name}]({path.name})."
    tables = path.with_name(f"{path.stem}-tables.md")
    if tables.exists():
        read = f"More: [{path.name}]({path.name}). All tables: [{tables.name}]({tables.name})."
    found = LEAD.findall(text)
    if not found:
        guide = next(_guides(path.name), None)
        if guide is not None:
            found, where, heading = guide
            read += f" Read plainly: [{heading}](../{where}#{anchor(heading)})."
    lines += [f"- {' '.join(lead.split()).rstrip('.:')}." for lead in found]
    lines += ["", read] if found else [read]
    made = commands(text)
    if made:
        shown = ", then ".join(f"`{command}`" for command in made)
        lines[-1] += f" Made with {shown if len(shown) <= LONGEST else 'the commands that stand there'}."
    return "\n".join(lines)


def commands(text: str) -> list[str]:
    """Return the commands that a page of results says it was made with: its first block of them, else the first in a
    sentence.

    >>> commands("By `counterpoise genes probe`:\\n\\n```\\ncounterpoise genes study a.yaml\\n```\\n")
    ['counterpoise genes study a.yaml']
    """
    for block in FENCED.findall(text):
        lines = [line.strip() for line in block.replace("\\\n", " ").splitlines()]
        found = [" ".join(line.split()) for line in lines if line.startswith(("counterpoise ", "python "))]
        if found:
            return found
    inline = COMMAND.search(text)
    return [" ".join(inline[1].split())] if inline else []


def _guides(page: str) -> Iterator[tuple[list[str], str, str]]:
    """Yield (findings, page, heading) of the sections of other pages that say what came out on a page of results."""
    for path in sorted((ROOT / "docs").glob("*.md")):
        for section in re.split(r"^(?=## )", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
            if f"(results/{page})" in section and LEAD.search(section) and "came out" in section.partition("\n")[0]:
                yield LEAD.findall(section), path.name, section.partition("\n")[0].removeprefix("## ")


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets on the site and on git hosts.

    >>> anchor("What came out: SFT, DFT and BFT on instruction data")
    'what-came-out-sft-dft-and-bft-on-instruction-data'
    """
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def demo_table() -> str:
    """Return the demo's table: every arm with its interval, and the floors."""
    rows = json.loads((ROWS / "demo.json").read_text(encoding="utf-8"))["rows"]
    metrics = list(
        dict.fromkeys((row["task"], row["metric"]) for row in rows if row["metric"] != "gene-blind accuracy")
    )
    models: dict[str, dict[tuple[str, str], str]] = {}
    for row in rows:
        cell = f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        models.setdefault(row["model"], {})[row["task"], row["metric"]] = cell
    body = [[model, *(cells.get(metric, "") for metric in metrics)] for model, cells in models.items()]
    floors = next(row["floors"] for row in rows if row["metric"] == "corrected accuracy")
    shown = ", ".join(f"{name} {value:.3f}" for name, value in floors.items())
    counts = sorted({row["n"] for row in rows if row["task"] == "gene-process"})
    return (
        f"{table(['model', *(f'{task}: {metric}' for task, metric in metrics)], body)}\n\n"
        f"n = {', '.join(map(str, counts))} held-out genes; intervals are 95 % bootstraps over items. "
        f"Floors of the corrected accuracy: {shown}."
    )


def benchmark_rows() -> str:
    """Return the files of benchmarks/results as tables: what varies as columns, what does not in a line above."""
    parts = []
    for path in sorted(path for path in ROWS.glob("*.json") if path.stem != "demo"):  # that one is a result
        data = json.loads(path.read_text(encoding="utf-8"))
        lines = [f"## {path.stem}", ""]
        if "command" in data:
            lines += [f"`{data['command']}`", ""]
        machine = data.get("machine") or data.get("environment") or {}
        facts = [f"{key} {value}" for key, value in machine.items() if key in ("torch", "threads", "capability")]
        if facts:
            lines += [f"{', '.join(facts)}.", ""]
        for name, rows in _tables(data):
            if name != "rows":
                lines += [f"**{name}**", ""]
            lines += [_rows(rows), ""]
        lines += [f"The file: [{path.name}](../benchmarks/results/{path.name})."]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _tables(data: Mapping[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    if "tables" in data:
        return list(data["tables"].items())
    if "rows" in data:
        return [("rows", data["rows"])]
    return [("rows", [{key: value for key, value in data.items() if key not in ("command", "machine")}])]


def _rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a table; values that are the same in all of several rows stand above it."""
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    same = [key for key in columns if len(flat) > 1 and len({row.get(key, "") for row in flat}) == 1]
    kept = [key for key in columns if key not in same]
    above = ", ".join(f"{key} {flat[0][key]}" for key in same if flat[0][key] != "")
    body = [[row.get(key, "") for key in kept] for row in flat]
    return (f"In all rows: {above}.\n\n" if above else "") + table([key.replace("_", " ") for key in kept], body)


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the cells of a row; a mapping inside becomes columns of its own, the single rounds are left out."""
    cells: dict[str, str] = {}
    for key, value in row.items():
        if key == "floors":
            best = max(value.items(), key=lambda floor: floor[1], default=None)
            cells["best floor"] = f"{best[1]:.3f} {best[0]}" if best else ""
        elif isinstance(value, Mapping):
            cells |= _flat(value, f"{prefix}{key}: ")
        elif not isinstance(value, list):
            cells[prefix + key] = _cell(value)
    return cells


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        if abs(value) >= 1000:
            return f"{value:,.0f}"
        return f"{value:.3g}" if abs(value) < 0.1 else f"{value:.4g}"
    return str(value)


def table(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; a bar in a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *body]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
