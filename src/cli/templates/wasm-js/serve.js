import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from "wasi:http/types@0.2.0";

/* The status and the text for a path with its query. */
function answer(target) {
  const { pathname, searchParams } = new URL(target, "http://localhost");
  if (pathname !== "/") return [404, "There is nothing here.\n"];
  return [200, `Hello, ${searchParams.get("name") ?? "world"}!\n`];
}

export const incomingHandler = {
  handle(request, responseOut) {
    const [status, text] = answer(request.pathWithQuery() ?? "/");
    const encoder = new TextEncoder();
    const headers = new Fields();
    headers.append("content-type", encoder.encode("text/plain; charset=utf-8"));
    const response = new OutgoingResponse(headers);
    response.setStatusCode(status);
    const body = response.body();
    ResponseOutparam.set(responseOut, { tag: "ok", val: response });
    const stream = body.write();
    stream.blockingWriteAndFlush(encoder.encode(text));
    stream[Symbol.dispose]();
    OutgoingBody.finish(body, undefined);
  },
};
