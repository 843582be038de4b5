/* SIGPIPE, for writes that have no flag against it. */
#ifndef NX__SIGPIPE_H
#define NX__SIGPIPE_H

/* From now on a write to a pipe or socket that nobody reads is EPIPE and no more. Does nothing
 * where the program has its own handling. Any thread. */
void nx__sigpipe_quiet(void);

#endif
