/* The parts of a flame graph that are the same in each: its style and its script (embedded.S).
 */
#ifndef NX__FLAME_PARTS_H
#define NX__FLAME_PARTS_H

extern const char nx__flame_style[], nx__flame_script[];

#endif
