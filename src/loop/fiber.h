/* What fibers, scopes and the loop know of each other. */
#ifndef NX__FIBER_H
#define NX__FIBER_H

#include "loop/loop.h"

/* Runs ready fibers, `budget` switches at most, from the loop's context; returns how many were
 * used. */
unsigned nx__fibers_run(struct nx_loop *loop, unsigned budget);

/* Prepares a context that runs fn() on a stack of its own. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__fiber_context(nx_fiber *fiber, void (*fn)(void));

/* Called first thing by such a function. */
void nx__fiber_context_entered(void);

/* Takes the thread's own stack as a fiber. */
void nx__fiber_main_adopt(nx_fiber *fiber);

/* Ends every scope of the running fiber, those that it left open as if cancelled. Returns the
 * fiber's result: `result`, or its scope's error where that is NX_OK or only says that the scope
 * was cancelled. */
nx_err nx__scopes_end(nx_fiber *fiber, nx_err result);

/* The message of the fiber's result `code`: its last error's, if that is what it returned. Valid as
 * long as the fiber. */
const char *nx__fiber_message(const nx_fiber *fiber, nx_err code);

/* Ends the fiber's scope and wakes whoever joins; the last that runs on its stack but for the
 * switch away. */
void nx__fiber_end(nx_fiber *fiber);

/* Puts an ended fiber aside for reuse; it may be the one that runs. */
void nx__fiber_release(nx_fiber *fiber);

/* Gives the memory of ended fibers past the warm ones, or of all, back to the system. From the
 * loop's context or after it. */
void nx__fibers_trim(struct nx_loop *loop, bool all);

/* Unmaps the stack, and with it the fiber. */
void nx__fiber_unmap(nx_fiber *fiber);

/* Withdraws what a cancelled fiber waits for, and cancels what it spawned in its scopes up to
 * `outermost`. */
void nx__fiber_interrupt(nx_fiber *fiber, nx_scope *outermost);

void nx__scope_init(nx_scope *scope, nx_fiber *fiber);

/* Waits for the scope's fibers, runs the deferred calls, frees the memory; the scope stays the
 * caller's to unlink. */
nx_err nx__scope_end(nx_scope *scope);

/* A fiber of the scope has ended. */
void nx__scope_leave(nx_scope *scope, nx_fiber *fiber);

/* Cancels every fiber of the scope, and all below them. */
void nx__scope_cancel_fibers(nx_scope *scope);

/* Clears every timer of the calling thread that has a callback. */
void nx__callbacks_clear(void);

/* Frees the calling thread's table of timer callbacks. */
void nx__callbacks_free(void);

/* One thing less keeps the program alive. */
void nx__pending_drop(struct nx_loop *loop);

#endif
