"""The gene sets that models are tested on, read from the user's data folder: what training must not hold.

    sets = benchmark_sets(("gene-sets-go", "gene-sets-hu"), "biomedical")
    sets = benchmark_sets(("my_terms.txt",))          # GO ids, one a line
    sets = benchmark_sets(("my_sets.gmt",))           # any file of gene sets that `biology.gene_sets` reads

The package holds no benchmark and no list of its ids: which terms it selected is the benchmark's own work.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from counterpoise.biology.gene_sets import GeneSet, read_gene_sets
from counterpoise.biology.identifiers import load_genes
from counterpoise.data.catalog import DATA_DIR_VARIABLE
from counterpoise.data.records import Problem, read_records
from counterpoise.errors import UserError, nearest

BENCHMARKS = {
    "gene-sets-go": "geneagent/go_1000.jsonl",
    "gene-sets-hu": "hu2025/go_1000_sets.csv",
    "gene-sets-msigdb": "geneagent/msigdb_56.jsonl",
    "gene-sets-nest": "geneagent/nest_50.jsonl",
}
"""Task -> its file in the data folder, with id, name and genes (Hu et al.: go_id, term and genes)."""
NONE = "none"
GO_ID = re.compile(r"GO:\d{7}")


def benchmark_sets(names: Sequence[str] = tuple(BENCHMARKS), data_dir: str | Path | None = None) -> list[GeneSet]:
    """Read benchmarks: their ids, names and genes (as approved symbols, for they are of mixed age).

    Args:
        names: of tasks, or of files: GO ids one a line (.txt), or gene sets. ``("none",)`` gives no sets.
        data_dir: folder of local copies; if not given, the environment variable COUNTERPOISE_DATA.

    Raises:
        UserError: a name that is neither, or a benchmark that is not there: training without knowing what to leave
            out would leak, so that has to be said by "none".
    """
    if not names or NONE in names:
        if tuple(names) != (NONE,):
            raise UserError(f"exclude is {'+'.join(names) or 'empty'}; expected 'none' alone, or tasks and files")
        return []
    return [found for name in names for found in _sets(name, data_dir)]


def _sets(name: str, data_dir: str | Path | None) -> list[GeneSet]:
    if name in BENCHMARKS:
        return _normalised(_task_sets(name, data_dir))
    path = Path(name).expanduser()
    if not path.is_file():
        raise UserError(
            f"exclude names {name!r}{nearest(name, list(BENCHMARKS))}, which is neither a file nor one of "
            f"{', '.join(BENCHMARKS)}"
        )
    if path.suffix == ".txt":
        return list(_ids(path))
    return _normalised(read_gene_sets(path))


def _task_sets(name: str, data_dir: str | Path | None) -> list[GeneSet]:
    folder = data_dir or os.environ.get(DATA_DIR_VARIABLE)
    path = Path(folder).expanduser() / BENCHMARKS[name] if folder else None
    if path is None or not path.is_file():
        looked = f"{path} is not there" if path else f"no data folder is given (--data-dir or {DATA_DIR_VARIABLE})"
        raise UserError(
            f"{name} cannot be kept out of training, for {looked}; give the folder, or say exclude=none to train "
            "on a model that is not to be measured on it"
        )
    sets = []
    for located in read_records(path):
        if isinstance(located, Problem):
            raise UserError(str(located))
        record = located.record
        found, title, genes = record.get("id", record.get("go_id")), record.get("name", record.get("term")), None
        if "genes" in record:
            genes = record["genes"].split() if isinstance(record["genes"], str) else record["genes"]
        if not found or not title or genes is None:
            raise UserError(f"{path.name}, {located.place}: expected the columns id, name and genes of {name}")
        sets.append(GeneSet(str(found), tuple(genes), str(title), name))
    return sets


def _normalised(sets: Sequence[GeneSet]) -> list[GeneSet]:
    """Give genes their approved symbols; what is not recognised stays as it is."""
    table = load_genes()
    found = []
    for one in sets:
        resolved = table.resolve(one.genes)
        left = [*resolved.unknown, *resolved.ambiguous]
        found.append(GeneSet(one.id, (*resolved.symbols, *left), one.name, one.source))
    return found


def _ids(path: Path) -> Iterator[GeneSet]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if text and not GO_ID.fullmatch(text):
            raise UserError(
                f"{path.name}, line {number}: {text[:40]!r} is no GO id; expected one a line, as GO:0006915"
            )
        if text:
            yield GeneSet(text, (), "", path.name)
