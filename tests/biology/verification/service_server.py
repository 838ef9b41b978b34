"""A real HTTP server on a free loopback port that replays what the services document, or misbehaves as it is told.

with ServiceServer() as server:
    server.script = ["hang", Refusal(429, {"Retry-After": "3"})]      # for the next requests; then it answers
    make_toolbox(offline=False, addresses=server.addresses)

The texts in the answers are made up; their form is that of the services' own documentation.
"""

import email
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Refusal:
    """An error status, with headers and a body."""

    status: int
    headers: dict = field(default_factory=dict)
    body: object = None


@dataclass
class Asked:
    """One request: method, path without its query, and all fields of query, form or JSON."""

    method: str
    path: str
    fields: dict
    headers: dict
    query: str


def term(source: str, native: str, name: str, p: float) -> dict:
    """A row of g:Profiler's answer."""
    return {
        "native": native,
        "name": name,
        "source": source,
        "p_value": p,
        "significant": True,
        "intersection_size": 3,
        "query_size": 4,
        "term_size": 50,
        "effective_domain_size": 21000,
        "parents": [],
    }


GPROFILER = {
    "meta": {"version": "e113_eg59_p19_made", "genes_metadata": {"failed": []}, "timestamp": "2026-01-02T03:04:05"},
    "result": [
        term("REAC", "REAC:R-HSA-69473", "G2/M DNA damage checkpoint", 2e-4),
        term("GO:BP", "GO:0006977", "arrest of the cell cycle after damage", 1e-6),
        term("KEGG", "KEGG:04115", "p53 signaling pathway", 1e-5),
    ],
}


def enrichr_rows(library: str) -> list:
    """Rows of Enrichr: rank, term, p, odds ratio, combined score, genes, adjusted p, and two old p."""
    name = {"Reactome_2022": "Cell Cycle Checkpoints R-HSA-69620"}.get(library, f"{library} apoptosis")
    return [
        [1, name, 1e-6, 50.0, 700.0, ["TP53", "MDM2"], {"KEGG_2021_Human": 1e-5}.get(library, 1e-4), 0, 0],
        [2, f"{library} nothing much", 0.4, 1.1, 1.0, ["TP53"], 0.6, 0, 0],
    ]


GENE_SUMMARY = {
    "header": {"type": "esummary", "version": "0.3"},
    "result": {
        "uids": ["7157"],
        "7157": {
            "uid": "7157",
            "name": "TP53",
            "description": "tumor protein p53",
            "otheraliases": "P53",
            "organism": {"scientificname": "Homo sapiens", "commonname": "human", "taxid": 9606},
            "summary": "Made-up sentence on arrest. Made-up sentence on death; with more. A third one.",
        },
    },
}


def article(uid: str, title: str, **more: object) -> dict:
    """The summary of an article."""
    return {"uid": uid, "title": title, "source": "J Made Up", "pubdate": "2019 Mar 4", "pubtype": [], **more}


ARTICLES = {
    "result": {
        "uids": ["30000001", "30000002"],
        "30000001": article("30000001", "Role of <i>TP53</i> in arrest."),
        "30000002": article("30000002", "Another view.", pubtype=["Journal Article", "Retracted Publication"]),
    }
}
RELATIONS = [
    {"type": "negative_correlate", "source": "@GENE_TP53", "target": "@GENE_MDM2", "publications": 12},
    {"type": "associate", "source": "@GENE_TP53", "target": "@DISEASE_Breast_Neoplasms", "publications": 900},
]
SEARCH = {
    "results": [
        {
            "_id": "31000001",
            "pmid": 31000001,
            "title": "TP53 seen from afar",
            "journal": "Made Up Lett",
            "date": "2021-05-06T00:00:00Z",
            "score": 200.5,
            "text_hl": "@<m>GENE_TP53</m> @<m>7157</m>",
        }
    ],
    "facets": {},
    "page_size": 10,
    "current": 1,
    "count": 41,
    "total_pages": 5,
}


class ServiceServer:
    """The server.

    Attributes:
        script: what to do with the next requests instead of answering: "hang", "close", "html", "truncated", a
            `Refusal`, or None to answer.
        always: the same for every request after the script.
        answers: (path, ``db`` of the fields or "") -> body, or a function from the fields to the body.
        requests: all requests, in the order in which they came.
    """

    def __init__(self) -> None:
        self.script: list = []
        self.always: object = None
        self.requests: list[Asked] = []
        self.answers: dict = {
            ("/gprofiler/api/gost/profile/", ""): GPROFILER,
            ("/enrichr/addList", ""): {"shortId": "abc", "userListId": 363320},
            ("/enrichr/enrich", ""): lambda fields: {fields["backgroundType"]: enrichr_rows(fields["backgroundType"])},
            ("/eutils/esearch.fcgi", "gene"): {"esearchresult": {"count": "1", "retmax": "1", "idlist": ["7157"]}},
            ("/eutils/esummary.fcgi", "gene"): GENE_SUMMARY,
            ("/eutils/esearch.fcgi", "pubmed"): {
                "esearchresult": {"count": "1234", "idlist": ["30000001", "30000002"], "translationset": []}
            },
            ("/eutils/esummary.fcgi", "pubmed"): ARTICLES,
            ("/pubtator/relations", ""): RELATIONS,
            ("/pubtator/search/", ""): SEARCH,
        }
        self._released = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> "ServiceServer":
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.reply("GET", {})

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                self.reply("POST", fields_of(self.headers["Content-Type"], content))

            def reply(self, method: str, fields: dict) -> None:
                parts = urlsplit(self.path)
                fields = {**dict(parse_qsl(parts.query)), **fields}
                with owner._lock:
                    owner.requests.append(Asked(method, parts.path, fields, dict(self.headers), parts.query))
                    act = owner.script.pop(0) if owner.script else owner.always
                if act == "hang":
                    owner._released.wait(20)
                    self.close_connection = True
                elif act == "close":
                    self.close_connection = True
                elif act == "html":
                    self.answer(200, b"<!DOCTYPE html><html><body>We are busy.</body></html>")
                elif act == "truncated":
                    self.answer(200, b'{"result": [{"native": "GO:00', missing=40)
                    self.close_connection = True
                elif isinstance(act, Refusal):
                    self.answer(act.status, act.body, act.headers)
                else:
                    found = owner.answers.get((parts.path, fields.get("db", "")))
                    self.answer(404 if found is None else 200, found(fields) if callable(found) else found)

            def answer(self, status: int, body: object, headers: dict | None = None, missing: int = 0) -> None:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content) + missing))
                self.end_headers()
                self.wfile.write(content)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that went away is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def addresses(self) -> dict[str, str]:
        """Where each service is, as `make_toolbox` takes it."""
        return {name: f"{self.url}/{name}" for name in ("gprofiler", "enrichr", "eutils", "pubtator")}


def fields_of(kind: str, content: bytes) -> dict:
    """Return the fields of a posted body: JSON, a form, or a form in several parts."""
    if kind.startswith("application/json"):
        return json.loads(content)
    if kind.startswith("multipart/form-data"):
        message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + content)
        return {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode()
            for part in message.get_payload()
        }
    return dict(parse_qsl(content.decode()))


class Clock:
    """Seconds that pass only when somebody sleeps; keeps what was slept."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds
