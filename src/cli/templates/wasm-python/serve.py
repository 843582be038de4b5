from urllib.parse import parse_qs, urlsplit

from componentize_py_types import Ok
from greeting import greeting
from wit_world import exports
from wit_world.imports.types import Fields, OutgoingBody, OutgoingResponse, ResponseOutparam


def answer(path):
    """The status and the text for a path with its query."""
    url = urlsplit(path)
    if url.path != "/":
        return 404, "There is nothing here.\n"
    return 200, greeting(parse_qs(url.query).get("name", ["world"])[0]) + "\n"


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        status, text = answer(request.path_with_query() or "/")
        headers = Fields()
        headers.append("content-type", b"text/plain; charset=utf-8")
        response = OutgoingResponse(headers)
        response.set_status_code(status)
        body = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        with body.write() as stream:
            stream.blocking_write_and_flush(text.encode())
        OutgoingBody.finish(body, None)
