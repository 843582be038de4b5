/* The body of a request, sent by a fiber of its own while the answer is read. */
#ifndef NX__CLIENT_UPLOAD_H
#define NX__CLIENT_UPLOAD_H

#include "http/client/driver.h"
#include <nexus/stream.h>

struct nx__upload;

/* Begins to send what `next` gives, piece after piece until one is empty; each stays until the next
 * call. It is called in the fiber of the upload's, and may suspend. The exchange has begun. What it
 * comes to is in the exchange: sent, unsent, or neither where the peer has enough. NX_ENOMEM,
 * NX_ELIMIT, recorded. Does not suspend. */
NX_MUST_CHECK nx_err nx__upload_begin(struct nx__upload **out, struct nx__exchange *x,
                                      nx_err (*next)(void *arg, nx_bytes *piece), void *arg);

/* The same for what a stream gives, which it closes, also on failure. */
NX_MUST_CHECK nx_err nx__upload_stream(struct nx__upload **out, struct nx__exchange *x,
                                       nx_stream *source);

/* Waits until it has come to something. NX_ETIMEDOUT (the exchange's deadline), NX_ECANCELED.
 * Suspends. */
NX_MUST_CHECK nx_err nx__upload_wait(struct nx__upload *upload);

/* Gives up what is not sent yet, and frees it; the exchange has not ended yet. NULL is nothing.
 * Suspends, and is not cut short by cancellation. */
void nx__upload_end(struct nx__upload *upload);

#endif
