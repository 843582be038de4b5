/* Failures on request. The test programs that CMake's nx_faults() was called for are linked so that
 * every allocation of the runtime, and every system call that it makes about files, goes through
 * here, and one of them fails when a test says so:
 *
 *     for (unsigned long n = 1;; n++) {
 *         faults_call(n, EIO);
 *         nx_err err = nx_fs_write_file(path, bytes);
 *         if (!faults_stop()) break;
 *         ...
 *     }
 *
 * One counter for all threads: what a test does is to be one fiber's, the pool's threads serving it
 * (nx__uring_refused; what is in the ring goes by no function). `read` and `write` are left out:
 * with them threads wake a loop. */
#ifndef FAULTS_H
#define FAULTS_H

/* The n-th allocation from here on (1: the next) returns NULL; those after it succeed. */
void faults_memory(unsigned long nth);

/* The n-th system call from here on fails with this errno, having done nothing (but close, which
 * closes); those after it are made. With FAULTS_SHORT it is the n-th of those that move bytes, and
 * moves half of them. */
void faults_call(unsigned long nth, int error);
#define FAULTS_SHORT 0

/* Nothing fails from here on. The name of what did, or NULL. */
const char *faults_stop(void);

/* What would be greater after a leak: blocks that are allocated, descriptors that are open. */
long faults_blocks(void);
int faults_descriptors(void);

#endif
