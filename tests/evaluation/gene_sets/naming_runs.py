"""Four gene sets, what a scripted model says of them, and records as a naming run writes them."""

import csv
import gzip
import json
from dataclasses import asdict

from scripted import Scripted

from counterpoise.evaluation.backend import Reply
from counterpoise.evaluation.evaluate import Identity

SETS = [
    ("GO:1", "glycolytic process", ["HK1", "GPI", "PFKM", "ALDOA", "TPI1"]),
    ("GO:2", "DNA repair", ["MLH1", "MSH2", "MSH6", "PMS2"]),
    ("GO:3", "mitotic spindle assembly", ["TPX2", "AURKA", "KIF11"]),
    ("GO:4", "apoptotic process", ["CASP3", "CASP9", "APAF1", "CYCS"]),
]
BACKGROUND = ["glycolytic process", "DNA repair", "mitotic spindle assembly", "translation", "lipid transport"]
SAID = {
    "HK1": "Process: Glycolysis (0.95)\nHK1 ...",
    "MLH1": "**Process: DNA repair (0.85)**",
    "TPX2": "I do not know.",
    "CASP3": "Process: System of unrelated proteins (0.0)",
}


def write_data(folder):
    """The four sets as every task's files, with a small background."""
    for name in ("geneagent", "hu2025"):
        (folder / name).mkdir(parents=True)
    rows = [{"id": name, "name": title, "genes": genes} for name, title, genes in SETS]
    for file in ("go_1000", "nest_50", "msigdb_56"):
        text = "".join(json.dumps(row) + "\n" for row in (rows if file == "go_1000" else rows[:1]))
        (folder / "geneagent" / f"{file}.jsonl").write_text(text)
    with gzip.open(folder / "hu2025" / "go_bp_background.tsv.gz", "wt") as file:
        file.write("go_id\tname\n" + "".join(f"GO:{i}\t{name}\n" for i, name in enumerate(BACKGROUND)))
    with (folder / "hu2025" / "go_1000_sets.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["go_id", "term", "n_genes", "genes"], ["GO:9", "DNA repair", 2, "MLH1 MSH2"]])
    header = ["go_id", "term", "n_genes", "genes_50pct_contaminated", "genes_100pct_contaminated"]
    with (folder / "hu2025" / "go_1000_contaminated.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, ["GO:9", "DNA repair", 2, "MLH1 HK1", "HK1 GPI"]])
    return folder


def rule(query):
    """Answer by the genes that are asked about."""
    last = query.messages[-1].content.rpartition("Genes:")[2]
    return next(Reply(query.id, text=text) for gene, text in SAID.items() if gene in last)


class Subject:
    """A model that answers by the rule."""

    def identity(self):
        return Identity("scripted")

    def settings(self):
        return {"identity": asdict(self.identity())}

    def backend(self):
        return Scripted(rule)


def record(name, given, **changes):
    """A record of a set, with what scoring reads of it."""
    plain = {
        "id": name,
        "genes": [],
        "name": given,
        "confidence": 0.9,
        "first_name": "",
        "claims": [],
        "complete": True,
    }
    return plain | {"mode": "agent", "model": "m", "versions": {}} | changes
