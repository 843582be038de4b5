/* What guests of nexus serve print. */
#ifndef NX__SERVE_OUTPUT_H
#define NX__SERVE_OUTPUT_H

/* Guests write into stdout and stderr in the thread of their loop, which must not wait for whoever
 * reads these: where they are pipes or sockets, a thread of its own passes on what is written to
 * them. What nobody takes is kept up to a limit, and lost past it. Does nothing where there are no
 * descriptors or no thread for it. Once; before any loop serves. */
void nx__serve_output_begin(void);

/* Passes on what is left, if somebody takes it within a second, and gives stdout and stderr back.
 * Blocks. */
void nx__serve_output_end(void);

#endif
