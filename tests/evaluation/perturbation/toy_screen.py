"""A small screen of real genes, as a table."""

import csv

RIBOSOME = ["RPL3", "RPL4", "RPL5", "RPS3", "RPS6", "RPS19"]
PROTEASOME = ["PSMA1", "PSMA3", "PSMB2", "PSMB5", "PSMC1", "PSMD1"]
READOUTS = ["GATA1", "MYC", "FTL", "CALM2"]
TESTED = {"RPS19", "PSMD1", "RPL5", "PSMC1"}


def screen(tested=TESTED):
    """GATA1 and MYC respond to the loss of ribosomal genes, FTL to that of proteasomal ones, CALM2 to none."""
    rows = []
    for perturbation in [*RIBOSOME, *PROTEASOME]:
        for gene in READOUTS:
            hit = (perturbation in RIBOSOME) if gene in ("GATA1", "MYC") else (perturbation in PROTEASOME)
            label = int(hit and gene != "CALM2")
            split = "test" if perturbation in tested else "train"
            rows.append({"pert": perturbation, "gene": gene, "label": label, "split": split})
    return rows


def write_table(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
