/* The three standard descriptors. */
#ifndef NX__STANDARD_H
#define NX__STANDARD_H

/* Opens /dev/null for those of the first three descriptors that came closed: the next file or
 * socket would take their place, and what is printed would go into it. First thing in a program;
 * ends it where that can't be done. */
void nx__standard_open(void);

#endif
