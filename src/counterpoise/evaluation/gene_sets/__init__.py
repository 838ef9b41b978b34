"""Names of gene sets, scored: against the curated name, against trivial names, and against their own confidence.

names        what a model or a naming run answered, cleaned, and ROUGE of it
vectors      names as unit vectors of an encoder, kept on disk
ranking      cosine, rank and percentile of the true name among a background of terms
similarities what an encoder found, kept for scoring again
confidence   bins, does confidence follow similarity, does it fall on random genes
decisions    what verification decided of the claims, and whether it improved the name
floors       what trivial methods reach
measured     from answers to measurements
resampling   the spread over nine resamples, as published
benchmark    the sets of a task, and the sources that a tool must not be asked there
scoring      all of it for one task: rows as in results.json, for any mode
"""
