"""Where would an objective put its weight? A model reads a data set; every token and sample is weighed, none trained.

    from counterpoise.inspection import DataRequest, inspect, load_inspection, write_filtered

    outcome = inspect("smollm2-135m", DataRequest("facts.jsonl"), folder="runs/inspect")
    write_filtered("runs/inspect", "clean.jsonl", drop=["suspects"], keep_hardest="20%")

Reading order: `reading` and `encoding` (what is inspected), `forcing` (what the model says of it), `weighing` (what an
objective makes of that), `windows` and `diagnostic` (dense or sparse low confidence), `suspects` (bad data), and
`inspector` (all of it).
"""

from counterpoise.inspection.diagnostic import Thresholds
from counterpoise.inspection.filtering import write_filtered
from counterpoise.inspection.inspector import Options, inspect, load_inspection
from counterpoise.inspection.objective_text import parse_objective
from counterpoise.inspection.reading import DataRequest
from counterpoise.inspection.suspects import Suspicion

__all__ = [
    "DataRequest",
    "Options",
    "Suspicion",
    "Thresholds",
    "inspect",
    "load_inspection",
    "parse_objective",
    "write_filtered",
]
