"""What a task file says of perturbation questions: the section ``perturbation`` of a task of kind ``choice``.

perturbation:
  by: knock-down                     similar perturbations share GO annotation; drug: words of their descriptions
  columns: {perturbation: pert, gene: gene}
  cell_line: K562                    of all rows; or a column: columns: {..., cell_line: cell}
  neighbours: 6                      training rows in the prompt at {evidence}; 0: none
  neighbour: "..."                   one of them, with {perturbation}, {gene} and {answer} in braces
  results: ["no", "yes"]             what {answer} says of labels 0 and 1

The task's ``answer`` is the column with the label, 0 or 1; its ``options`` are the answers for 0 and for 1, and, if
there is a third, the one that abstains.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from counterpoise.evaluation.perturbation.cell_lines import CELL_LINES, cell_line_of


class Columns(BaseModel):
    """The columns of the data; a description is optional, and wins over what the package knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    perturbation: str = "pert"
    gene: str = "gene"
    cell_line: str = ""
    about_perturbation: str = ""
    about_gene: str = ""
    about_cell_line: str = ""


class PerturbationView(BaseModel):
    """How rows become questions.

    Attributes:
        by: what perturbs.
        columns: where a row says what.
        cell_line: of all rows, where no column tells it.
        neighbours: training rows shown with a question.
        of_similar_genes: how many of them may be of other genes that respond alike; the rest are of the gene asked for.
        neighbour_labels: ``measured`` shows their own labels; two ablations, ``shuffled`` (labels permuted among the
            training rows of the gene) and ``none`` (rows without results).
        neighbour: how one is written.
        results: how labels 0 and 1 are written there.
        per_gene: perturbations of a gene at most, when a sample is asked for.
        answer_in: which line of a generated text answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Literal["knock-down", "drug"] = "knock-down"
    columns: Columns = Columns()
    cell_line: str = ""
    neighbours: int = Field(6, ge=0, le=50)
    of_similar_genes: int = Field(3, ge=0)
    neighbour_labels: Literal["measured", "shuffled", "none"] = "measured"
    neighbour: str = "{perturbation}, {gene}: {answer}"
    results: tuple[str, str] = ("no", "yes")
    per_gene: int = Field(12, ge=2)
    answer_in: Literal["first line", "last line"] = "first line"

    @field_validator("cell_line")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name and cell_line_of(name) is None:
            raise ValueError(f"{name!r} is no known cell line; expected {', '.join(CELL_LINES)}")
        return name

    @field_validator("neighbour")
    @classmethod
    def _has_known_fields(cls, text: str) -> str:
        for name in re.findall(r"\{(\w*)\}", text):
            if name not in ("perturbation", "gene", "answer"):
                raise ValueError(f"{{{name}}} is unknown there; expected {{perturbation}}, {{gene}} and {{answer}}")
        return text

    @model_validator(mode="after")
    def _complete(self) -> PerturbationView:
        if bool(self.cell_line) == bool(self.columns.cell_line):
            raise ValueError("say the cell line either as cell_line or as a column in columns.cell_line")
        if self.by == "drug" and not self.columns.about_perturbation:
            raise ValueError(
                "drugs are compared by their descriptions; name their column in columns.about_perturbation"
            )
        if self.of_similar_genes > self.neighbours:
            raise ValueError(f"of_similar_genes is {self.of_similar_genes}, more than the {self.neighbours} neighbours")
        return self
