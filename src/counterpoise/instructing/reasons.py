"""Why a record is left out: the reasons, in the order in which they are looked at, as card and rejects name them."""

from __future__ import annotations

REASONS = {
    "no answer": "the model's server did not answer the call",
    "form": "the reply holds no record that can be read",
    "fields": "its category, instruction or output is missing, or stands twice",
    "truncated": "the longest reply cut it off",
    "category": "its category is none of the seeds'",
    "length": "its instruction, input or output is too short or too long",
    "language": "it is not in English",
    "repetition": "it repeats itself, or the output repeats what was asked",
    "placeholder": "it holds a blank to be filled in, such as [name]",
    "refusal": "its output refuses, or talks to the one who asked",
    "about the exercise": "it speaks of the record that was asked for, and not of a subject",
    "not text": "it needs an image, a sound, a file or the web",
    "no input": "its instruction speaks of a text or of options, and it has no input",
    "copy": "it holds words of the template, or eight in a row of a seed (its instruction may come again as one)",
    "test item": "it shares a run of words with an item of a test set",
    "near-duplicate": "it asks nearly the same as a seed or an accepted record, in nearly the same words",
    "same meaning": "it asks nearly the same in other words",
}
