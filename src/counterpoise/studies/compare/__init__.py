"""Several arms on several tasks under one shared setup: prompts, objectives, adapters and encoders side by side.

    study = load_study("examples/studies/blurb-small.yaml")
    outcome = compare(study, folder="runs/blurb-small", data_dir="biomedical")       # what study.json holds
    print(markdown(outcome))

`config` is the study file, `arms` what it asks for, `runner` trains and measures, `statistics` compares over items and
seeds, `outcome` makes study.json, `table` writes it as Markdown.
"""

from counterpoise.studies.compare.arms import Study, load_study
from counterpoise.studies.compare.runner import compare
from counterpoise.studies.compare.table import markdown

__all__ = ["Study", "compare", "load_study", "markdown"]
