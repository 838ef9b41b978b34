"""Models behind an address: any server with OpenAI's HTTP interface (vLLM, llama.cpp, SGLang, a vendor's).

    client = EndpointClient("http://localhost:8000")
    client.chat([{"role": "user", "content": "What is GFAP?"}], max_tokens=64).text

`connection` sends and retries, `client` knows the interface, `echo` reads log-probabilities of given text, `parallel`
keeps several requests under way.
"""

from counterpoise.endpoints.client import ChatAnswer, Completion, EndpointClient
from counterpoise.endpoints.connection import EndpointUnusable, RequestFailed

__all__ = ["ChatAnswer", "Completion", "EndpointClient", "EndpointUnusable", "RequestFailed"]
