"""Perturbation questions: does a gene's expression change, and in which direction, when another gene is knocked down?

    found = read_items(tasks.get("perturbqa-k562-de"), "test", data_dir="biomedical", limit=1200, seed=0)
    counterpoise evaluate MODEL --task perturbqa-k562-de --task perturbqa-k562-de-no-retrieval --limit 1200

The metric to quote is the macro AUROC per readout gene: a gene's training rate alone, blind to the perturbation,
reaches a *pooled* AUROC of .84 to .98 on these questions, and .5 per gene.

- `settings`: the part of a task file that makes it a task of this kind;
- `questions`: reading rows, refusing leakage, sampling whole genes;
- `go`: Gene Ontology similarity of perturbed genes, and what a prompt tells of a gene;
- `similarity`: of descriptions (drugs) and of response profiles (readout genes);
- `retrieval`: training rows alike, with their measured results;
- `study`: all of one task and split together, and the methods that need no model;
- `items`: prompts; `auroc` and `scoring`: metrics and their intervals.
"""
