import { Fields, OutgoingBody, OutgoingResponse, ResponseOutparam } from "wasi:http/types@0.2.0";

export const incomingHandler = {
  handle(request, responseOut) {
    const words = new URL(request.pathWithQuery() ?? "/", "http://localhost").searchParams.getAll("word");
    const encoder = new TextEncoder();
    const headers = new Fields();
    headers.append("content-type", encoder.encode("text/plain; charset=utf-8"));
    const response = new OutgoingResponse(headers);
    const body = response.body();
    ResponseOutparam.set(responseOut, { tag: "ok", val: response });
    const stream = body.write();
    stream.blockingWriteAndFlush(encoder.encode([...words.sort(), "sorted by JavaScript", ""].join("\n")));
    stream[Symbol.dispose]();
    OutgoingBody.finish(body, undefined);
  },
};
